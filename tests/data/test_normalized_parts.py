"""Actions of which a part is relative and a part absolute, as of a gripper, under both scales."""

import dataclasses

import numpy as np
import pytest
import torch

from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.errors import InputError


def everything(windows):
    return windows.gather(torch.arange(len(windows)), images=False)


@pytest.fixture
def gripper(episodes):
    """Positions to go to, and a gripper that is open or closed, of which agent_pos tells nothing."""
    state = (np.arange(len(episodes.action)) // 7 % 2).astype(np.float32)[:, None]
    return dataclasses.replace(episodes, action=np.concatenate([episodes.action, state], axis=1))


@pytest.mark.parametrize("normalization", ["mean_std", "min_max"])
@pytest.mark.parametrize("relative", ["0:2", ":2", [0, 1]])
def test_a_part_is_relative_and_the_gripper_absolute(episodes, gripper, normalization, relative):
    windows = Windows(gripper, [0, 2])
    part = Normalizer(16, 3, 2, relative, normalization=normalization).fit([windows])
    batch, positions = everything(windows), everything(Windows(episodes, [0, 2]))
    normal = part.normalize_action(batch["action"], batch["agent_pos"])
    plain = {"normalization": normalization}
    moving = Normalizer(16, 2, 2, True, **plain).fit([Windows(episodes, [0, 2])])
    expected = moving.normalize_action(positions["action"], positions["agent_pos"])
    torch.testing.assert_close(normal[..., :2], expected)
    still = Normalizer(16, 3, 2, False, **plain).fit([windows])
    absolute = still.normalize_action(batch["action"], batch["agent_pos"])
    torch.testing.assert_close(normal[..., 2], absolute[..., 2])
    restored = part.unnormalize_action(normal, batch["agent_pos"])
    torch.testing.assert_close(restored, batch["action"], atol=1e-3, rtol=0)


@pytest.mark.parametrize("normalization", ["mean_std", "min_max"])
def test_a_binary_gripper_reaches_both_its_values(gripper, normalization):
    """Samples are clipped to the range of the data: at its ends a gripper is quite open, and quite closed."""
    windows = Windows(gripper, [0, 2])
    fitted = Normalizer(16, 3, 2, "0:2", normalization=normalization).fit([windows])
    newest = everything(windows)["agent_pos"][:1]
    for bound, value in ((fitted.action_low, 0.0), (fitted.action_high, 1.0)):
        reached = fitted.unnormalize_action(bound[None], newest)[0, :, 2]
        torch.testing.assert_close(reached, torch.full((16,), value), atol=1e-6, rtol=0)


@pytest.mark.parametrize("step_scale", [True, False])
def test_min_max_spans_the_training_windows(episodes, step_scale):
    sim, real = (Windows(episodes, [i]) for i in (0, 2))
    fitted = Normalizer(16, 2, 2, True, step_scale, normalization="min_max").fit([sim, real], (0.9, 0.1))
    batches = [everything(w) for w in (sim, real)]
    normal = torch.cat([fitted.normalize_action(b["action"], b["agent_pos"]) for b in batches])
    dims = (0,) if step_scale else (0, 1)
    for extreme, value in ((normal.amin(dims), -1.0), (normal.amax(dims), 1.0)):
        torch.testing.assert_close(extreme, torch.full_like(extreme, value), atol=1e-4, rtol=0)
    torch.testing.assert_close(fitted.action_high, torch.ones(16, 2), atol=1e-5, rtol=0)


@pytest.mark.parametrize("relative", ["2:5", "a", [0, 0], [3], []])
def test_a_part_that_is_not_there_is_refused(relative):
    with pytest.raises(InputError, match=r"relative_actions=.*expected"):
        Normalizer(16, 3, 2, relative)


def test_a_state_from_before_parts_loads(episodes):
    """What is relative is no part of the state, so that old and new ones are of one shape."""
    keys = set(Normalizer(16, 2, 2).fit([Windows(episodes, [0, 2])]).state_dict())
    assert set(Normalizer(16, 3, 2, "0:2", normalization="min_max").state_dict()) == keys
