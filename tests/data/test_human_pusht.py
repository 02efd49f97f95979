"""The human Push-T demonstrations of Diffusion Policy, where they are at hand."""

import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import zarr

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))

import converted

from align.data.episodes import read_store
from align.data.normalizer import Normalizer
from align.data.splits import split
from align.data.windows import Windows

PATH = os.environ.get("ALIGN_PUSHT_ZARR")
pytestmark = pytest.mark.skipif(
    not PATH, reason="ALIGN_PUSHT_ZARR is not set to the human Push-T demonstrations"
)


def test_float_images_become_the_same_bytes():
    episodes, source = read_store(PATH), zarr.open_group(PATH, mode="r")
    assert episodes.n_episodes == 206 and episodes.image.dtype == np.uint8
    assert episodes.image.shape == (25650, 96, 96, 3)
    some = episodes.ends[2]
    np.testing.assert_array_equal(episodes.image[:some], source["data/img"][:some])
    np.testing.assert_array_equal(episodes.agent_pos, source["data/state"][:, :2])
    assert "agent_pos is state[:2], state is state (as in Push-T" in episodes.keys


@pytest.mark.parametrize("step_scale", [True, False])
def test_sampling_cuts_none_of_it(step_scale):
    episodes = read_store(PATH, images=False)
    windows = Windows(episodes, range(episodes.n_episodes), n_image_steps=0)
    normalizer = Normalizer(16, 2, 2, step_scale=step_scale).fit([windows])
    batch = windows.gather(torch.arange(len(windows)), images=False)
    action = normalizer.normalize_action(batch["action"], batch["agent_pos"])
    clipped = action.clamp(normalizer.action_low, normalizer.action_high)
    assert ((action - clipped).abs() * normalizer.action_std).max() < 0.001  # px


@pytest.mark.slow
def test_all_of_it_resized():
    episodes = read_store(PATH, image_size=64)
    assert episodes.n_episodes == 206 and episodes.image.shape == (25650, 64, 64, 3)
    train, held_out = split(episodes, 0.1)
    windows = Windows(episodes, train)
    assert len(train) + len(held_out) == 206 and not len(windows.skipped)
    batch = windows.gather(torch.arange(0, len(windows), 400))
    assert batch["image"].shape[1:] == (2, 3, 64, 64) and batch["image"].float().mean() > 200  # a white table
    speed = (batch["action"][:, 1] - batch["agent_pos"][:, 1]).norm(dim=1)
    assert speed.median() < 50  # px: an action is a target near the pusher


@pytest.mark.slow
def test_converted_it_trains_to_the_same_losses(tmp_path):
    """A few episodes of it: to LeRobot's and robomimic's formats without loss, and to video."""
    found = converted.losses(PATH, tmp_path, episodes=6, steps=5, video={"AV1": "av1"})
    for title in converted.LOSSLESS:
        assert found[title] == found["Zarr"]
    apart = [found["AV1"][k] / found["Zarr"][k] - 1 for k in ("train_denoise", "val_loss_real")]
    assert 0 < np.abs(apart).max() < 0.05, "of images that a codec has gone over"
