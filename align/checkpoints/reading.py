"""Reading a checkpoint of `align fit`: plain data and weights, no code."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from align.errors import InputError, is_out_of_memory
from align.run.layout import LAST_CHECKPOINT


def read_checkpoint(path: str | Path) -> dict:
    """What a checkpoint of `align fit`, or the last of a run directory, holds: data alone.

    Raises:
        InputError: The file is missing, damaged, or holds something else.
    """
    path = checkpoint_file(path)
    if not path.is_file():
        raise InputError(f"checkpoint={str(path)!r}: no such file")
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # what an unpickler makes of bytes that are no pickle may be anything
        if is_out_of_memory(error):
            raise
        why = type(error).__name__
        raise InputError(
            f"checkpoint={str(path)!r}: cannot be read ({why}); expected one written by align fit"
        ) from None
    parts = ("policy", "state_dict")
    if not isinstance(checkpoint, dict) or not all(isinstance(checkpoint.get(k), Mapping) for k in parts):
        raise InputError(f"checkpoint={str(path)!r}: holds no policy; expected one written by align fit")
    return checkpoint


def check_finite(component: nn.Module, path: str | Path) -> None:
    """Refuse weights that are no numbers, which would only be found where they are used.

    Args:
        component: What they were loaded into.
        path: The checkpoint they are from.

    Raises:
        InputError: One of its parameters holds NaN or infinity.
    """
    bad = [name for name, p in component.named_parameters() if not bool(torch.isfinite(p).all())]
    if bad:
        raise InputError(
            f"checkpoint={str(checkpoint_file(path))!r}: {bad[0]} holds NaN or infinity; expected finite "
            "weights, as align fit writes them"
        )


def checkpoint_file(path: str | Path) -> Path:
    """The checkpoint itself, where a run directory may be given."""
    return Path(path) / LAST_CHECKPOINT if Path(path).is_dir() else Path(path)


def run_of(path: str | Path) -> Path:
    """The run directory that a checkpoint lies in; of a run directory, itself."""
    path = Path(path)
    return path if path.is_dir() else path.absolute().parent.parent


def averaged_weights(checkpoint: Mapping) -> dict[str, Tensor]:
    """The state of the policy with averaged weights, by the names of its own."""
    prefix = "ema.model."
    state = checkpoint["state_dict"]
    return {k.removeprefix(prefix): v for k, v in state.items() if str(k).startswith(prefix)}
