"""The weights that a run was left with."""

from pathlib import Path

import torch


def last_weights(run: str | Path) -> dict[str, torch.Tensor]:
    """All tensors in the state of a run's last checkpoint, by name."""
    state = torch.load(Path(run) / "checkpoints/last.ckpt", weights_only=True)["state_dict"]
    return {name: value for name, value in state.items() if torch.is_tensor(value)}
