"""Mazes stepped together: against a loop over one trial, with Shapely for the walls."""

import numpy as np
import pytest
import shapely

from align.errors import InputError
from align.worlds.batch import check_results
from align.worlds.planning.batch import MazeWorlds
from align.worlds.planning.maze import MazeSpec

MAZE = MazeSpec(cells=3, seed=0)


def scalar_trial(walls, start, goal, actions) -> tuple[np.ndarray, str]:
    """One trial, step by step: the path, and how it ended."""
    path = [start]
    for action in actions:
        if len(path) > 300:
            return np.array(path), "time"
        way = action - path[-1]
        distance = float(np.hypot(*way))
        there = action if distance <= 0.1 else path[-1] + 0.1 * way / distance
        if shapely.intersects(walls, shapely.LineString([path[-1], there])):
            return np.array(path), "collided"
        path.append(there)
        if np.hypot(*(there - goal)) <= 0.15:
            return np.array(path), "succeeded"
    return np.array(path), "running"


def test_against_a_loop_over_single_trials():
    worlds, rng = MazeWorlds(MAZE), np.random.default_rng(0)
    worlds.reset(range(60))
    starts, goals = worlds.position, worlds.goal
    walls = shapely.union_all([shapely.box(*wall.ravel()) for wall in MAZE.maze().walls])
    # Towards the goal, more or less: some arrive, some hit a wall, some dawdle until time is up.
    pace = np.where(rng.random(60) < 0.3, 0.002, 0.3)
    actions = []
    for _ in range(320):
        way = goals - worlds.position
        way /= np.maximum(np.linalg.norm(way, axis=1, keepdims=True), 1e-9)
        actions.append(worlds.position + pace[:, None] * (way + rng.normal(0, 0.4, (60, 2))))
        worlds.step(actions[-1])
    results, paths = worlds.results(), worlds.paths()
    ends = set()
    for i in range(60):
        path, end = scalar_trial(walls, starts[i], goals[i], np.array(actions)[:, i])
        ends.add(end)
        assert results["collided"][i] == (end == "collided") and results["success"][i] == (end == "succeeded")
        np.testing.assert_allclose(paths[i], path, atol=1e-9)
        assert results["seconds"][i] == pytest.approx((len(path) - 1 + (end == "collided")) / 10)
        assert results["length"][i] == pytest.approx(np.linalg.norm(np.diff(path, axis=0), axis=1).sum())
    assert ends == {"time", "collided", "succeeded"}


def test_a_trial_depends_on_its_own_seed_alone():
    together, alone = MazeWorlds(MAZE), MazeWorlds(MAZE)
    together.reset([0, 1])
    together.step(together.goal)
    together.reset([5, 6, 7])
    alone.reset([6])
    for _ in range(10):
        together.step(together.goal)
        alone.step(alone.goal)
    np.testing.assert_array_equal(together.state[1], alone.state[0])
    assert len({tuple(state) for state in together.state}) == 3


def test_trials_may_repeat_a_query():
    once, thrice = MazeWorlds(MAZE), MazeWorlds(MAZE, repeats=3)
    once.reset([2, 3])
    thrice.reset(range(6, 12))
    np.testing.assert_array_equal(thrice.state, np.repeat(once.state, 3, axis=0))
    with pytest.raises(InputError, match="repeats=0"):
        MazeWorlds(MAZE, repeats=0)


def test_interface():
    worlds = MazeWorlds(MAZE)
    worlds.reset([1, 2])
    seen = worlds.observe()["agent_pos"]
    assert seen.shape == (2, 4) and seen.dtype == np.float32 and len(worlds) == 2
    results = check_results(worlds.results(), 2, "maze")
    assert not results["success"].any() and (results["seconds"] == 0).all()
    film = worlds.frame(1, 48)
    assert (
        film.shape == (48, 48, 3)
        and film.dtype == np.uint8
        and len(np.unique(film.reshape(-1, 3), axis=0)) > 3
    )


def test_pictures_are_the_right_way_up():
    worlds = MazeWorlds(MAZE)
    worlds.reset([1])
    size, span = 120, worlds.maze.maze().high[0]
    picture = worlds.frame(0, size)
    for point, colour in ((worlds.goal[0], (0, 158, 115)), (worlds.position[0], (213, 94, 0))):
        column, row = int(point[0] / span * size), size - 1 - int(point[1] / span * size)
        assert tuple(picture[row, column]) == colour
    assert tuple(picture[0, 0]) == (64, 64, 64)


@pytest.mark.parametrize("wrong", [np.zeros((1, 2)), np.zeros((2, 3)), np.array([[0.0, np.nan], [1, 1]])])
def test_mistakes(wrong):
    worlds = MazeWorlds(MAZE)
    worlds.reset([1, 2])
    with pytest.raises(InputError, match=r"actions of shape .* expected \(2, 2\)"):
        worlds.step(wrong)
