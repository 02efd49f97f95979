"""Files that appear whole or not at all, whatever happens to the disk or the process."""

import errno
import fcntl
import os
import resource
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from align.cli import main
from align.errors import InputError
from align.files import atomic_path, check_writable, remove_temporaries, user_cache, user_path
from align.run.locks import locked


def test_a_folder_is_replaced_without_a_moment_in_which_there_is_none(tmp_path, monkeypatch):
    """What a process does between any two system calls must leave the old folder or the new one."""
    path = tmp_path / "store"
    for text in ("old", "new"):
        with monkeypatch.context() as patch:
            if text == "new":  # neither of these can be done at once for a folder that is not empty
                for name in ("replace", "rename"):
                    patch.setattr(os, name, lambda *_: pytest.fail("two steps"))
            with atomic_path(path) as target:
                target.mkdir()
                (target / "file").write_text(text)
        assert (path / "file").read_text() == text
    assert [p.name for p in tmp_path.iterdir()] == ["store"]


def test_no_home_is_a_mistake_and_no_fault(monkeypatch):
    with pytest.raises(InputError, match="no folder ~nobody_of_this_name is known"):
        user_path("~nobody_of_this_name/a")
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)  # nobody is known
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    with pytest.raises(InputError, match="no folder ~ is known"):
        user_cache()


def test_a_path_that_is_taken_is_left_alone_even_if_it_was_free_at_first(tmp_path):
    path = tmp_path / "store"
    with pytest.raises(InputError, match=r"store.*kept"), atomic_path(path, replace=False) as target:
        for folder in (target, path):  # another process is faster
            folder.mkdir()
            (folder / "file").write_text(folder.parent.name)
    assert (path / "file").read_text() == tmp_path.name
    with pytest.raises(InputError, match=r"store exists"), atomic_path(path, replace=False):
        pass


@pytest.fixture
def unwritable(tmp_path):
    """Places that cannot be written to, also by root, by why."""
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to("loop")
    return {
        "Not a directory": tmp_path / "file/out",
        "symbolic links": tmp_path / "loop/out",
        "name too long": tmp_path / ("n" * 300),
    }


def test_a_place_that_cannot_be_written_to_is_known_before_anything_is(unwritable, tmp_path):
    before = sorted(tmp_path.iterdir())
    for why, path in unwritable.items():
        with pytest.raises(
            InputError, match=f"out cannot be written.*{why}" if "n" * 9 not in str(path) else why
        ):
            check_writable(path)
    for free in (tmp_path / "new", tmp_path / "a/b/new", tmp_path):
        check_writable(free)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    "command", ["rollout nowhere --out OUT", "plans OUT --n 2", "annotate --out OUT.npz"]
)
def test_results_without_a_place_are_refused_before_they_are_made(command, unwritable, capsys):
    for path in unwritable.values():
        assert main(command.replace("OUT", str(path)).split()) == 2
        line = capsys.readouterr().err
        assert "cannot be written" in line and line.count("\n") == 1, line


def test_a_folder_in_a_files_place_is_a_line(tmp_path):
    (tmp_path / "table.csv").mkdir()
    with pytest.raises(InputError, match=r"table.csv cannot be written: Is a directory"):
        with atomic_path(tmp_path / "table.csv") as target:
            target.write_text("")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_full_disk_is_one_line_that_names_the_file(number, tmp_path):
    path = tmp_path / "file"
    path.write_text("before")
    with pytest.raises(InputError, match=r"file cannot be written.*kept"), atomic_path(path):
        raise OSError(number, os.strerror(number))
    assert path.read_text() == "before" and len(list(tmp_path.iterdir())) == 1


def test_a_file_that_is_read_meanwhile_is_not_blamed_on_the_disk(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "file"):
        open(tmp_path / "nowhere")


def test_what_killed_processes_left_is_removed_and_nothing_else(tmp_path):
    write = (
        "import sys, os; from align.files import atomic_path\nwith atomic_path(sys.argv[1]) as t: os._exit(1)"
    )
    for name in ("a.npz", "b.npz"):
        subprocess.run([sys.executable, "-c", write, str(tmp_path / name)], check=False)
    (tmp_path / "a.npz").write_text("kept")
    (tmp_path / ".hidden").write_text("kept")
    assert len(list(tmp_path.iterdir())) == 4
    remove_temporaries(tmp_path, "a.npz")
    assert len(list(tmp_path.iterdir())) == 3
    remove_temporaries(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == [".hidden", "a.npz"]


def test_a_run_that_outgrows_the_disk_ends_with_one_line_and_goes_on_with_more(
    write_config, tmp_path, capsys
):
    """A limit on the size of files stands for the disk: a checkpoint no longer fits, all before it did."""
    config, most = write_config(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, most[1]))
    try:
        assert main(["fit", "--config", config]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, most)
    error = capsys.readouterr().err
    assert error.startswith("align: error: ") and error.count("\n") == 1, error
    assert "last.ckpt cannot be written" in error
    assert not list((tmp_path / "run").rglob(".~*"))
    assert main(["fit", "--config", config]) == 0
    assert (tmp_path / "run/summary.json").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_is_not_ours_is_one_line(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="file cannot be written"), atomic_path(tmp_path / "file"):
        pass
    with pytest.raises(InputError, match="cannot be written to"), locked(tmp_path, "run"):
        pass


def test_a_file_where_a_folder_is_wanted_is_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"), atomic_path(tmp_path / "file/below"):
        pass
    with pytest.raises(InputError, match="cannot be written to"), locked(tmp_path / "file/run", "run"):
        pass


