"""In which precision a run is trained: bf16 where the hardware computes in it."""

from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from lightning_fabric.plugins.precision.precision import _PRECISION_INPUT

from align.errors import InputError

AUTO = "auto"
TF32 = "tf32"
FULL = (None, "32", 32, "32-true")
TRAINED = (*FULL, TF32, "16", 16, "16-mixed", "bf16", "bf16-mixed")
"""Precisions, and Lightning's other names of them, in which weights, losses and statistics stay float32."""


class Trainer(pl.Trainer):
    """Lightning's trainer; `precision` may also be "auto", which is resolved before there is one, or "tf32".

    Args:
        precision: "auto" is bf16-mixed where the device has bf16, else 32-true; so is `None` everywhere.
            "tf32" is 32-true whose convolutions a GPU of compute capability 8 and above rounds to ten bits.
    """

    def __init__(
        self, *args: Any, precision: Literal["auto", "tf32"] | _PRECISION_INPUT | None = None, **kwargs: Any
    ):
        torch.backends.cudnn.allow_tf32 = precision not in FULL  # PyTorch's default is to round them anyway
        super().__init__(*args, precision="32-true" if precision == TF32 else precision, **kwargs)


def check_precision(precision: str | int | None) -> None:
    """Refuse a precision in which nothing here was written to be trained.

    Raises:
        InputError: It is not of `TRAINED`.
    """
    if precision not in TRAINED:
        raise InputError(
            f"trainer.precision={precision}: expected auto, 32-true, tf32, bf16-mixed or 16-mixed, in "
            "which weights and statistics stay float32"
        )


def resolve_precision(accelerator: str) -> str:
    """What "auto" is on this machine.

    Args:
        accelerator: As Lightning's trainer takes it; "auto" is a GPU where there is one.

    Returns:
        "bf16-mixed" on GPUs of compute capability 8 and above, and on CPUs with AVX-512 BF16 or AMX;
        otherwise "32-true".
    """
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        fast = torch.cuda.get_device_capability() >= (8, 0)
    else:
        fast = accelerator in ("auto", "cpu") and not torch.backends.mps.is_available() and _cpu_has_bf16()
    return "bf16-mixed" if fast else "32-true"


def _cpu_has_bf16(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether the CPU multiplies matrices in bf16, as far as Linux says so."""
    if not cpuinfo.is_file():
        return False
    flags = next((line for line in cpuinfo.read_text().splitlines() if line.startswith("flags")), "")
    return not {"avx512_bf16", "amx_bf16"}.isdisjoint(flags.split())
