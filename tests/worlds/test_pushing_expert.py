import itertools

import numpy as np
import pytest

from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.pushing.benchmark import expert_skill
from align.worlds.pushing.demos import record
from align.worlds.pushing.expert import Expert, Style, misplacement
from align.worlds.pushing.gaps import SIM, TARGET, Gap
from align.worlds.pushing.geometry import GOAL, T_VERTICES, coverage, distance_to_t, to_body, to_world
from align.worlds.pushing.pushes import contacts
from align.worlds.pushing.roadmap import Roadmap, along
from align.worlds.pushing.scene import Physics, PushScene, sample_start


def test_misplacement_is_the_rms_distance_of_the_corners():
    poses = GOAL + np.random.default_rng(0).normal(size=(20, 3)) * [50, 50, 2]
    offsets = to_world(T_VERTICES, poses) - to_world(T_VERTICES, GOAL)
    np.testing.assert_allclose(misplacement(poses), np.sqrt(np.square(offsets).sum(-1).mean(-1)))


def test_ways_around_the_t_keep_clear_and_are_as_short_as_promised():
    places, _ = contacts()
    roadmap = Roadmap(places)
    free = np.ones(len(roadmap.nodes), bool)
    for start in ([0.0, -60.0], [80.0, 80.0], [-40.0, 160.0], [0.0, -17.0]):
        promised = roadmap.distances(np.array(start))
        for place in range(0, len(places), 5):
            path = roadmap.path(np.array(start), place, free)
            points = along(path, 4.0)
            assert distance_to_t(points).min() > 15.0
            np.testing.assert_allclose(path[-1], places[place])
            travelled = np.linalg.norm(np.diff(path, axis=0), axis=1).sum()
            assert promised[place] <= travelled + 1e-6 <= promised[place] + 25


def test_no_way_when_every_corner_is_walled_off():
    places, _ = contacts()
    roadmap = Roadmap(places)
    behind = int(np.argmax(places[:, 1]))  # at the foot of the stem
    assert roadmap.path(np.array([0.0, -60.0]), behind, np.zeros(len(roadmap.nodes), bool)) is None


@pytest.mark.parametrize(
    ("world", "difficulty", "least"),
    [(SIM, "easy", 0.96), (SIM, "medium", 0.96), (SIM, "full", 0.9), (TARGET, "easy", 0.9)],
)
def test_experts_succeed(world, difficulty, least):
    assert expert_skill(world, difficulty, range(30))["at_least_90"] >= least


def test_demonstrations_replay_and_pause_at_the_goal():
    start = sample_start(numpy_rng(0, "test"), "easy")
    states, actions = Expert().demonstrate(start, numpy_rng(1, "test"))
    np.testing.assert_array_equal(states[0], start)
    scene = PushScene()
    scene.set_state(start)
    for state, action in zip(states, actions, strict=True):
        np.testing.assert_array_equal(scene.state(), state)
        scene.step(action)
    hold = SIM.style.hold_steps
    np.testing.assert_allclose(actions[-hold:], states[-hold:, :2], atol=1e-9)
    assert coverage(states[-1, 2:]) >= 0.95


def test_sim_demonstrations_do_not_carry_over_to_the_target_physics():
    gained = {"sim": [], "target": []}
    for i in range(10):
        start = sample_start(numpy_rng(i, "test"), "easy")
        states, actions = Expert().demonstrate(start, numpy_rng(i, "noise"))
        for name, physics in (("sim", SIM.physics), ("target", TARGET.physics)):
            scene = PushScene(physics)
            scene.set_state(states[0])
            for action in actions:
                scene.step(action)
            gained[name].append(coverage(scene.state()[2:]))
    assert np.mean(gained["sim"]) > 0.9
    assert np.mean(gained["target"]) < 0.7


def test_the_human_style_is_slower_rougher_and_hesitates():
    start = sample_start(numpy_rng(2, "test"), "easy")
    runs = {}
    for name, style in (("planner", SIM.style), ("human", TARGET.style)):
        lengths, still = [], []
        for i in range(5):
            states, _ = Expert(Physics(), style).demonstrate(start, numpy_rng(i, "noise"))
            moved = np.linalg.norm(np.diff(states[: -style.hold_steps, :2], axis=0), axis=1)
            lengths.append(len(states))
            still.append((moved < 0.01).mean())
        runs[name] = np.mean(lengths), np.mean(still)
    assert runs["human"][0] > 1.15 * runs["planner"][0]
    assert runs["human"][1] > runs["planner"][1]


def test_the_expert_does_not_push_what_is_home():
    start = np.array([100.0, 100.0, *GOAL])
    states, actions = Expert().demonstrate(start, numpy_rng(0, "test"))
    assert len(actions) == Style().hold_steps
    np.testing.assert_array_equal(states[-1], start)


def test_contacts_touch_nothing_until_pushed():
    places, normals = contacts()
    np.testing.assert_allclose(distance_to_t(places), 19.0, atol=0.6)
    assert (distance_to_t(places - normals) < distance_to_t(places)).all()
    assert to_body(places, np.zeros(3)).shape == places.shape


def test_recordings_are_the_same_whatever_the_number_of_processes():
    alone, together = (list(record(Gap(0.5, 1, 1).world(), 4, 7, size=32, jobs=jobs)) for jobs in (1, 2))
    assert len(alone) == len(together) == 4
    for a, b in zip(alone, together, strict=True):
        assert a["seed"] == b["seed"]
        for key in ("img", "state", "action"):
            np.testing.assert_array_equal(a[key], b[key])


def test_recordings_hold_what_they_say():
    recording = record(SIM, 3, 0, size=48)
    episodes = list(recording)
    assert recording.rejected >= 0
    assert [e["seed"] for e in episodes] == sorted({e["seed"] for e in episodes})
    for episode in episodes:
        steps = len(episode["action"])
        assert episode["img"].shape == (steps, 48, 48, 3) and episode["img"].dtype == np.uint8
        assert episode["state"].shape == (steps, 5) and episode["state"].dtype == np.float32
        assert episode["action"].shape == (steps, 2) and episode["action"].dtype == np.float32
        assert coverage(episode["state"][-1, 2:]) >= 0.9
    other = next(record(SIM, 1, 1, size=48))
    assert not np.array_equal(other["state"][0], episodes[0]["state"][0])


def test_failed_demonstrations_are_replaced_and_counted():
    recording = record(SIM, 2, 0, size=16, difficulty="medium", max_steps=48)
    episodes = list(itertools.islice(recording, 2))
    assert len(episodes) == 2
    assert recording.rejected == episodes[-1]["seed"] + 1 - 2 > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n=0: expected a whole number"),
        ({"jobs": 0}, "jobs=0:"),
        ({"seed": -1}, "seed=-1: expected a whole number"),
        ({"difficulty": "hard"}, "difficulty is 'hard'"),
        ({"size": 3}, "size=3:"),
        ({"n": 1, "max_steps": 1}, "coverage below 0.9; expected a world in which its expert succeeds"),
    ],
)
def test_bad_recordings_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        list(record(SIM, **{"n": 1, "seed": 0, **arguments}))


def test_bad_styles_are_named():
    with pytest.raises(InputError, match=r"Style.pause_rate=2: expected a number in \[0, 0.3\]"):
        Style(pause_rate=2)