def test_file_systems_without_locks_are_told_and_used(tmp_path, monkeypatch, capsys):
    def refuse(*_):
        raise OSError(errno.EOPNOTSUPP, "not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with locked(tmp_path, "run"):
        assert Path(tmp_path, ".lock").exists()
    assert "no locks" in capsys.readouterr().err


def test_a_folder_that_was_made_for_nothing_is_removed_again(tmp_path):
    for folder, kept in ((tmp_path / "a/b", []), (tmp_path, [".lock", "logs"])):
        with pytest.raises(RuntimeError, match="nothing"), locked(folder, "run"):
            (folder / "logs").mkdir(exist_ok=True)
            raise RuntimeError("nothing")
        assert sorted(p.name for p in tmp_path.iterdir()) == kept
    with pytest.raises(RuntimeError, match="something"), locked(tmp_path / "run", "run"):
        (tmp_path / "run/file").touch()
        raise RuntimeError("something")
    assert (tmp_path / "run/file").exists()


@pytest.mark.parametrize("kind", ["link", "pipe"])
def test_what_a_shared_folder_leads_elsewhere_is_not_written_to(kind, tmp_path):
    """A lock and a log that are links would empty, or grow, any file of whoever uses a shared run."""
    from align.experiments.launch import Job, execute

    precious, run = tmp_path / "precious", tmp_path / "run"
    precious.write_text("precious")
    run.mkdir()
    for name in (".lock", "log.txt"):
        (run / name).symlink_to(precious) if kind == "link" else os.mkfifo(run / name)
    with pytest.raises(InputError, match=r"a link or no file is in the place"), locked(run, "run"):
        pass
    Job("run", run).note("a word")
    (run / ".lock").unlink()
    with pytest.raises(OSError, match=r"a link or no file is in the place.*log\.txt"):
        execute(str(run), lambda *_: 0)
    assert precious.read_text() == "precious"


def test_images_are_not_decoded_over_a_file_elsewhere(make_store, tmp_path):
    """Beside a store that was downloaded its cache may lie already, begun as a link."""
    from align.data.images.cache import cached
    from align.data.readers import open_store

    store, precious = open_store(make_store("sim", 2)), tmp_path / "precious"
    frames, arguments = store.frames("img"), ({"camera": "img"}, store.files("img"), store.path)
    images = np.concatenate(list(frames)).transpose(0, 3, 1, 2)

    def decoded():
        return cached(lambda row: iter([images[row:]]), images.shape, *arguments, folder=tmp_path / "cache")

    assert np.array_equal(decoded(), images)
    precious.write_text("precious")
    (done,) = tmp_path.glob("cache/*/frames.npy")
    done.unlink()
    done.with_name("frames.part.npy").symlink_to(precious)
    assert np.array_equal(decoded(), images) and precious.read_text() == "precious"


def test_what_a_killed_process_left_is_removed_by_whoever_writes_the_same_and_what_is_written_is_not(
    tmp_path,
):
    """A store of many gigabytes beside the one that was asked for would stay for good."""
    path = tmp_path / "store [1]"
    killed = (
        "import os, sys; from align.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as target: target.write_text('half'); os._exit(9)"
    )
    assert subprocess.run([sys.executable, "-c", killed, str(path)], check=False).returncode == 9
    (left,) = tmp_path.glob(".~*")
    unlocked = tmp_path / ".~store [1].begun_00"  # by a process that has not come to its lock yet
    unlocked.mkdir()
    with atomic_path(tmp_path / "store [1].zarr") as of_another:
        with atomic_path(path) as first:
            assert not left.exists() and unlocked.is_dir() and of_another.parent.is_dir()
            first.write_text("first")
        of_another.write_text("of another")
    unlocked.rmdir()
    (tmp_path / "store [1].zarr").unlink()
    with atomic_path(path) as first:
        with atomic_path(path) as second:
            assert first.parent.is_dir() and second.parent != first.parent
            second.write_text("second")
        first.write_text("first")
    assert path.read_text() == "first" and [p.name for p in tmp_path.iterdir()] == [path.name]


def test_what_is_kept_of_a_sweep_lies_in_it(tmp_path):
    from align.analysis.reports.sweep.keep import inside

    sweep = tmp_path / "sweep"
    sweep.mkdir()
    (tmp_path / "secret").write_text("secret")
    (sweep / "notes.md").write_text("notes")
    (sweep / "table.md").symlink_to("notes.md")
    (sweep / "key.md").symlink_to(tmp_path / "secret")
    assert [p.name for p in sorted(sweep.glob("*.md")) if inside(p, sweep)] == ["notes.md", "table.md"]


def test_no_writer_takes_anothers_folder_on_another_machine_for_left(tmp_path, monkeypatch):
    """A network file system tells other machines of locks of files that are written, and of no others."""
    of_files, flock = [], fcntl.flock

    def told_of_files_alone(file, how):
        mode = fcntl.fcntl(file, fcntl.F_GETFL) & os.O_ACCMODE
        if stat.S_ISREG(os.fstat(file).st_mode) and mode != os.O_RDONLY:
            of_files.append(file)
            return flock(file, how)
        return None  # granted by this machine, which knows of no other's

    monkeypatch.setattr(fcntl, "flock", told_of_files_alone)
    with atomic_path(tmp_path / "pairs.npz") as first:
        with atomic_path(tmp_path / "pairs.npz") as second:
            assert first.parent.is_dir()
            second.write_text("second")
        first.write_text("first")
    assert (tmp_path / "pairs.npz").read_text() == "first" and of_files
