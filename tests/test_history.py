"""A policy that sees how it moves: what it is shown of past positions, and that a checkpoint keeps that."""

import numpy as np
import pytest
import torch

from align.cli import main
from align.data.episodes import read_store, write_store
from align.policy import DiffusionPolicy


@pytest.mark.parametrize("relative", [True, False])
def test_past_positions_are_motion_or_places(relative, write_config, tmp_path):
    assert main(["fit", "--config", write_config(**{"model.policy.relative_history": relative})]) == 0
    policy = DiffusionPolicy.from_checkpoint(tmp_path / "run")
    assert policy.relative_history == relative
    assert ("history_half" in dict(policy.normalizer.named_buffers())) == relative
    image = torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8)
    here = torch.tensor([[[250.0, 260.0], [255.0, 258.0]]])
    seen, elsewhere = (policy.encode(image, agent_pos).observation[0, -4:] for agent_pos in (here, here + 40))
    assert torch.equal(seen[2:], policy.normalizer.normalize_agent_pos(here)[0, 1])
    assert torch.allclose(seen[:2], elsewhere[:2], atol=1e-5) == relative
    assert not torch.allclose(seen[2:], elsewhere[2:])


def test_a_goal_is_shown_as_its_difference_to_the_position(write_config, tmp_path, stores):
    """And on the scale of the differences in training: statistics and policy agree on what is shown."""
    for store in stores.values():
        episodes = read_store(store)
        goal = np.full_like(episodes.agent_pos, 300.0) + np.repeat(
            [[0], [7]], [50, len(episodes.agent_pos) - 50], 0
        )
        rows = np.split(np.arange(len(goal)), episodes.ends[:-1])
        seen = np.concatenate([episodes.agent_pos, goal], axis=1).astype(np.float32)
        write_store(
            store,
            [
                {
                    "img": episodes.image[i],
                    "state": seen[i],
                    "agent_pos": seen[i],
                    "action": episodes.action[i],
                }
                for i in rows
            ],
            overwrite=True,
        )
    options = {"model.policy.relative_goal": True, "model.policy.agent_pos_dim": 4, "trainer.callbacks": []}
    assert main(["fit", "--config", write_config(**options)]) == 0
    policy = DiffusionPolicy.from_checkpoint(tmp_path / "run")
    assert policy.relative_goal
    data = torch.from_numpy(np.concatenate([read_store(s, images=False).agent_pos for s in stores.values()]))
    difference = data[:, 2:] - data[:, :2]
    shown = policy.encode(
        torch.zeros(len(data), 2, 3, 16, 16, dtype=torch.uint8), data[:, None].expand(-1, 2, -1)
    )
    at_goal = shown.observation[:, -2:]
    scale = policy.normalizer.agent_pos_half[2:]
    centre = policy.normalizer.agent_pos_centre[2:]
    torch.testing.assert_close(at_goal * scale + centre, difference, atol=1e-2, rtol=0)
    assert (at_goal.abs() < 3).all(), "[-1, 1] in training, not far from it elsewhere"


def test_a_run_recorded_before_an_option_existed_goes_on(write_config, tmp_path, capsys):
    config = write_config()
    assert main(["fit", "--config", config]) == 0
    recorded = tmp_path / "run/config.yaml"
    lines = recorded.read_text().splitlines()
    recorded.write_text("\n".join(line for line in lines if "relative_history" not in line))
    assert len(lines) > len(recorded.read_text().splitlines())
    assert main(["fit", "--config", config]) == 0
    assert "finished already" in capsys.readouterr().out
    changed = write_config("changed", **{"model.policy.relative_history": True})
    assert main(["fit", "--config", changed]) == 2
    assert "relative_history: False there, True here" in capsys.readouterr().err
