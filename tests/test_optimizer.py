"""The optimiser's groups and the learning rate's course."""

import pytest
import torch
from torch import nn

from align.optimizer import adamw, warmup_cosine


def test_every_parameter_is_in_one_group_and_no_vector_is_decayed():
    policy = nn.Sequential(nn.Conv1d(2, 3, 3), nn.GroupNorm(1, 3), nn.Linear(4, 5))
    opponent = nn.Linear(5, 1)
    plain, game = (adamw(policy, others, 0.1, 0.3) for others in ([], opponent.parameters()))
    members = [p for group in game.param_groups for p in group["params"]]
    everything = [*policy.parameters(), *opponent.parameters()]
    assert len(members) == len(everything) and {*map(id, members)} == {*map(id, everything)}
    for optimizer in (plain, game):
        for group in optimizer.param_groups[:2]:
            assert all((p.dim() >= 2) == (group["weight_decay"] == 0.3) for p in group["params"])
            assert group["betas"][0] == 0.95 and group["lr"] == 0.1
    assert len(plain.param_groups) == 2 and game.param_groups[2]["betas"][0] == 0.5


def test_an_encoder_may_have_a_peak_of_its_own():
    policy = nn.Module()
    policy.encoder, policy.denoiser = (nn.Sequential(nn.Linear(4, 5), nn.LayerNorm(5)) for _ in range(2))
    plain = adamw(policy, [], 0.1, 0.3)
    apart = adamw(policy, [], 0.1, 0.3, encoder_learning_rate=0.01)
    assert [group["lr"] for group in plain.param_groups] == [0.1, 0.1]
    rates, decays = (
        {p: g[key] for g in apart.param_groups for p in g["params"]} for key in ("lr", "weight_decay")
    )
    assert {*rates} == {*policy.parameters()}
    assert all(rates[p] == 0.01 for p in policy.encoder.parameters())
    assert all(rates[p] == 0.1 for p in policy.denoiser.parameters())
    assert all((p.dim() >= 2) == (decay == 0.3) for p, decay in decays.items())


def test_the_learning_rate_rises_linearly_and_falls_as_a_cosine_to_zero():
    rates = [warmup_cosine(step, 4, 24) for step in range(30)]
    assert rates[:5] == [0.25, 0.5, 0.75, 1.0, 1.0]
    assert rates[14] == pytest.approx(0.5) and rates[24:] == pytest.approx([0.0] * 6)
    falling = torch.tensor(rates[4:25], dtype=torch.float64)
    assert (falling.diff() < 0).all()
    torch.testing.assert_close(falling + falling.flip(0), torch.ones(21, dtype=torch.float64))
    assert warmup_cosine(0, 0, 10) == 1.0
    assert warmup_cosine(5, 5, 5) == 1.0  # a run as short as its warm-up
