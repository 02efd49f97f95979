import os
import warnings

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

from align.errors import InputError
from align.worlds.pushing.batch import PushingWorlds
from align.worlds.pushing.env import ENV_ID
from align.worlds.pushing.gaps import SIM, TARGET, Gap
from align.worlds.pushing.geometry import coverage
from align.worlds.pushing.render import Look, Renderer
from align.worlds.pushing.scene import sample_start


def batches():
    return {"sim": PushingWorlds(SIM, 32), "target": PushingWorlds(TARGET, 32)}


def test_trials_start_alike_in_every_world():
    worlds = batches()
    for batch in worlds.values():
        batch.reset([5, 6, 7])
    np.testing.assert_allclose(worlds["sim"].state, worlds["target"].state, rtol=0, atol=1e-9)
    assert not np.array_equal(worlds["sim"].state[0], worlds["sim"].state[1])


def test_a_trial_does_not_depend_on_its_company():
    rng = np.random.default_rng(0)
    actions = rng.uniform(100, 400, (10, 3, 2))
    together, alone = PushingWorlds(TARGET, 32), PushingWorlds(TARGET, 32)
    together.reset([0, 1, 2])  # used before, to show that a reset forgets
    together.step(actions[0])
    together.reset([5, 6, 7])
    alone.reset([6])
    for step in actions:
        together.step(step)
        alone.step(step[1:2])
    np.testing.assert_array_equal(together.state[1], alone.state[0])
    np.testing.assert_array_equal(together.observe()["image"][[1]], alone.observe()["image"])


def test_observations():
    batch = PushingWorlds(TARGET, 32)
    batch.reset(range(4))
    seen = batch.observe()
    assert seen["image"].shape == (4, 32, 32, 3) and seen["image"].dtype == np.uint8
    assert seen["agent_pos"].shape == (4, 2) and seen["agent_pos"].dtype == np.float32
    assert batch.frame(2, 100).shape == (100, 100, 3)


def test_level_zero_moves_and_looks_exactly_like_sim():
    plain, zero = PushingWorlds(SIM, 32), PushingWorlds(Gap().world(), 32)
    for batch in (plain, zero):
        batch.reset([3, 4])
        for _ in range(20):
            batch.step(np.array([[256.0, 256.0], [300.0, 200.0]]))
    np.testing.assert_array_equal(plain.state, zero.state)
    np.testing.assert_array_equal(plain.observe()["image"], zero.observe()["image"])


@pytest.mark.parametrize(
    ("actions", "message"),
    [
        (np.zeros((2, 3)), r"actions has shape \(2, 3\); expected \(2, 2\)"),
        (np.zeros((3, 2)), r"actions has shape \(3, 2\); expected \(2, 2\)"),
        ([[1.0, 2.0], [np.nan, 0.0]], "actions of world 1 are not finite"),
    ],
)
def test_bad_actions_are_named_and_nothing_moves(actions, message):
    batch = PushingWorlds(SIM, 32)
    batch.reset([0, 1])
    before = batch.state
    with pytest.raises(InputError, match=message):
        batch.step(actions)
    np.testing.assert_array_equal(batch.state, before)


def test_environment_passes_gymnasiums_check():
    env = gymnasium.make(ENV_ID, visual=0.5, physics=1.0, size=48, render_mode="rgb_array")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*symmetric and normalized.*")
        check_env(env.unwrapped)


def test_environment_rewards_coverage_and_ends_at_the_goal():
    env = gymnasium.make(ENV_ID)
    _, info = env.reset(seed=0, options={"state": [100.0, 100.0, 258.0, 256.0, np.pi / 4]})
    assert info["coverage"] == pytest.approx(float(coverage(info["state"][2:])))
    _, reward, terminated, _, info = env.step(np.array([105.0, 100.0], np.float32))
    assert reward == pytest.approx(min(info["coverage"] / 0.95, 1))
    assert terminated == (info["coverage"] > 0.95)
    env.reset(options={"state": [100.0, 100.0, 256.0, 256.0, np.pi / 4]})
    assert env.step(np.array([105.0, 100.0], np.float32))[1:3] == (1.0, True)


