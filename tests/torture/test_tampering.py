"""Files that a command reads back, tampered with: one line that names the file, and nothing else happens.

Where one thing inside a file is another, it may be one that does not matter: then the command does its work.
A traceback is never right. `tests/analysis/test_tampered_files.py` asks what must be refused by its content.
"""

import re
import shutil
from functools import cache
from pathlib import Path

import damage
import pytest
from damage import ANY, CUT, TEXT
from material import ALL
from refusals import attempt

SAMPLE = 6
MUTATIONS = 40  # of a file
FEWER = 20  # where a command that does its work takes seconds

ROLLOUT = "rollout run --size 16 --trials 1 --steps 1"
COMPARE, MECHANISM = "compare sweep lambda=0 --out new/table", "mechanism sweep --out new"
ARRAYS, CHECKPOINT, OTHER = damage.array_mutations, damage.checkpoint_mutations, damage.no_mutations
KEPT = ("compare kept lambda=0 --out new/table", "plan --like kept", "select kept --out new")
CACHED = "fit --data.images cache --data.cache images"
LEROBOT = ("fit --data.real lerobot", "convert lerobot new --format robomimic")
JSON, YAML, TABLE = damage.json_mutations, damage.yaml_mutations, damage.table_mutations
FILES = {
    "run/checkpoints/last.ckpt": (
        CHECKPOINT,
        (
            ROLLOUT,
            "embed run",
            "export run new",
            "fit --model.initial run",
            "validate --config fit.yaml --run run",
        ),
    ),
    "unfinished/checkpoints/last.ckpt": (CHECKPOINT, ("fit --config fit.yaml --run unfinished",)),
    "run/config.yaml": (
        YAML,
        ("embed run", "export run new", "fit --config run/config.yaml --run new", "probe run"),
    ),
    "unfinished/config.yaml": (YAML, ("fit --config fit.yaml --run unfinished",)),
    "unfinished/provenance.json": (JSON, ("fit --config fit.yaml --run unfinished",)),
    "run/embeddings.npz": (ARRAYS, ("probe run",)),
    "run/paired.npz": (ARRAYS, ("probe run",)),
    "run/rollouts.csv": (TABLE, ("probe run",)),
    "run/rollouts.png": (OTHER, ("probe run",)),
    "run/summary.json": (JSON, ("probe run",)),
    "annotation.npz": (ARRAYS, ("fit --data.gating '{annotation: annotation.npz}'",)),
    "pairs/*.npz": (ARRAYS, ("fit --data.pairing '{cache: pairs}'",)),
    "sweep/grid.json": (JSON, (COMPARE,)),
    "sweep/lambda=1.0/config.yaml": (YAML, (MECHANISM,)),
    "sweep/lambda=1.0/point.json": (JSON, (COMPARE,)),
    "sweep/lambda=1.0/summary.json": (JSON, (COMPARE,)),
    "sweep/lambda=1.0/probe.json": (JSON, (COMPARE, MECHANISM)),
    "sweep/lambda=1.0/task_probe.json": (JSON, (COMPARE,)),
    "sweep/lambda=1.0/geometry.json": (JSON, (COMPARE,)),
    "sweep/lambda=1.0/rollouts.csv": (TABLE, (COMPARE,)),
    "sweep/lambda=1.0/paths.npz": (ARRAYS, (COMPARE,)),
    "reported/lambda=1.0/provenance.json": (JSON, ("keep reported new command",)),
    "kept/results.csv": (TABLE, ("mechanism kept --out new",)),
    "kept/trials.csv.gz": (damage.compressed(TABLE), KEPT),
    "kept/runs.json.gz": (damage.compressed(JSON), KEPT),
    "sweeps/lambda=1/request.yaml": (YAML, ("sweep grid.yaml --out sweeps --dry-run",)),
    "sweeps/lambda=1/seconds.json": (JSON, ("sweep grid.yaml --out sweeps --dry-run",)),
    "sweeps/lambda=1/progress.json": (JSON, ("sweep grid.yaml --out sweeps --dry-run",)),
    "sim.zarr/.zattrs": (JSON, ("fit",)),
    "sim.zarr/.zgroup": (JSON, ("fit",)),
    "sim.zarr/data/action/.zarray": (JSON, ("fit",)),
    "sim.zarr/data/action/.zattrs": (JSON, ("fit",)),
    "lerobot/meta/info.json": (JSON, LEROBOT),
    "lerobot/meta/tasks.parquet": (OTHER, LEROBOT[1:]),
    "lerobot/meta/episodes/chunk-000/file-000.parquet": (OTHER, LEROBOT),
    "lerobot/data/chunk-000/file-000.parquet": (OTHER, LEROBOT),
    "robomimic.hdf5": (OTHER, ("fit --data.real robomimic.hdf5", "convert robomimic.hdf5 new")),
    "images/*/frames.npy": (OTHER, (CACHED,)),
    "images/files.json": (JSON, (CACHED,)),
    "trials.csv": (TABLE, ("evaluate trials.csv --out new", "plan --like trials.csv")),
    "grid.yaml": (YAML, ("sweep grid.yaml --dry-run",)),
    "base.yaml": (YAML, ("sweep grid.yaml --dry-run",)),
}
"""By file, the ways that its content may be another, and the commands that read it."""
SLOW = ("task_probe.json", "geometry.json", "kept/", "lerobot/", "robomimic", "images/")
"""Of the names of files, what tells those that take long to make, and are not in the sample."""
SURVIVES = {
    "sweeps/lambda=1/seconds.json": "an estimate does without",
    "sweeps/lambda=1/progress.json": "an estimate does without",
    "sweeps/lambda=1/request.yaml": "an estimate does without",
    "images/files.json": "the files of the store are hashed again",
    "kept/results.csv": "what it holds is kept trial by trial, too",
}
"""Files whose loss is not told."""
REMADE = {"pairs/*.npz": "a loop", "images/*/frames.npy": "a loop"}
"""Files of a cache, and what in the place of one is no file: it is made again."""
MEMORY = {"images/files.json"}
"""Files in which it is kept what need not be done again, whatever comes of a command."""
NEEDED = ("sim.zarr", "real.zarr", "fit.yaml", "base.yaml", "grid.yaml", "run", "sweep", "reported")
NEEDED += ("annotation.npz", "trials.csv")


