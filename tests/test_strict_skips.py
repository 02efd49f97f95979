"""Continuous integration says for what tests may be skipped; for anything else they fail."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = """
import pytest
{top}
@pytest.mark.skipif(True, reason="drake is not installed")
def test_marked(): pass
@pytest.mark.xfail
def test_expected_to_fail(): assert False
def test_found(): pass
"""


@pytest.mark.parametrize(
    ("allowed", "top", "status"),
    [
        (None, "", 0),
        ("drake|ompl", "", 0),
        ("", "", 0),
        ("ompl", "", 1),
        ("drake", "pytest.importorskip('ompl_that_is_not_there')", 2),
        ("drake|could not import", "pytest.importorskip('ompl_that_is_not_there')", 5),
    ],
)
def test_skipped_for_a_reason_that_is_not_allowed_is_failed(allowed, top, status, tmp_path):
    (tmp_path / "test_some.py").write_text(TESTS.format(top=top))
    environment = {k: v for k, v in os.environ.items() if k not in ("ALIGN_MAY_SKIP", "PYTEST_ADDOPTS")}
    environment["PYTHONPATH"] = str(Path(__file__).parent)
    if allowed is not None:
        environment["ALIGN_MAY_SKIP"] = allowed
    command = [sys.executable, "-m", "pytest", "-p", "strict_skips", "test_some.py"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == status, result.stdout
    assert ("expected a reason to skip" in result.stdout) == (status in (1, 2))
