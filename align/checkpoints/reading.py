"""Reading a checkpoint of `align fit`: plain data and weights, no code."""

import pickle
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from align.errors import InputError
from align.run.layout import LAST_CHECKPOINT


def read_checkpoint(path: str | Path) -> dict:
    """What a checkpoint of `align fit`, or the last of a run directory, holds: data alone.

    Raises:
        InputError: The file is missing, damaged, or holds something else.
    """
    path = Path(path) / LAST_CHECKPOINT if Path(path).is_dir() else Path(path)
    if not path.is_file():
        raise InputError(f"checkpoint={str(path)!r}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, OSError, ValueError, KeyError) as error:
        why = type(error).__name__
        raise InputError(
            f"checkpoint={str(path)!r}: cannot be read ({why}); expected one written by align fit"
        ) from None
    parts = ("policy", "state_dict")
    if not isinstance(checkpoint, dict) or not all(isinstance(checkpoint.get(k), Mapping) for k in parts):
        raise InputError(f"checkpoint={str(path)!r}: holds no policy; expected one written by align fit")
    return checkpoint


def run_of(path: str | Path) -> Path:
    """The run directory that a checkpoint lies in; of a run directory, itself."""
    path = Path(path)
    return path if path.is_dir() else path.absolute().parent.parent


def averaged_weights(checkpoint: Mapping) -> dict[str, Tensor]:
    """The state of the policy with averaged weights, by the names of its own."""
    prefix = "ema.model."
    state = checkpoint["state_dict"]
    return {k.removeprefix(prefix): v for k, v in state.items() if str(k).startswith(prefix)}
