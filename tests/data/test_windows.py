import dataclasses
import warnings

import numpy as np
import pytest
import torch

from align.data.episodes import read_store
from align.data.images.frames import Frames
from align.data.windows import Windows
from align.errors import InputError


def sequence_sampler(values, ends, ids, sequence_length, pad_before, pad_after):
    """Diffusion Policy's `create_indices` and `SequenceSampler.sample_sequence`, one sample at a time."""
    pad_before = min(max(pad_before, 0), sequence_length - 1)
    pad_after = min(max(pad_after, 0), sequence_length - 1)
    for i in ids:
        start, end = (0 if i == 0 else ends[i - 1]), ends[i]
        length = end - start
        for first in range(-pad_before, length - sequence_length + pad_after + 1):
            begin, finish = max(first, 0) + start, min(first + sequence_length, length) + start
            sample = values[begin:finish]
            offset = begin - (first + start)
            data = np.zeros((sequence_length, *values.shape[1:]), values.dtype)
            data[offset : offset + len(sample)] = sample
            data[:offset] = sample[0]
            data[offset + len(sample) :] = sample[-1]
            yield i, first, data


SHAPES = [(2, 16, 8, 2), (2, 16, 8, 1), (1, 8, 8, 1), (3, 9, 4, 2), (2, 10, 9, 2), (1, 1, 1, 1)]


@pytest.mark.parametrize("n_obs, horizon, n_action, n_image", SHAPES)
@pytest.mark.parametrize("ids", [[0, 1, 2, 3, 4], [4, 1]])
def test_windows_are_diffusion_policys(episodes, n_obs, horizon, n_action, n_image, ids):
    windows = Windows(episodes, ids, n_obs, horizon, n_action, n_image)
    sampled = {
        name: list(
            sequence_sampler(getattr(episodes, name), episodes.ends, ids, horizon, n_obs - 1, n_action - 1)
        )
        for name in ("action", "agent_pos", "image")
    }
    assert len(windows) == len(sampled["action"]) > 0
    order = torch.randperm(len(windows), generator=torch.Generator().manual_seed(0))
    batch = windows.gather(order)
    for row, index in enumerate(order.tolist()):
        episode, first, action = sampled["action"][index]
        np.testing.assert_array_equal(batch["action"][row], action)
        np.testing.assert_array_equal(batch["agent_pos"][row], sampled["agent_pos"][index][2][:n_obs])
        image = sampled["image"][index][2][n_obs - n_image : n_obs]
        np.testing.assert_array_equal(batch["image"][row], image.transpose(0, 3, 1, 2))
        assert batch["episode"][row] == episode
        assert batch["step"][row] == min(first + n_obs - 1, episodes.lengths[episode] - 1)


def test_what_a_batch_is_made_of(store):
    windows = Windows(read_store(store), [0, 2], n_image_steps=1)
    batch = windows.gather(torch.tensor([3, 3, 0]))
    assert {k: (tuple(v.shape), v.dtype) for k, v in batch.items()} == {
        "image": ((3, 1, 3, 12, 12), torch.uint8),
        "agent_pos": ((3, 2, 2), torch.float32),
        "action": ((3, 16, 2), torch.float32),
        "episode": ((3,), torch.int64),
        "step": ((3,), torch.int64),
    }
    assert all(value.is_contiguous() for value in batch.values())
    assert windows.action_dim == windows.agent_pos_dim == 2
    assert "image" not in windows.gather(torch.tensor([0]), images=False)
    assert len(windows.gather(torch.tensor([], dtype=torch.int64))["image"]) == 0


def test_every_step_is_the_newest_observation_of_some_window(episodes):
    """But for the last, whose actions would reach too far past the end."""
    windows = Windows(episodes, [2], n_obs_steps=2, horizon=16, n_action_steps=8)
    steps = windows.gather(torch.arange(len(windows)))["step"]
    assert steps.tolist() == list(range(31 - 16 + 8 + 1))


