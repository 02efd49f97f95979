"""Bad input to every command: one line that names it, an exit status that is not 0, and nothing written."""

import re
import shutil
from pathlib import Path
from zlib import crc32

import pytest
from material import BASES, GRIDS, STORES

SAMPLE = 20
GENUINE = 25
"""One in so many cases, in a new process."""


def _cases() -> list:
    """The cases of bad_inputs.txt, `command | what its line must name`, and the bad files of `material`."""
    lines = (Path(__file__).parent / "bad_inputs.txt").read_text().splitlines()
    lines = [line for line in lines if line and not line.startswith("#")]
    lines += [f"fit --data.real bad/{name}.zarr | bad/{name}.zarr" for name in STORES]
    lines += [f"sweep bad/{name}.yaml --dry-run" for name in GRIDS]
    lines += [f"sweep bad/over_{name}.yaml --dry-run" for name in BASES]
    cases = {command: words.split() for command, _, words in (line.partition(" | ") for line in lines)}
    assert len(cases) == len(lines) >= 250
    return [pytest.param(command, words, id=command[:100]) for command, words in cases.items()]


@pytest.mark.parametrize(("command", "words"), _cases())
def test_bad_input(command, words, try_command, folder):
    found = try_command(command, genuine=crc32(command.encode()) % GENUINE == 0)
    for name in ("new", "new.npz", "new.json", "new.png", "runs", "a.zarr", "out"):  # what a fault may leave
        shutil.rmtree(path, ignore_errors=True) if (path := folder / name).is_dir() else path.unlink(True)
    assert found.is_refusal(), str(found)
    absent = [word for word in words if not re.search(re.escape(word), found.error, re.I)]
    assert not absent, f"{absent} not in {found.error}"
