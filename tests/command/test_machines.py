"""Machines as they are: no libGL, a locale that is not UTF-8, a notebook's backend, Windows."""

import os
import subprocess
import sys

import pytest

OTHER = {
    "LC_ALL": "C",
    "PYTHONUTF8": "0",
    "PYTHONCOERCECLOCALE": "0",
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
}


@pytest.fixture
def python(tmp_path):
    """Runs code in another process on such a machine; there cv2 does not load."""
    package = tmp_path / "other/cv2"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("raise ImportError('libGL.so.1: cannot open shared object file')")
    paths = f"{package.parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"

    def run(code: str) -> subprocess.CompletedProcess:
        there = {**os.environ, **OTHER, "PYTHONPATH": paths}
        return subprocess.run([sys.executable, "-c", code], env=there, capture_output=True, text=True)

    return run


def test_a_sweep_is_planned_without_libgl_in_any_locale_and_without_what_takes_time(python):
    done = python(
        "import sys; from align.cli import main\n"
        "options = ['--dry-run', '--cluster', 'local']  # so no run is tried here\n"
        "status = main(['sweep', 'lambda', *options])\n"
        "heavy = {'torch', 'matplotlib', 'sklearn', 'scipy', 'pandas'} & set(sys.modules)\n"
        "import matplotlib.pyplot; sys.exit(str(heavy) if heavy else status)"
    )
    assert done.returncode == 0, done.stderr
    assert "10 runs" in done.stdout


def test_without_libgl_what_draws_is_one_line(python, tmp_path):
    for jobs in (1, 2):
        call = ["demos", str(tmp_path / "x.zarr"), "--n", "1", "--jobs", str(jobs)]
        done = python(f"import sys; from align.cli import main; sys.exit(main({call!r}))")
        assert done.returncode == 2, done.stderr
        assert done.stderr.count("\n") == 1 and "libGL" in done.stderr and "headless" in done.stderr
    assert not (tmp_path / "x.zarr").exists()


def test_files_are_utf_8_in_any_locale(python, tmp_path):
    path = tmp_path / "λ.yaml"
    done = python(
        "from align.files import write_text; from align.run.config import read_yaml; import os\n"
        f"path = os.fsdecode({os.fsencode(path)!r})\n"
        "write_text(path, 'title: \\u03bb'); assert read_yaml(path) == {'title': '\\u03bb'}"
    )
    assert done.returncode == 0, done.stderr
    assert path.read_bytes() == "title: λ".encode()


def test_windows_is_told_at_the_first_import(python):
    done = python("import sys; sys.platform = 'win32'; import align")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "align runs on Linux and macOS, not on Windows; in WSL 2 it does"
    )
