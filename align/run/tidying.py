"""What killed processes were writing into a run, removed where nobody is at work."""

import contextlib
import os
from pathlib import Path

from align.errors import InputError
from align.files import TEMPORARY, remove_temporaries
from align.run.layout import LAUNCHED
from align.run.locks import locked


def tidy(run: str | os.PathLike) -> None:
    """Remove what killed processes left half written in a run, unless one trains, or a sweep executes it."""
    if not any(Path(run).glob(f"{TEMPORARY}*")):
        return
    with contextlib.suppress(InputError), locked(Path(run) / LAUNCHED, "run"), locked(run, "run"):
        remove_temporaries(run)
