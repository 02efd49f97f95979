"""Two commands that write into one run, sweep or folder do not do so at once: the second says who does."""

import json
import shutil
import sys
import threading

import pytest
from synthetic_runs import write_kept

from align.analysis.commands import report_sweep
from align.cli import main
from align.errors import InputError
from align.run.locks import LOCK, REPORT_LOCK, held, locked, unwritten


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A sweep with its report, and what was kept of it."""
    folder = tmp_path_factory.mktemp("made")
    write_kept(folder)
    return folder


@pytest.fixture
def sweep(made, tmp_path):
    return shutil.copytree(made, tmp_path / "made") / "sweep"


def _times(folder) -> dict:
    return {
        p: p.stat().st_mtime_ns
        for p in folder.rglob("*")
        if p.is_file() and p.name not in (LOCK, REPORT_LOCK)
    }


COMMANDS = [
    ("align fit", "a,0", ["probe", "a,0"]),
    ("align probe", "a,0", ["embed", "a,0"]),
    ("align fit", "a,0", ["rollout", "a,0", "--out", "a,0"]),
    ("align sweep", ".", ["probe", "."]),
    ("align report", ".", ["report", "."]),
    ("align report", ".", ["compare", ".", "a"]),
    ("align report", ".", ["keep", ".", "../results", "it"]),
    ("align keep", "../kept", ["report", "../kept"]),
    ("align report", "../kept", ["keep", ".", "../kept", "it"]),
    ("align report", "../kept", ["report", "../kept", "--out", "../elsewhere"]),
    ("align mechanism", "mechanism", ["mechanism", "."]),
    ("align select", "select", ["select", "."]),
]


@pytest.mark.parametrize(("holder", "folder", "command"), COMMANDS, ids=lambda x: str(x))
def test_whoever_comes_second_says_who_is_at_work(holder, folder, command, sweep, monkeypatch, capsys):
    monkeypatch.chdir(sweep)
    shown = command[0] in ("report", "compare") and "--out" not in command
    with locked(folder, "run", by=holder, name=REPORT_LOCK if shown else LOCK):
        before = _times(sweep.parent)
        assert main(command) == 2
        line = capsys.readouterr().err
        assert f"is in use by {holder} (process " in line and line.count("\n") == 1, line
        assert _times(sweep.parent) == before


def test_a_sweep_is_reported_on_while_it_trains_and_its_own_report_waits(sweep, capsys):
    with locked(sweep, "sweep", by="align sweep"):
        assert main(["report", str(sweep)]) == main(["compare", str(sweep), "a"]) == 0
        other = threading.Thread(target=report_sweep, args=(sweep,))
        with locked(sweep, "sweep", by="align report", name=REPORT_LOCK, leave=False):
            before = _times(sweep)
            other.start()
            other.join(1)
            assert other.is_alive() and _times(sweep) == before
        other.join(60)
        assert not other.is_alive() and _times(sweep) != before
    assert not (sweep / REPORT_LOCK).exists()


def test_a_run_that_is_held_is_told_among_those_that_could_not_be_probed(sweep, capsys):
    with locked(sweep / "a,0", "run", by="align embed"):
        assert main(["probe", str(sweep), "--jobs", "1"]) == 2
    assert "runs could not be probed" in (line := capsys.readouterr().err) and "by align embed" in line


def test_a_lock_is_left_in_runs_and_sweeps_alone(sweep, capsys):
    kept = sweep.parent / "kept"
    assert main(["report", str(kept)]) == main(["report", str(sweep)]) == 0
    with held(sweep / "a,0", "align embed"), held(kept, "align keep"):
        pass
    assert (sweep / "a,0" / LOCK).read_text() == ""
    assert not any((folder / name).exists() for folder in (kept, sweep) for name in (LOCK, REPORT_LOCK))
    kept.chmod(0o500)
    assert main(["report", str(kept), "--out", str(sweep.parent / "drawn")]) == 0
    kept.chmod(0o700)
    assert not (sweep.parent / "drawn" / LOCK).exists()


def test_a_holder_that_was_killed_is_not_named_for_another(tmp_path):
    def told():
        with pytest.raises(InputError, match=r"run.*is in use by") as caught, locked(tmp_path, "run"):
            pass
        return str(caught.value).partition("in use by ")[2]

    with locked(tmp_path, "run", by="align fit"):
        assert told().startswith("align fit (process ")
        said = json.loads((tmp_path / LOCK).read_text())
        for text, words in (
            (json.dumps({**said, "process": 2**22 + 1}), "another process"),
            (json.dumps({**said, "host": "elsewhere"}), "on elsewhere)"),
            ("{", "another process"),
            ("[]", "another process"),
            ("", "another process"),
        ):
            (tmp_path / LOCK).write_text(text)
            assert words in told()
        with pytest.raises(InputError, match="is in use by"), unwritten(tmp_path, "sweep"):
            pass
    with unwritten(tmp_path, "sweep"), unwritten(tmp_path, "sweep"):
        with pytest.raises(InputError, match="in use by another process"), locked(tmp_path, "sweep"):
            pass


def test_a_lock_that_is_not_left_is_one_for_all(tmp_path):
    """Whoever waited for one that is gone takes the new one, as all others do."""
    import subprocess
    import time

    wait = (
        "import sys; from align.run.locks import locked\n"
        "with locked(sys.argv[1], 'folder', wait=True):\n"
        "  print('held', flush=True); sys.stdin.readline()"
    )
    with locked(tmp_path, "folder", leave=False):
        other = subprocess.Popen(
            [sys.executable, "-c", wait, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        time.sleep(0.5)
    assert other.stdout.readline() == "held\n"
    with pytest.raises(InputError, match="in use"), locked(tmp_path, "folder"):
        pass
    other.communicate("\n")
    assert (tmp_path / LOCK).exists()
