"""A pipe or a device in the place of a file is one line: whoever read it would wait without end."""

import os
import shutil
import signal

import numpy as np
import pytest
from synthetic_runs import write_kept

from align.cli import main
from align.conversion.lerobot import write_lerobot
from align.conversion.robomimic import write_robomimic
from align.files import check_kind
from align.run.layout import runs


@pytest.fixture(autouse=True)
def _patience():
    """A test that waits for a pipe fails."""

    def waited(*_):
        raise TimeoutError("it waited")

    previous = signal.signal(signal.SIGALRM, waited)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, previous)


def _refused(command: list[str], capsys, *words: str) -> None:
    capsys.readouterr()
    signal.alarm(60)
    assert main(command) in (1, 2), command
    signal.alarm(0)
    told = capsys.readouterr()
    if command[0] != "inspect":
        assert told.err.startswith("align: error: ") and told.err.count("\n") == 1, told.err
    assert all(word in told.err + told.out for word in words), told


def _pipe(path) -> None:
    path.unlink()
    os.mkfifo(path)


def test_chunks_of_a_store(make_store, tmp_path, capsys):
    for name in ("action", "img"):
        path = make_store(name, 2)
        _pipe(next(p for p in sorted((tmp_path / f"{name}.zarr/data" / name).iterdir()) if p.name[0] != "."))
        _refused(["inspect", path], capsys, f"data/{name} has a pipe in the place of chunk")


def _arms():
    rng = np.random.default_rng(0)
    for _ in range(2):
        frames = rng.integers(0, 255, (6, 16, 16, 3)).astype(np.uint8)
        yield {"action": rng.normal(size=(6, 2)), "agent_pos": rng.normal(size=(6, 2)), "image": frames}


def test_files_of_other_formats(tmp_path, capsys):
    pytest.importorskip("pyarrow"), pytest.importorskip("av"), pytest.importorskip("h5py")
    write_lerobot(tmp_path / "lerobot", _arms(), 10, "h264")
    files = sorted(p for p in (tmp_path / "lerobot").rglob("*") if p.is_file() and p.name != "info.json")
    assert len(files) > 3
    for file in files:
        needed = file.stem not in ("stats", "tasks")  # of which the former is not read
        copy = shutil.copytree(tmp_path / "lerobot", tmp_path / "copy")
        _pipe(copy / file.relative_to(tmp_path / "lerobot"))
        if needed:
            _refused(["inspect", str(copy)], capsys, file.name, "is a pipe")
        else:
            signal.alarm(60)
            assert main(["inspect", str(copy)]) == 0
            signal.alarm(0)
        shutil.rmtree(copy)
    write_robomimic(tmp_path / "a.hdf5", _arms(), 10)
    _pipe(tmp_path / "a.hdf5")
    _refused(["inspect", str(tmp_path / "a.hdf5")], capsys, "is a pipe; expected a store")
    _refused(["inspect", "/dev/zero"], capsys, "is a device; expected a store")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    write_kept(folder)
    return folder


def test_files_of_runs_and_sweeps(made, tmp_path, capsys):
    copy = shutil.copytree(made / "sweep", tmp_path / "sweep")
    run = runs(copy)[0]
    for name in ("point.json", "config.yaml", "summary.json", "rollouts.csv", "embeddings.npz", "probe.json"):
        content = (run / name).read_bytes()
        _pipe(run / name)
        _refused(["report", str(copy)], capsys, name, "is a pipe")
        if name in ("config.yaml", "embeddings.npz"):
            _refused(["probe", str(run)], capsys, name)
        (run / name).unlink()
        (run / name).write_bytes(content)
    kept = shutil.copytree(made / "kept", tmp_path / "kept")
    for name in ("runs.json.gz", "trials.csv.gz"):
        content = (kept / name).read_bytes()
        _pipe(kept / name)
        assert main(["report", str(kept)]) == 2
        assert main(["report", str(kept), "--out", str(tmp_path / "out")]) == 2
        (kept / name).unlink()
        (kept / name).write_bytes(content)
    os.mkfifo(kept / "notes")
    _refused(["report", str(kept), "--out", str(tmp_path / "out")], capsys, "notes", "is a pipe")
    _refused(["keep", str(made / "sweep"), str(kept), "it"], capsys, "notes", "is a pipe")


def test_tables_and_configurations(tmp_path, capsys):
    os.mkfifo(tmp_path / "trials.csv")
    os.mkfifo(tmp_path / "fit.yaml")
    _refused(["evaluate", str(tmp_path / "trials.csv")], capsys, "is a pipe; expected a CSV file")
    _refused(["fit", "--config", str(tmp_path / "fit.yaml")], capsys, "fit.yaml")
    _refused(["sweep", str(tmp_path / "fit.yaml"), "--dry-run"], capsys, "fit.yaml")


def test_a_pipe_that_a_shell_has_opened_is_read(tmp_path):
    read, write = os.pipe()
    check_kind(f"/dev/fd/{read}")
    os.close(read), os.close(write)
