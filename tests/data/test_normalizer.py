import dataclasses

import numpy as np
import pytest
import torch

from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.errors import InputError


@pytest.fixture
def windows(episodes):
    return Windows(episodes, [0, 2, 3])


def everything(windows):
    return windows.gather(torch.arange(len(windows)), images=False)


@pytest.mark.parametrize("relative", [True, False])
def test_inverse(windows, relative):
    normalizer = Normalizer(16, 2, 2, relative).fit([windows])
    batch = everything(windows)
    normal = normalizer.normalize_action(batch["action"], batch["agent_pos"])
    assert normal.abs().max() < 10
    restored = normalizer.unnormalize_action(normal, batch["agent_pos"])
    torch.testing.assert_close(restored, batch["action"], atol=1e-3, rtol=0)  # of 512 px
    again = normalizer.normalize_action(restored, batch["agent_pos"])
    torch.testing.assert_close(again, normal, atol=1e-5, rtol=0)


@pytest.mark.parametrize("relative", [True, False])
def test_training_windows_have_zero_mean_and_unit_deviation(windows, relative):
    normalizer = Normalizer(16, 2, 2, relative).fit([windows])
    batch = everything(windows)
    normal = normalizer.normalize_action(batch["action"], batch["agent_pos"])
    torch.testing.assert_close(normal.mean(0), torch.zeros(16, 2), atol=1e-5, rtol=0)
    torch.testing.assert_close(normal.std(0, correction=0), torch.ones(16, 2), atol=1e-5, rtol=0)
    position = normalizer.normalize_agent_pos(batch["agent_pos"])
    torch.testing.assert_close(position.amin((0, 1)), -torch.ones(2))
    torch.testing.assert_close(position.amax((0, 1)), torch.ones(2))


def test_relative_actions_do_not_move_with_the_scene(windows):
    normalizer = Normalizer(16, 2, 2).fit([windows])
    batch = everything(windows)
    moved = normalizer.normalize_action(batch["action"] + 50, batch["agent_pos"] + 50)
    still = normalizer.normalize_action(batch["action"], batch["agent_pos"])
    torch.testing.assert_close(moved, still, atol=1e-4, rtol=0)


def test_actions_are_relative_to_the_first_entries_of_a_longer_agent_pos(episodes, windows):
    """agent_pos = (position, goal): as for the position alone, whatever the goal."""
    goal = np.random.default_rng(1).uniform(0, 512, (len(episodes.action), 3)).astype(np.float32)
    longer = dataclasses.replace(episodes, agent_pos=np.concatenate([episodes.agent_pos, goal], axis=1))
    batch, longer_batch = everything(windows), everything(Windows(longer, [0, 2, 3]))
    position_only = Normalizer(16, 2, 2).fit([windows])
    normalizer = Normalizer(16, 2, 5).fit([Windows(longer, [0, 2, 3])])
    normal = normalizer.normalize_action(batch["action"], longer_batch["agent_pos"])
    assert torch.equal(normal, position_only.normalize_action(batch["action"], batch["agent_pos"]))
    restored = normalizer.unnormalize_action(normal, longer_batch["agent_pos"])
    torch.testing.assert_close(restored, batch["action"], atol=1e-3, rtol=0)


def test_only_the_given_windows_count(episodes, windows):
    before = Normalizer(16, 2, 2).fit([windows]).state_dict()
    for held_out in (1, 4):
        episodes.action[episodes.starts[held_out] : episodes.ends[held_out]] = 1e6
        episodes.agent_pos[episodes.starts[held_out] : episodes.ends[held_out]] = -1e6
    after = Normalizer(16, 2, 2).fit([windows]).state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_shares_are_those_of_a_pooled_sample(episodes):
    """Three parts sim to one part real are as if sim had been listed three times as often."""
    sim, real = Windows(episodes, [0]), Windows(episodes, [2])
    fitted = Normalizer(16, 2, 2).fit([sim, real], (0.75, 0.25))
    a, b = (everything(w)["action"] - everything(w)["agent_pos"][:, -1:] for w in (sim, real))
    pooled = torch.cat([a.repeat(3 * len(b), 1, 1), b.repeat(len(a), 1, 1)]).double()
    torch.testing.assert_close(fitted.action_mean, pooled.mean(0).float())
    torch.testing.assert_close(fitted.action_std, pooled.std(0, correction=0).float())


def test_a_share_of_zero_leaves_no_trace(episodes):
    sim, real = Windows(episodes, [0]), Windows(episodes, [2])
    alone, mixed = Normalizer(16, 2, 2).fit([sim]), Normalizer(16, 2, 2).fit([sim, real], (1, 0))
    assert all(torch.equal(a, b) for a, b in zip(alone.buffers(), mixed.buffers(), strict=True))


