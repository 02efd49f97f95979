"""What stands beside align and is not installed with it."""

import os
from pathlib import Path


class Missing(Exception):
    """A peer is not there."""


def lerobot_python() -> Path:
    """The Python of LeRobot's environment.

    Raises:
        Missing: There is none.
    """
    python = Path(os.environ.get("ALIGN_CONFORMANCE", ".conformance")) / "bin/python"
    if not python.exists():
        raise Missing("make conformance makes its environment; ALIGN_CONFORMANCE names another")
    return python
