"""What a policy can command: all that its training data hold, and nothing else."""

import numpy as np
import pytest
import torch
from torch import nn

from align.data.episodes import Episodes
from align.data.windows import Windows
from align.diffusion.schedule import NoiseSchedule
from align.policy import DiffusionPolicy


class _Wants(nn.Module):
    """A denoiser that predicts one action, whatever it sees: `action` (A,), normalised."""

    def __init__(self, action: torch.Tensor):
        super().__init__()
        self.register_buffer("action", action)

    def forward(self, x, steps, condition):
        return self.action.expand_as(x)

    def features(self, x, steps, condition):
        return self(x, steps, condition), x.flatten(1)


def _episodes() -> Episodes:
    """A position that wanders, and a gripper that is open but in 3 % of the frames."""
    rng = np.random.default_rng(0)
    position = rng.uniform(-1, 1, (1000, 1)).astype(np.float32)
    gripper = np.zeros((1000, 1), np.float32)
    gripper[500:530] = 1.0
    return Episodes(
        agent_pos=np.concatenate([position, gripper], 1),
        action=np.concatenate([position, gripper], 1),
        state=None,
        ends=np.array([1000]),
        path="memory",
    )


@pytest.mark.parametrize("step_scale", [True, False])
@pytest.mark.parametrize(("clip", "low", "high"), [("data", 0.0, 1.0), (4.0, -0.65, 0.71), (None, -1.0, 2.0)])
def test_what_is_rare_can_be_commanded(clip, low, high, step_scale):
    policy = DiffusionPolicy(
        denoiser=_Wants(torch.zeros(2)),
        schedule=NoiseSchedule(prediction="sample", clip=clip),
        n_image_steps=0,
        step_scale=step_scale,
    )
    windows = Windows(_episodes(), [0], n_image_steps=0)
    normalizer = policy.normalizer.fit([windows])
    observation, noise = {"agent_pos": torch.zeros(1, 2, 2)}, torch.randn(1, 16, 2)
    for wanted, reached in ((2.0, high), (-1.0, low)):
        target = (torch.tensor([0.0, wanted]) - normalizer.action_mean) / normalizer.action_std
        policy.denoiser.action = target
        grips = policy.act(observation, noise)[..., 1]
        assert grips.numpy() == pytest.approx(reached, abs=0.01 if clip == 4.0 else 1e-4)