def test_constant_dimensions_stay_finite_and_harmless(episodes):
    constant = dataclasses.replace(
        episodes,
        action=np.stack([episodes.action[:, 0], np.full(89, 0.1, np.float32)], 1),
        agent_pos=np.stack([episodes.agent_pos[:, 0], np.full(89, 300.7, np.float32)], 1),
    )
    windows = Windows(constant, [0, 2])
    batch = everything(windows)
    for relative in (True, False):
        normalizer = Normalizer(16, 2, 2, relative).fit([windows])
        assert normalizer.action_std[:, 1].tolist() == [1] * 16
        normal = normalizer.normalize_action(batch["action"], batch["agent_pos"])
        position = normalizer.normalize_agent_pos(batch["agent_pos"])
        assert normal[..., 1].abs().max() < 1e-4 and position[..., 1].abs().max() < 1e-4


def test_a_still_step_is_not_blown_up(episodes):
    """Actions that equal the newest position, as when the pusher tracks perfectly, have no spread there."""
    tracking = dataclasses.replace(episodes, action=episodes.agent_pos.copy())
    normalizer = Normalizer(16, 2, 2).fit([Windows(tracking, [0, 2])])
    std = normalizer.action_std
    assert (std[1] >= 0.0099 * std.amax(0)).all() and (std[1] <= 0.0101 * std.amax(0)).all()


def test_one_scale_for_all_steps_keeps_their_proportions(episodes):
    """Then a step of noise is as many metres anywhere in the horizon, and a dimension has unit variance."""
    windows = Windows(episodes, [0, 2])
    batch = everything(windows)
    normalizer = Normalizer(16, 2, 2, step_scale=False).fit([windows])
    assert (normalizer.action_std == normalizer.action_std[0]).all()
    normal = normalizer.normalize_action(batch["action"], batch["agent_pos"])
    torch.testing.assert_close(normal.var(0, correction=0).mean(0), torch.ones(2), atol=1e-3, rtol=0)
    torch.testing.assert_close(normal.mean(0), torch.zeros(16, 2), atol=1e-3, rtol=0)
    restored = normalizer.unnormalize_action(normal, batch["agent_pos"])
    torch.testing.assert_close(restored, batch["action"], atol=1e-3, rtol=0)


def test_it_is_saved_with_the_policy(windows, tmp_path):
    fitted = Normalizer(16, 2, 2).fit([windows])
    torch.save(fitted.state_dict(), tmp_path / "policy.ckpt")
    loaded = Normalizer(16, 2, 2)
    loaded.load_state_dict(torch.load(tmp_path / "policy.ckpt", weights_only=True))
    batch = everything(windows)
    expected = fitted.normalize_action(batch["action"], batch["agent_pos"])
    assert torch.equal(loaded.normalize_action(batch["action"], batch["agent_pos"]), expected)
    assert (loaded.horizon, loaded.action_dim, loaded.agent_pos_dim, loaded.relative) == (16, 2, 2, True)


@pytest.mark.parametrize(("relative", "step_scale"), [(True, True), (False, True), (True, False)])
def test_its_range_of_actions_is_that_of_the_training_windows(episodes, relative, step_scale):
    sim, real, unused = (Windows(episodes, [i]) for i in (0, 2, 4))
    fitted = Normalizer(16, 2, 2, relative, step_scale).fit([sim, real, unused], (0.9, 0.1, 0.0))
    batches = [everything(w) for w in (sim, real)]
    origins = [b["agent_pos"][:, -1:] if relative else 0 for b in batches]
    seen = torch.cat([b["action"] - o for b, o in zip(batches, origins, strict=True)])  # (N, H, A)
    dims = (0,) if step_scale else (0, 1)
    for bound, extreme in ((fitted.action_low, seen.amin(dims)), (fitted.action_high, seen.amax(dims))):
        reached = bound * fitted.action_std + fitted.action_mean
        torch.testing.assert_close(reached, extreme.expand(16, 2), atol=1e-3, rtol=0)


def test_a_normaliser_from_before_there_was_a_range_has_four_deviations(windows):
    state = Normalizer(16, 2, 2).fit([windows]).state_dict()
    del state["action_low"], state["action_high"]
    loaded = Normalizer(16, 2, 2)
    loaded.load_state_dict(state)
    assert (loaded.action_low == -4).all() and (loaded.action_high == 4).all()


def test_range_widens_by_that_of_the_data_that_training_goes_on_with(episodes):
    """In the units of the data, whatever the two normalise by."""
    first, second = (Normalizer(16, 2, 2).fit([Windows(episodes, [i])]) for i in (0, 2))
    both = Normalizer(16, 2, 2).fit([Windows(episodes, [0, 2])])
    scale = first.action_std.clone()
    first.widen(second)
    assert torch.equal(first.action_std, scale)
    for name in ("action_low", "action_high"):
        got, wanted = (getattr(n, name) * n.action_std + n.action_mean for n in (first, both))
        torch.testing.assert_close(got, wanted, atol=1e-3, rtol=0)


