"""Arms stepped together against a loop over one trial, which asks Drake about single configurations."""

import importlib.util
from importlib import metadata

import numpy as np
import pytest

from align.errors import InputError
from align.worlds.batch import check_results
from align.worlds.planning.arm import Arm, ArmSpec
from align.worlds.planning.arm_batch import RESOLUTION, ArmWorlds

NEEDED = {d.metadata["Name"] for d in metadata.distributions()} >= {"drake", "example-robot-data"}
pytestmark = pytest.mark.skipif(
    not NEEDED or importlib.util.find_spec("pydrake") is None,
    reason="drake or example-robot-data is not installed (pip install -e '.[planning]' in a checkout)",
)

SPEC = ArmSpec()


def scalar_trial(robot, start, goal, actions) -> tuple[np.ndarray, str]:
    """One trial, step by step: the path, and how it ended."""
    path = [start]
    for action in actions:
        if len(path) > 300:
            return np.array(path), "time"
        way = action - path[-1]
        distance = float(np.sqrt((way**2).sum()))
        there = action if distance <= 0.1 else path[-1] + 0.1 * way / distance
        steps = max(int(np.ceil(np.abs(there - path[-1]).sum() / RESOLUTION)), 1)
        for k in range(steps + 1):
            q = path[-1] + (there - path[-1]) * k / steps
            limits = (q >= robot.low).all() and (q <= robot.high).all()
            if not (limits and robot.checker.CheckConfigCollisionFree(q)):
                return np.array(path), "collided"
        path.append(there)
        if np.sqrt(((there - goal) ** 2).sum()) <= 0.15:
            return np.array(path), "succeeded"
    return np.array(path), "running"


def test_against_a_loop_over_single_trials():
    n, rng, worlds, robot = 8, np.random.default_rng(0), ArmWorlds(SPEC), Arm(SPEC)
    worlds.reset(range(n))
    # Some aim near where they are, some at the shelf, the last dawdles until time is up.
    worlds.goal[:3] = worlds.position[:3] + rng.normal(0, 0.1, (3, 7))
    starts, goals = worlds.position, worlds.goal.copy()
    pace = np.where(np.arange(n) < n - 1, 0.3, 0.0)
    actions = []
    for _ in range(305):
        way = goals - worlds.position
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        actions.append(worlds.position + pace[:, None] * (way + rng.normal(0, 0.05, (n, 7))))
        worlds.step(actions[-1])
    results, paths, ends = worlds.results(), worlds.paths(), set()
    for i in range(n):
        path, end = scalar_trial(robot, starts[i], goals[i], np.array(actions)[:, i])
        ends.add(end)
        assert results["collided"][i] == (end == "collided") and results["success"][i] == (end == "succeeded")
        np.testing.assert_allclose(paths[i], path, atol=1e-9)
        assert results["seconds"][i] == pytest.approx((len(path) - 1 + (end == "collided")) / 10)
    assert ends == {"time", "collided", "succeeded"}


def test_interface():
    worlds = ArmWorlds(SPEC)
    worlds.reset([1, 2])
    seen = worlds.observe()["agent_pos"]
    assert seen.shape == (2, 14) and seen.dtype == np.float32 and len(worlds) == 2
    alone = ArmWorlds(SPEC)
    alone.reset([2])
    np.testing.assert_array_equal(alone.state[0], worlds.state[1])
    assert not check_results(worlds.results(), 2, "arm")["success"].any()
    film = worlds.frame(1, 96)
    assert film.shape == (96, 96, 3) and film.dtype == np.uint8
    assert {(64, 64, 64), (0, 158, 115), (213, 94, 0)} <= set(map(tuple, film.reshape(-1, 3)))
    with pytest.raises(InputError, match=r"actions of shape .* expected \(2, 7\)"):
        worlds.step(np.zeros((2, 2)))