def test_environment_is_reproducible():
    runs = []
    for _ in range(2):
        env = gymnasium.make(ENV_ID, visual=1.0, size=32)
        first, _ = env.reset(seed=11)
        last = env.step(np.array([256.0, 256.0], np.float32))[0]
        runs.append((first["image"], last["image"]))
    np.testing.assert_array_equal(runs[0][0], runs[1][0])
    np.testing.assert_array_equal(runs[0][1], runs[1][1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difficulty": "hard"}, "difficulty is 'hard'"),
        ({"visual": -1.0}, "visual=-1.0"),
        ({"size": 1}, "size=1:"),
        ({"render_mode": "ansi"}, "render_mode is 'ansi'"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*render_mode")
def test_bad_environments_are_named(options, message):
    with pytest.raises(InputError, match=message):
        gymnasium.make(ENV_ID, **options)


@pytest.mark.parametrize("state", [[1, 2], [100, 100, 256, np.nan, 0], "x", [100, 100, 900, 256, 0]])
def test_bad_start_states_are_named(state):
    with pytest.raises(InputError, match=r"options\['state'\]"):
        gymnasium.make(ENV_ID).reset(options={"state": state})


@pytest.fixture(scope="module")
def public():
    pytest.importorskip("gym_pusht")
    from align.worlds.pushing.gym_pusht import GymPushTWorlds

    return GymPushTWorlds


def test_gym_pusht_has_the_same_interface_starts_and_coverage(public):
    theirs, ours = public(32), PushingWorlds(SIM, 32, "full")
    for batch in (theirs, ours):
        batch.reset([1, 2, 3])
    np.testing.assert_allclose(theirs.state, ours.state)
    assert {k: (v.shape, v.dtype) for k, v in theirs.observe().items()} == {
        k: (v.shape, v.dtype) for k, v in ours.observe().items()
    }
    for env, state in zip(theirs._envs, theirs.state, strict=True):
        assert env._get_coverage() == pytest.approx(float(coverage(state[2:])), abs=1e-9)
    before, still = theirs.state, np.array([[0.0], [20.0], [0.0]])
    theirs.step(before[:, :2] + still)
    np.testing.assert_array_equal(np.abs(theirs.state - before).max(1) > 1, [False, True, False])
    with pytest.raises(InputError, match="actions has shape"):
        theirs.step(np.zeros((2, 2)))


def test_gym_pusht_own_starts_are_its_own(public):
    batch = public(32, difficulty="gym-pusht")
    batch.reset([42])
    env = type(batch._envs[0])(obs_type="state")
    env.reset(seed=42)
    np.testing.assert_allclose(batch.state[0, 2:4], env.block.position)
    with pytest.raises(InputError, match="difficulty is 'hard'"):
        public(32, difficulty="hard")


def test_plain_pictures_match_those_of_gym_pusht(public):
    batch, renderer = public(96), Renderer(Look(zoom=1.0), 96)
    batch.reset(range(10))
    theirs = batch.observe()["image"].astype(float)
    ours = np.array([renderer(state) for state in batch.state])
    assert np.abs(theirs - ours).mean() < 2


def test_pictures_are_drawn_much_faster_than_gym_pushts(public):
    from align.worlds.pushing.benchmark import frame_rates

    ours, theirs = frame_rates(96)
    assert ours > 4 * theirs


def test_recorded_human_actions_do_in_gym_pusht_what_they_did_then(public):
    path = os.environ.get("ALIGN_PUSHT_ZARR")
    if not path:
        pytest.skip("ALIGN_PUSHT_ZARR is not set to the human Push-T demonstrations")
    zarr = pytest.importorskip("zarr")
    store = zarr.open_group(path, mode="r")
    ends = store["meta/episode_ends"][:]
    episodes = [1, 50, 150]
    for i in episodes:
        rows = slice(int(ends[i - 1]), int(ends[i]))
        world = public(96)
        world.reset([i])
        world.set_states(store["data/state"][rows][:1])
        assert np.abs(world.observe()["image"][0] - store["data/img"][rows][0]).mean() < 0.5
        reached = []
        for action in store["data/action"][rows]:
            world.step(action[None])
            reached.append(float(coverage(world.state[0, 2:])))
        assert max(reached) > 0.8


def test_a_missing_gym_pusht_says_how_to_get_it(monkeypatch):
    import sys

    from align.worlds.pushing.gym_pusht import GymPushTWorlds

    monkeypatch.setitem(sys.modules, "gym_pusht.envs", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[pusht\]'"):
        GymPushTWorlds()


def test_starts_of_trials_are_not_those_of_demonstrations():
    batch = PushingWorlds(SIM, 32)
    batch.reset([0])
    assert not np.array_equal(batch.state[0], sample_start(np.random.default_rng(0), "easy"))
