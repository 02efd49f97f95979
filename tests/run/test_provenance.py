"""The commit a run was made with: that of this code, and nothing of the checkout is touched for it."""

import hashlib
import os
import subprocess
import tracemalloc
from pathlib import Path

import pytest

import align.run.provenance as provenance_of
from align.run.provenance import hash_store, provenance

PARTS = provenance_of._parts


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """Stands for the file of the code in a checkout, with git's commands on it."""
    code = tmp_path / "align" / "provenance.py"
    code.parent.mkdir()
    code.write_text("code\n")
    monkeypatch.setattr("align.run.provenance.__file__", str(code))
    monkeypatch.setattr("align.run.provenance._parts", lambda: [("align.analysis", code)])
    for name in ("GIT_AUTHOR", "GIT_COMMITTER"):
        monkeypatch.setenv(f"{name}_NAME", "a")
        monkeypatch.setenv(f"{name}_EMAIL", "a@b.c")

    def git(*arguments: str) -> str:
        return subprocess.check_output(["git", "-C", str(tmp_path), *arguments], text=True).strip()

    git("init", "--quiet")
    git("commit", "--quiet", "--allow-empty", "--message", "empty")
    return code, git


def _commit() -> str | None:
    return provenance({}, "a card")["commit"]


def test_the_commit_is_that_of_this_code(checkout):
    code, git = checkout
    assert _commit() is None, "installed into a checkout of something else"
    git("add", "align")
    git("commit", "--quiet", "--message", "code")
    assert _commit() == git("rev-parse", "HEAD")
    code.write_text("more code\n")
    assert _commit() == git("rev-parse", "HEAD") + "+changes"


def test_parts_of_another_checkout_are_named(checkout, monkeypatch):
    """As where a worktree is run in another's environment, which has the parts that lie beside align/."""
    code, git = checkout
    git("add", "align")
    git("commit", "--quiet", "--message", "code")
    ours = Path(provenance_of.__file__)
    monkeypatch.setattr(provenance_of, "_parts", PARTS)
    assert {name for name, _ in PARTS()} == {"align.analysis", "align.experiments"}
    theirs = provenance_of._commit_of(dict(PARTS())["align.analysis"])
    assert ours == code and theirs != git("rev-parse", "HEAD")
    expected = f"{git('rev-parse', 'HEAD')}; align.analysis {theirs}; align.experiments {theirs}"
    assert _commit() == expected


def test_asking_does_not_write_to_the_checkout(checkout):
    code, git = checkout
    git("add", "align")
    git("commit", "--quiet", "--message", "code")
    os.utime(code, (0, 0))  # git status would note that it looked, under a lock that others then meet
    index = Path(git("rev-parse", "--absolute-git-dir")) / "index"
    before = index.read_bytes()
    assert _commit() == git("rev-parse", "HEAD")
    assert index.read_bytes() == before


def test_a_store_is_hashed_block_by_block(tmp_path):
    """A large file takes no memory; the hash is that of names and contents in order, as it always was."""
    store, names = tmp_path / "store", ("a/0.0", "b")
    digest = hashlib.blake2b(digest_size=16)
    for name in names:
        (store / name).parent.mkdir(parents=True, exist_ok=True)
        (store / name).write_bytes(os.urandom(1 << 24))
        digest.update(name.encode() + (store / name).read_bytes())
    tracemalloc.start()
    found = hash_store(store)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found == digest.hexdigest()
    assert peak < 1 << 22, f"{peak} bytes for files of {1 << 24}"