@pytest.fixture(scope="module")
def readable(pristine, tmp_path_factory):
    """What the commands read, and only that; not to be written to."""
    from align.cli import main

    folder = tmp_path_factory.mktemp("readable")
    for name in NEEDED:
        copy = shutil.copytree if (pristine / name).is_dir() else shutil.copy
        copy(pristine / name, folder / name)
    shutil.copytree(folder / "run", folder / "unfinished")
    (folder / "unfinished/summary.json").unlink()
    config = folder / "unfinished/config.yaml"
    config.write_text(config.read_text().replace("run: run", "run: unfinished"))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        fit = ["fit", "--config", "fit.yaml", "--run"]
        assert main([*fit, "paired", "--data.pairing", "{cache: pairs}"]) == 0
        assert main([*fit, "sweeps/lambda=1"]) == 0
        if ALL:
            assert main([*fit, "cached", *CACHED.split()[1:]]) == 0
            assert main(["convert", "real.zarr", "lerobot"]) == 0
            assert main(["convert", "real.zarr", "robomimic.hdf5", "--format", "robomimic"]) == 0
            assert main(["probe", "sweep"]) == 0
            assert main(["keep", "sweep", "kept", "command"]) == 0
    for name in ("paired", "cached"):
        shutil.rmtree(folder / name, ignore_errors=True)
    run = folder / "sweeps/lambda=1"
    (run / "summary.json").rename(run / "kept.json")
    shutil.copy(run / "config.yaml", run / "request.yaml")
    (run / "seconds.json").write_text('{"fit": 3.0, "probe": 4.0}')
    return folder


def _named(error: str, file: Path, way: str) -> bool:
    """Whether a line names the file, or of a configuration cut short an option that it no longer holds."""
    named = re.search(r"error: store (\S+?): ", error)  # of many files, which are one store
    if any(part in error for part in file.parts[-2:]) or (named and Path(named[1]).name in file.parts):
        return True
    option = re.search(r"error: (?:(?:--)?([A-Za-z_][\w.]*)[=:]|store data/(sim)\.zarr: no such)", error)
    if file.name == "base.yaml" and "grid.yaml: lambda=" in error:  # the run, and the grid that has this base
        return True
    if way not in CUT or file.suffix != ".yaml" or option is None:
        return False
    begins = f"\n  {option[2]}:" if option[2] else f"{option[1].rpartition('.')[2]}:"
    return begins not in file.read_text()


@cache
def _ways(path: Path, mutate, n: int) -> dict[str, object]:
    text = {} if path.suffix in (".npz", ".ckpt") else TEXT
    return {**ANY, **CUT, **text, **mutate(path, n)}


def _tests() -> list:
    return [
        pytest.param(file, mutate, command, id=f"{file}: {command.partition(' ')[0]}")
        for file, (mutate, commands) in FILES.items()
        for command in commands
        if ALL or not any(part in file for part in SLOW)
    ]


@pytest.mark.parametrize(("file", "mutate", "command"), _tests())
def test_tampered(file, mutate, command, readable, tmp_path, record_property, sampled):
    remade = REMADE.get(file)
    file = str(next(readable.glob(file)).relative_to(readable))
    folder = tmp_path / "folder"
    damage.restore(readable, folder)
    n = FEWER if command.startswith("probe") else MUTATIONS
    failures, cases = [], sampled(_ways(readable / file, mutate, n), 2)
    for way, how in cases.items():
        path = folder / file
        how(path) if callable(how) else path.write_bytes(how)
        found = attempt(command, folder)
        found.changed -= MEMORY
        fatal = (way in ANY or (way in TEXT and way != "nan")) and file not in SURVIVES
        fatal &= not (way == "empty" and path.suffix == ".yaml")  # it holds no option
        fatal &= way != remade
        if not (found.is_refusal() or (found.status == 0 and not fatal and not found.error)):
            failures.append(f"{way}: {found}")
        elif found.status and not _named(found.error, path, way):
            failures.append(f"{way}: it does not name the file: {found.error}")
        damage.restore(*((readable, folder) if found.changed else (readable / file, path)))
    record_property("cases", len(cases))
    record_property("held", len(cases) - len(failures))
    assert not failures, f"{len(failures)} of {len(cases)}\n" + "\n".join(failures)
