"""A policy that sees how it moves: what it is shown of past positions, and that a checkpoint keeps that."""

import pytest
import torch

from align.cli import main
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