def test_windows_stay_within_their_episode(episodes):
    episodes.action[:] = np.repeat(np.arange(5), episodes.lengths)[:, None]
    windows = Windows(episodes, range(5))
    batch = windows.gather(torch.arange(len(windows)))
    assert (batch["action"] == batch["episode"][:, None, None]).all()


def test_short_episodes_are_padded_or_named(episodes):
    """Episode 3 has 9 of 16 steps; episode 1 has 5, for which Diffusion Policy has no window either."""
    windows = Windows(episodes, range(5), n_obs_steps=2, horizon=16, n_action_steps=8)
    assert windows.skipped.tolist() == [1]
    found = windows.gather(torch.arange(len(windows)))["episode"]
    assert (found == 3).sum() == 9 - 16 + 8 + 1 and not (found == 1).any()


def test_without_images_nothing_else_changes(episodes):
    """Whether the store has none or the policy asks for none."""
    blind = dataclasses.replace(episodes, images={})
    whole = Windows(episodes, range(5))
    expected = whole.gather(torch.arange(len(whole)))
    del expected["image"]
    for source in (blind, episodes):
        windows = Windows(source, range(5), n_image_steps=0)
        batch = windows.gather(torch.arange(len(windows)))
        assert batch.keys() == expected.keys()
        assert all(torch.equal(batch[key], expected[key]) for key in batch)
    with pytest.raises(InputError, match="n_image_steps: 2; memory has no images, expected 0"):
        Windows(blind, [0])


def test_floats_are_the_bytes_scaled_to_one(episodes):
    windows = Windows(episodes, [0, 1])
    chosen = torch.tensor([3, 0, 3])
    scaled = windows.gather(chosen)["image"].float() / 255
    kept = torch.full_like(scaled, torch.nan)
    assert windows.gather(chosen, floats={"image": kept})["image"] is kept and torch.equal(kept, scaled)


def test_floats_of_several_stores_are_those_of_each():
    frames = Frames([torch.randint(0, 256, (n, 3, 4, 5), dtype=torch.uint8) for n in (2, 3, 1)])
    rows, out = torch.tensor([5, 0, 1, 2, 4, 3, 2]), torch.empty(7, 3, 4, 5)
    frames.put(rows, out)
    assert torch.equal(out, torch.cat(frames.segments)[rows].float() / 255)


def test_images_are_shared_not_copied(store):
    episodes = read_store(store)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        windows = Windows(episodes, range(5))
    episodes.image[0] = 77
    assert (windows.gather(torch.tensor([0]))["image"] == 77).all()


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"episode_ids": [0, 5]}, "episode_ids: 0 to 5; expected 0 to 4"),
        ({"episode_ids": [-1]}, "episode_ids: -1"),
        ({"episode_ids": [1, 1]}, "twice"),
        ({"n_obs_steps": 0}, "n_obs_steps: 0"),
        ({"n_action_steps": 0}, "n_action_steps: 0"),
        ({"horizon": 8}, "horizon: 8; expected at least .* 9"),
        ({"n_image_steps": 3}, "n_image_steps: 3; expected 0 to n_obs_steps = 2"),
        ({"n_image_steps": -1}, "n_image_steps: -1"),
    ],
)
def test_impossible_windows(episodes, arguments, message):
    with pytest.raises(InputError, match=message):
        Windows(episodes, **{"episode_ids": [0], **arguments})


def test_whole_windows_repeat_no_frame(episodes):
    frames = np.arange(len(episodes.action), dtype=np.float32)
    numbered = dataclasses.replace(episodes, action=np.stack([frames, frames], 1))
    windows = Windows(numbered, [0, 1, 2, 4])
    steps = windows.gather(torch.arange(len(windows)), images=False)["action"][..., 0].diff(dim=1)
    assert torch.equal(windows.whole(), (steps > 0).all(1)) and 0 < windows.whole().sum() < len(windows)
