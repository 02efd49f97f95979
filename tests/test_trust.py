"""A run that somebody shared runs none of its own code, unless it is told that it may."""

import copy
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from align.checkpoints.description import build, fresh
from align.checkpoints.trust import named_modules, trusting
from align.cli import main
from align.errors import InputError
from align.experiments.dry_fit import is_same
from align.experiments.options import set_option
from align.policy import DiffusionPolicy

ENCODER = """
from pathlib import Path
from torch import nn
Path({marker!r}).write_text("imported")
class Encoder(nn.Module):
    features = 8
    def __init__(self, width: int = 8, seed: int = 1_000_000_007):
        super().__init__()
        self.width, self.seed = width, seed
    def forward(self, x): return x.flatten(1)[:, :8]
"""


@pytest.fixture
def shared(write_config, tmp_path, monkeypatch):
    """A run whose encoder is of a module `their_encoders`, and a marker that importing it leaves."""
    marker = tmp_path / "marker"
    (tmp_path / "their_encoders.py").write_text(ENCODER.format(marker=str(marker)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    encoder = {"class_path": "their_encoders.Encoder", "init_args": {"width": 8}}
    assert main(["fit", "--config", write_config(**{"model.policy.encoder": encoder})]) == 0
    del sys.modules["their_encoders"]
    marker.unlink()
    yield tmp_path / "run", marker
    sys.modules.pop("their_encoders", None)


@pytest.mark.parametrize("command", ["rollout", "embed"])
def test_a_foreign_class_is_not_imported_unless_it_is_trusted(command, shared, capsys):
    run, marker = shared
    options = ["--trials", "1", "--steps", "1", "--film", "0", "--size", "16"] if command == "rollout" else []
    assert main([command, str(run), *options]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "their_encoders.Encoder" in error and "--trust" in error
    assert not marker.exists() and "their_encoders" not in sys.modules
    assert main([command, str(run), *options, "--trust", "[their_encoders]"]) == 0
    assert marker.exists()


def test_from_checkpoint_takes_what_it_is_told_to_trust_and_forgets_it(shared):
    run, marker = shared
    for trust in ([], ["their"], ["their_encoders.more"], ["Encoder"]):
        with pytest.raises(InputError, match="trust="):
            DiffusionPolicy.from_checkpoint(run, trust)
    assert not marker.exists()
    assert DiffusionPolicy.from_checkpoint(run, ["their_encoders"]).encoder.features == 8
    with pytest.raises(InputError, match="trust="):
        DiffusionPolicy.from_checkpoint(run)


THEIRS = """
from pathlib import Path
from pytorch_lightning.callbacks import Callback
from align.data.readers.encoding import Encoding
Path("marker").write_text("imported")
class Mine(Callback): ...
class Codec(Encoding): ...
"""


THEIR_NAMES = (
    ("trainer.callbacks", [{"class_path": "downloads.theirs.Mine"}]),
    ("trainer.callbacks", ["downloads.theirs.Mine"]),
    ("trainer.logger", {"class_path": "downloads.theirs.Mine"}),
    ("trainer.plugins", ["downloads.theirs.Mine"]),
    ("model.alignment", "downloads.theirs.Mine"),
    ("model.weighting", {"class_path": "downloads.theirs.Mine"}),
    ("data.reader", "downloads.theirs.Mine"),
    ("data.sim_codec", {"class_path": "downloads.theirs.Codec"}),
    ("data.sim_codec", "downloads.theirs.Codec"),
    ("data.sim_codec", {"class_path": "antigravity.Codec"}),
)


def test_what_a_recorded_configuration_names_is_not_imported(write_config, tmp_path, monkeypatch, capsys):
    """Not where a run is resumed, compared with one of another sweep, or embedded; nor from beside it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "downloads").mkdir()
    (tmp_path / "downloads/theirs.py").write_text(THEIRS)
    config = write_config(run="downloads/run")
    assert main(["fit", "--config", config]) == 0
    recorded = tmp_path / "downloads/run/config.yaml"
    whole = recorded.read_text()
    for option, value in THEIR_NAMES:
        content = yaml.safe_load(whole)
        set_option(content, option, value)
        recorded.write_text(yaml.safe_dump(content))
        capsys.readouterr()
        assert main(["fit", "--config", config]) == 2, option
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "another configuration" in error and option in error
        assert not is_same(tmp_path / "downloads/run", Path(config)), option
        if main(["embed", "downloads/run"]):
            assert capsys.readouterr().err.count("\n") == 1, option
        assert not (tmp_path / "marker").exists(), option
        assert not {"downloads", "antigravity"} & set(sys.modules), option


def test_an_initial_policy_gives_its_weights_and_no_code(shared, write_config, tmp_path, capsys):
    """The configuration, which is the user's word, says what the policy is made of."""
    run, marker = shared
    config = write_config("tuned", **{"run": str(tmp_path / "tuned"), "model.initial": str(run)})
    assert main(["fit", "--config", config]) == 2
    assert "does not fit this policy" in capsys.readouterr().err and not marker.exists()


def test_a_report_measures_the_objective_of_a_run_only_if_it_is_trusted(tmp_path, monkeypatch, capsys):
    from align.analysis.reports.arm_table.own_distance import own_distance

    (tmp_path / "their_objectives.py").write_text(
        "from align.alignment import CORAL\nclass Mine(CORAL): ...\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    rng = np.random.default_rng(0)
    n, domain = 40, np.repeat([0, 1], 20)
    arrays = {"image": rng.normal(size=(n, 3)).astype(np.float32), "domain": domain}
    arrays |= {"episode": np.arange(n) // 5, "step": np.zeros(n, int)}
    np.savez(tmp_path / "embeddings.npz", **arrays)
    model = {"site": "image", "alignment": {"class_path": "their_objectives.Mine"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump({"model": model}))
    assert own_distance(tmp_path, tmp_path) is None
    assert "their_objectives" in capsys.readouterr().err and "their_objectives" not in sys.modules
    with trusting(["their_objectives"]):
        assert own_distance(tmp_path, tmp_path) > 0


@pytest.mark.parametrize(
    "path",
    [
        "torch.nn.Linear",  # not align's, though it is harmless
        "align.alignment.mmd.Tensor",  # in a module of align's, but not defined there
        "align.cli.main",
        "align.nothing.Here",
        "alignment.MMD",
        "align",
        "",
        None,
        7,
        ["align.alignment.MMD"],
    ],
)
def test_only_modules_that_align_defines_are_built(path):
    with pytest.raises(InputError, match="class_path="):
        build({"class_path": path, "init_args": {}})


def test_descriptions_are_refused_in_one_line_whatever_is_wrong_with_them(write_config, tmp_path):
    """Every part of a checkpoint's description in turn replaced by something else."""
    assert main(["fit", "--config", write_config()]) == 0
    path = tmp_path / "run/checkpoints/last.ckpt"
    whole = torch.load(path, weights_only=True)
    averaged = {name: value for name, value in whole["state_dict"].items() if name.startswith("ema.")}
    good = {"policy": whole["policy"], "state_dict": averaged}  # all that is read of it
    torch.save(good, path)
    DiffusionPolicy.from_checkpoint(path)

    def places(value, at=()):
        yield at
        if isinstance(value, dict):
            for key, part in value.items():
                yield from places(part, (*at, key))

    tampered = 0
    for at in places(good["policy"]):
        for wrong in (None, 7, -1, 10**9, 0.5, float("nan"), "x", [1], {}, {"class_path": "os.system"}):
            bad = {**good, "policy": copy.deepcopy(good["policy"])}
            inside = bad
            for key in ("policy", *at)[:-1]:
                inside = inside[key]
            inside[("policy", *at)[-1]] = wrong
            torch.save(bad, path)
            try:
                DiffusionPolicy.from_checkpoint(path)
            except InputError as error:
                tampered += 1
                assert "\n" not in str(error) and str(path) in str(error)
    assert tampered > 100
    for content in (b"", b"PK\x03\x04", path.read_bytes()[:-100], path.read_bytes()[:100]):
        path.write_bytes(content)
        with pytest.raises(InputError, match="checkpoint="):
            DiffusionPolicy.from_checkpoint(path)
    for wrong in ([], {"policy": {}}, {"policy": good["policy"], "state_dict": {"ema.model.x": 1}}):
        torch.save(wrong, path)
        with pytest.raises(InputError, match=f"checkpoint='{path}'"):
            DiffusionPolicy.from_checkpoint(path.parents[1])  # the run: the file is named all the same


def test_a_checkpoint_tells_no_options(write_config, tmp_path, monkeypatch, capsys):
    (tmp_path / "their_module.py").write_text("open('sprung', 'w')\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    checkpoint = tmp_path / "their.ckpt"
    command = ["validate", "--config", write_config(), "--ckpt_path", str(checkpoint)]
    torch.save({"hyper_parameters": {"policy": {"class_path": "their_module.Policy"}}}, checkpoint)
    for content in (
        checkpoint.read_bytes(),
        b"run: run\nmodel: {}\n",
        b"trainer:\n",
        b"cos\nsystem\n(S'touch sprung'\ntR.",
    ):
        checkpoint.write_bytes(content)
        assert main(command) == 2
        line = capsys.readouterr().err
        assert line.count("\n") == 1 and f"checkpoint='{checkpoint}': " in line
        assert not (tmp_path / "sprung").exists()


def test_a_fresh_component_has_the_same_arguments_and_other_weights():
    from align.networks import ConvEncoder

    encoder = ConvEncoder(features=8, width=16, blocks=1)
    again = fresh(encoder)
    assert json.dumps({k: list(v.shape) for k, v in again.state_dict().items()}) == json.dumps(
        {k: list(v.shape) for k, v in encoder.state_dict().items()}
    )
    assert any(not torch.equal(a, b) for a, b in zip(again.parameters(), encoder.parameters(), strict=True))


def test_what_a_configuration_names_is_found_wherever_it_stands():
    config = {"a": [{"class_path": "x.y.Z", "init_args": {"b": {"class_path": "q.R"}}}], "class_path": 3}
    assert named_modules(config) == {"x.y", "q"}