def test_gradients_pass(windows):
    normalizer = Normalizer(16, 2, 2).fit([windows]).double()
    batch = {key: value[:2].double() for key, value in everything(windows).items()}
    action, position = batch["action"].requires_grad_(), batch["agent_pos"].requires_grad_()
    assert torch.autograd.gradcheck(normalizer.normalize_action, (action, position))
    assert torch.autograd.gradcheck(normalizer.unnormalize_action, (action, position))
    assert torch.autograd.gradcheck(normalizer.normalize_agent_pos, (position,))


def test_other_dimensions_need_absolute_actions():
    with pytest.raises(InputError, match="action has 7 and agent_pos 3 dimensions"):
        Normalizer(16, 7, 3)
    assert (
        Normalizer(16, 7, 3, relative=False).normalize_action(torch.ones(1, 16, 7), torch.ones(1, 2, 3)).all()
    )


@pytest.mark.parametrize(
    "weights, message",
    [((-1.0,), "not negative"), ((0.5, 0.5), "expected 1 numbers"), ((0.0,), "none of positive")],
)
def test_impossible_shares(windows, weights, message):
    with pytest.raises(InputError, match=message):
        Normalizer(16, 2, 2).fit([windows], weights)


def test_windows_must_fit(episodes, windows):
    with pytest.raises(InputError, match=r"\(16, 2, 2\); expected \(8, 2, 2\)"):
        Normalizer(8, 2, 2).fit([windows])
    with pytest.raises(InputError, match="expected training data"):
        Normalizer(16, 2, 2).fit([Windows(episodes, [1])])  # too short for any window


def test_history_is_shown_as_motion(episodes):
    """Older positions say how far it is from them to the newest, wherever that is; the newest says where."""
    windows = Windows(episodes, [0, 2], n_obs_steps=3)
    positions = everything(windows)["agent_pos"]
    fitted = [Normalizer(16, 2, 2, relative_history=r).fit([windows]) for r in (True, False)]
    shown, plain = (normalizer.normalize_history(positions) for normalizer in fitted)
    torch.testing.assert_close(plain, fitted[1].normalize_agent_pos(positions))
    torch.testing.assert_close(shown[:, -1], plain[:, -1])
    torch.testing.assert_close(shown[:, :-1].abs().amax((0, 1)), torch.ones(2))
    restored = shown[:, :-1] * fitted[0].history_half + positions[:, -1:]
    torch.testing.assert_close(restored, positions[:, :-1], atol=1e-3, rtol=0)
    elsewhere = fitted[0].normalize_history(positions + torch.tensor([30.0, -20.0]))
    torch.testing.assert_close(elsewhere[:, :-1], shown[:, :-1], atol=1e-4, rtol=0)


def test_history_that_never_moves_is_zero(episodes):
    """As a goal that is part of the state."""
    still = dataclasses.replace(episodes, agent_pos=np.full_like(episodes.agent_pos, 300.7))
    windows = Windows(still, [0, 2])
    shown = Normalizer(16, 2, 2, relative_history=True).fit([windows])
    assert (shown.normalize_history(everything(windows)["agent_pos"])[:, 0] == 0).all()


def test_a_relative_goal_is_which_way_it_is(episodes):
    """The position says where, the goal how far it is from there; what follows them stays as it is."""
    goal = np.random.default_rng(0).uniform(0, 500, (len(episodes.agent_pos), 2)).astype(np.float32)
    extra = np.linspace(3, 5, len(goal), dtype=np.float32)[:, None]
    to_goal = np.concatenate([episodes.agent_pos, goal, extra], axis=1)
    windows = Windows(dataclasses.replace(episodes, agent_pos=to_goal), [0, 2], n_obs_steps=3)
    fitted = Normalizer(16, 2, 5, relative_history=True, relative_goal=True).fit([windows])
    seen = everything(windows)["agent_pos"]
    shown = fitted.normalize_agent_pos(seen)
    torch.testing.assert_close(shown.abs().amax((0, 1)), torch.ones(5))
    restored = shown * fitted.agent_pos_half + fitted.agent_pos_centre
    position, goal, extra = seen.split((2, 2, 1), dim=-1)
    expected = torch.cat([position, goal - position, extra], dim=-1)
    torch.testing.assert_close(restored, expected, atol=1e-3, rtol=0)
    elsewhere = fitted.normalize_agent_pos(seen + torch.tensor([30.0, -20, 30, -20, 0]))
    torch.testing.assert_close(elsewhere[..., 2:], shown[..., 2:], atol=1e-4, rtol=0)
    moves = fitted.normalize_history(seen)[:, :-1] * fitted.history_half
    torch.testing.assert_close(moves, (seen - seen[:, -1:])[:, :-1], atol=1e-3, rtol=0)
    with pytest.raises(InputError, match=r"relative_goal.*4 entries.*has 3"):
        Normalizer(16, 2, 3, relative_goal=True)
