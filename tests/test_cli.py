"""The command line: mistakes are one line and a non-zero status, and nothing is lost."""

import subprocess
import sys
from importlib.util import find_spec

import pytest

from align.cli import main
from align.data.episodes import read_store
from align.errors import InputError
from align.files import atomic_path, write_json
from align.run.locks import locked


def _error(capsys, arguments: list[str]) -> str:
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith("align: error: ") and error.count("\n") == 1
    return error


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["trian"], "trian"),
        (["demos"], "out"),
        (["demos", "x.zarr", "--n", "0"], "n=0"),
        (["demos", "x.zarr", "--n", "many"], "many"),
        (["demos", "x.zarr", "--difficulty", "brutal", "--n", "1"], "brutal"),
        (["demos", "x.zarr", "--world", "{visaul: 1}"], "visaul"),
        (["probe", "nowhere"], "nowhere"),
        (["probe", "nowhere", "--threads", "0"], "threads=0"),
        (["probe", "nowhere", "--umap", "true"], "umap-learn" if find_spec("umap") is None else "nowhere"),
        (["compare", ".", "nope"], "path='.': is no sweep"),
        (["keep", "nowhere", "out", "command"], "nowhere"),
        (["rollout", "nowhere"], "nowhere"),
        (["sweep", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_mistakes(arguments, word, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert word in _error(capsys, arguments)
    assert not list(tmp_path.rglob("*.zarr"))


def test_demos_writes_a_store_and_does_not_overwrite_it(tmp_path, capsys):
    out = str(tmp_path / "target.zarr")
    options = ["--n", "2", "--jobs", "1", "--size", "32", "--domain", "REAL", "--world", "{visual: 0.5}"]
    assert main(["demos", out, *options]) == 0
    store = read_store(out)
    assert store.n_episodes == 2 and store.image.shape[1:] == (32, 32, 3)
    assert store.attrs["domain"] == "real" and store.attrs["rate_hz"] == 10
    assert store.attrs["gap"] == {"visual": 0.5, "physics": 0.0, "expert": 0.0}
    assert capsys.readouterr().out.rstrip().endswith("2 demonstrations")  # none fell short, none is told
    assert "exists" in _error(capsys, ["demos", out, "--n", "1"])
    assert read_store(out).n_episodes == 2


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch):
    def broken(path: str):
        """Break."""
        raise RuntimeError("a bug")

    monkeypatch.setattr("align.analysis.commands.probe", broken)
    with pytest.raises(RuntimeError, match="a bug"):
        main(["probe", "x"])


def test_files_appear_whole_or_not_at_all(tmp_path):
    path = tmp_path / "deep/file.json"
    write_json(path, {"a": 1})
    with pytest.raises(ValueError, match="half way"), atomic_path(path) as target:
        target.write_text("half")
        raise ValueError("half way")
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert [p.name for p in path.parent.iterdir()] == ["file.json"]


def test_a_lock_goes_with_its_process(tmp_path):
    hold = (
        "import sys, time; from align.run.locks import locked\n"
        "with locked(sys.argv[1], 'run'): print('held', flush=True); time.sleep(600)"
    )
    holder = subprocess.Popen([sys.executable, "-c", hold, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="in use"), locked(tmp_path, "run"):
        pass
    holder.kill()
    holder.wait()
    with locked(tmp_path, "run"):
        pass
