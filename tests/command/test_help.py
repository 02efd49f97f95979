"""Help: ours first, short, complete, and without an import that takes time."""

import importlib
import inspect
import json
import subprocess
import sys
from configparser import ConfigParser

import pytest

from align.cli import SUBCOMMANDS, main
from align.command.fit_options import SECTIONS
from align.command.signatures import exported, signature

HEAVY = ("torch", "pytorch_lightning", "matplotlib", "sklearn", "scipy", "pandas", "jsonargparse", "zarr")
COMMANDS = {name: f"{module}.{function}" for name, (module, function, _) in SUBCOMMANDS.items()}
PATHS = [*SECTIONS.values(), *(path for name, path in COMMANDS.items() if not path.startswith("align.fit."))]


@pytest.mark.parametrize("path", PATHS)
def test_what_is_read_from_sources_is_what_python_sees(path):
    module, _, name = path.rpartition(".")
    seen = inspect.signature(getattr(importlib.import_module(module), name)).parameters
    seen = {argument.removesuffix("_"): parameter for argument, parameter in seen.items()}
    read = {a.name: a for a in signature(path).arguments}
    assert list(read) == list(seen)
    for argument, parameter in seen.items():
        default, written = parameter.default, read[argument].default
        if default is parameter.empty:
            assert written is None
        else:
            names = {repr(default), getattr(default, "name", None), getattr(default, "__name__", None)}
            assert written in names


def test_help_of_fit_is_short_and_ours(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["fit", "--help"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    assert len(lines) <= 240 and max(map(len, lines)) <= 80
    for prefix, path in SECTIONS.items():
        for argument in signature(path).arguments:
            option = f"{prefix}.{argument.name}"
            linked = option in ("model.seed", "data.shuffle_seed") or option in SECTIONS
            assert (f"--{option} " in text.replace("\n", " ")) is not linked, option
    assert lines.index("data: Batches with a fixed share of sim and real windows.") < next(
        i for i, line in enumerate(lines) if "--trainer.max_steps" in line
    )
    for fitting in ("ConvEncoder", "ResNetEncoder", "ConditionalUnet1D", "SinkhornDivergence"):
        assert fitting in text
    for other in ("torch.nn", "DeepSpeed", "Optimizer", "ConvTranspose", "SpatialSoftmax", "barebones"):
        assert other not in text


def test_what_can_be_swapped_is_what_fits():
    import align.alignment
    from align.alignment import Objective

    ours = {
        name
        for name in align.alignment.__all__
        if issubclass(getattr(align.alignment, name), Objective) and name != "Objective"
    }
    found = exported("align.alignment", "align.alignment.objective.Objective")
    assert {path.rpartition(".")[2] for path in found} == ours


def test_help_all_has_lightnings_options_and_only_classes_that_fit(capsys):
    with pytest.raises(SystemExit) as exit:
        main(["fit", "--help-all"])
    assert exit.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "--trainer.detect_anomaly" in text and "torch.nn" not in text


def test_help_and_version_import_nothing_that_takes_time():
    code = (
        "import sys, json; from align.cli import main\n"
        "for arguments in json.loads(sys.argv[1]): assert main(arguments) == 0\n"
        "print(json.dumps(sorted(sys.modules)))"
    )
    arguments = [["--help"], ["--version"], *([name, "--help"] for name in SUBCOMMANDS)]
    run = [sys.executable, "-c", code, json.dumps(arguments)]
    loaded = json.loads(subprocess.check_output(run, text=True).splitlines()[-1])
    assert not set(HEAVY) & set(loaded)


def test_version(capsys):
    setup = ConfigParser()
    setup.read("setup.cfg")
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"align {setup['metadata']['version']}\n"
