"""The human Push-T demonstrations of Diffusion Policy, where they are at hand."""

import contextlib
import itertools
import json
import os

import numpy as np
import pytest
import torch
import zarr

from align.cli import main
from align.conversion import write_lerobot, write_robomimic
from align.conversion.episodes import stored_episodes
from align.data.episodes import read_store, split, write_store
from align.data.keys import find_keys
from align.data.normalizer import Normalizer
from align.data.readers import open_store
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
def test_converted_it_trains_to_the_same_losses(tmp_path, make_store):
    """A few episodes of it: to LeRobot's and robomimic's formats without loss, and to video."""
    with contextlib.closing(open_store(PATH)) as store:
        keys = find_keys(store, None, ("image",))
        episodes = [
            {name: np.concatenate(list(v)) if name == "image" else v for name, v in episode.items()}
            for episode in itertools.islice(stored_episodes(store, keys), 6)
        ]
    sim = make_store("sim", 6)
    write_store(
        tmp_path / "zarr", [{"img" if k == "image" else k: v for k, v in e.items()} for e in episodes]
    )
    write_lerobot(tmp_path / "lerobot", episodes, 10)
    write_robomimic(tmp_path / "robomimic", episodes, 10)
    write_lerobot(tmp_path / "av1", episodes, 10, codec="av1")
    losses = {}
    for name in ("zarr", "lerobot", "robomimic", "av1"):
        options = {
            "run": tmp_path / f"run_{name}",
            "data.sim": sim,
            "data.real": tmp_path / name,
            "data.validation": 2,
            "trainer.max_steps": 5,
            "trainer.log_every_n_steps": 1,
            "trainer.accelerator": "cpu",
            "embeddings.per_domain": 20,
        }
        assert main(["fit", "--config", "own_data", *[f"--{k}={v}" for k, v in options.items()]]) == 0
        summary = json.loads((tmp_path / f"run_{name}/summary.json").read_text())
        losses[name] = {k: v for k, v in summary.items() if k.startswith(("train_", "val_"))}
    for name in ("lerobot", "robomimic"):
        assert losses[name] == losses["zarr"]
    apart = [losses["av1"][k] / losses["zarr"][k] - 1 for k in ("train_denoise", "val_loss_real")]
    assert 0 < np.abs(apart).max() < 0.05, "of images that a codec has gone over"
