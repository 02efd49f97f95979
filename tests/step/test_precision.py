"""What "auto" precision is on which hardware."""

import pytest
import torch

from align.step import precision
from align.step.precision import Trainer, check_precision, resolve_precision


@pytest.mark.parametrize(
    ("flags", "has"), [("avx2 avx512_bf16", True), ("amx_bf16", True), ("avx512f avx512_bf16x", False)]
)
def test_bf16_is_read_off_the_processors_flags(flags, has, tmp_path):
    path = tmp_path / "cpuinfo"
    path.write_text(f"processor : 0\nflags\t\t: fpu {flags} sse\nbugs : amx_bf16\n")
    assert precision._cpu_has_bf16(path) == has
    assert not precision._cpu_has_bf16(tmp_path / "none")


@pytest.mark.parametrize(
    ("accelerator", "gpu", "cpu", "expected"),
    [
        ("auto", (9, 0), False, "bf16-mixed"),
        ("gpu", (7, 5), True, "32-true"),
        ("auto", None, True, "bf16-mixed"),
        ("cpu", (9, 0), False, "32-true"),
        ("cpu", (7, 5), True, "bf16-mixed"),
        ("mps", None, True, "32-true"),
    ],
)
def test_precision_is_that_of_the_device_that_trains(accelerator, gpu, cpu, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu is not None)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda: gpu)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    monkeypatch.setattr(precision, "_cpu_has_bf16", lambda: cpu)
    assert resolve_precision(accelerator) == expected


@pytest.mark.parametrize(
    ("asked", "rounds"), [("32-true", False), (None, False), ("tf32", True), ("bf16-mixed", True)]
)
def test_convolutions_are_rounded_to_tf32_unless_full_precision_is_asked_for(asked, rounds, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", not rounds)
    check_precision(asked)
    trainer = Trainer(accelerator="cpu", precision=asked, logger=False, enable_checkpointing=False)
    assert torch.backends.cudnn.allow_tf32 == rounds
    assert trainer.precision == ("bf16-mixed" if asked == "bf16-mixed" else "32-true")
