"""`align keep` replaces a folder as a whole: whatever ends it, what lies there is of one time."""

import errno
import os
import shutil

import pytest
from synthetic_runs import write_run

from align import files
from align.analysis.reports.everything import report
from align.analysis.reports.sweep.keep import keep
from align.cli import main
from align.errors import InputError


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sweeps") / "sweep"
    for seed in (0, 1):
        write_run(folder / f"a,{seed}", {"arm": "a", "seed": seed}, seed=seed, episodes=2, windows=1)
    report(folder)
    return folder


@pytest.fixture
def kept(sweep, tmp_path):
    """A folder that holds what was kept before, all of it another, and notes of a user."""
    folder = tmp_path / "results"
    keep(sweep, folder, "before")
    for path in folder.iterdir():
        path.write_text("before")
    (folder / "notes.txt").write_text("mine")
    (folder / "more").mkdir()
    (folder / "more/table.csv").write_text("mine")
    return folder


def _contents(folder) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


class Killed(BaseException):
    """What no handler of errors catches."""


@pytest.mark.parametrize("end", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
def test_whatever_ends_it_leaves_the_old_folder_or_the_new(end, sweep, kept, monkeypatch):
    """Ended before the first of the files that are copied, the fourth and so on, and after the last."""
    before, copy = _contents(kept), shutil.copyfile
    for n in range(0, 100, 3):
        with monkeypatch.context() as patch:
            left = iter(range(n))

            def until(source, target, _left=left, **options):
                if next(_left, None) is None:
                    raise end
                return copy(source, target, **options)

            patch.setattr(shutil, "copyfile", until)
            try:
                keep(sweep, kept, "after")
                break
            except (Killed, InputError):
                assert _contents(kept) == before
    assert n > 5
    after = _contents(kept)
    assert after.keys() == before.keys() and b"before" not in after.values()
    assert after["command.txt"] == b"after\n" and after["notes.txt"] == after["more/table.csv"] == b"mine"
    assert [p.name for p in kept.parent.iterdir()] == ["results"]


def test_where_folders_cannot_be_exchanged_at_once_nothing_is_lost_either(tmp_path, monkeypatch):
    """As on a network file system: killed between the two steps, it leaves the old one to be put back."""
    monkeypatch.setattr(files.ctypes, "CDLL", lambda *_, **__: None)
    path = tmp_path / "store"
    path.mkdir()
    (path / "file").write_text("old")
    rename, remove = files.Path.rename, shutil.rmtree

    def once(self, target):
        if self == path:
            rename(self, target)
            raise Killed
        return rename(self, target)

    def write(text):
        with files.atomic_path(path) as target:
            target.mkdir()
            (target / "file").write_text(text)

    for killed in (False, True):
        with monkeypatch.context() as patch, pytest.raises(Killed):
            patch.setattr(files.Path, "rename", once)
            if killed:  # nothing is tidied then
                patch.setattr(files, "_remove_aside", lambda *_: None)
            write("new")
        assert path.exists() != killed
    with pytest.raises(RuntimeError), files.atomic_path(path):
        assert (path / "file").read_text() == "old"
        raise RuntimeError
    assert (path / "file").read_text() == "old"
    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(files.Path, "rename", once)
        patch.setattr(files, "_remove_aside", lambda *_: None)
        write("new")
    files.remove_temporaries(tmp_path)
    assert (path / "file").read_text() == "old" and remove is shutil.rmtree
    write("new")
    assert (path / "file").read_text() == "new" and [p.name for p in tmp_path.iterdir()] == ["store"]


def test_a_folder_that_cannot_be_replaced_as_a_whole_is_refused(sweep, kept, monkeypatch, capsys):
    before = _contents(kept)
    monkeypatch.chdir(kept)
    for place, words in (
        (".", "the current folder"),
        ("..", "the current folder"),
        (str(sweep), "the sweep itself"),
        (str(sweep.parent), "the sweep itself"),
        ("notes.txt", "a file; expected a folder"),
    ):
        assert main(["keep", str(sweep), place, "it"]) == 2
        line = capsys.readouterr().err
        assert words in line and line.count("\n") == 1
    assert before == _contents(kept)


def test_a_link_to_a_folder_stays_one(sweep, kept, tmp_path):
    (tmp_path / "link").symlink_to(kept)
    keep(sweep, tmp_path / "link", "after")
    assert (tmp_path / "link").is_symlink() and (kept / "command.txt").read_text() == "after\n"
    os.unlink(tmp_path / "link")
