"""Plans go from start to goal off the walls and are reproducible; stores hold what was planned."""

import importlib.util
import sys

import numpy as np
import pytest

from align.analysis.statistics.smoothness import smoothness
from align.cli import main
from align.data.episodes import read_store, write_store
from align.errors import InputError
from align.seeding import numpy_rng
from align.worlds.planning.batch import MazeWorlds
from align.worlds.planning.gcs import GcsPlanner
from align.worlds.planning.maze import MazeSpec
from align.worlds.planning.plans import PAUSE, _attempt, _planner, episode, path_of, record, scene
from align.worlds.planning.rrt import RANGE, RrtPlanner
from align.worlds.planning.task import FAR, sample_query, waypoints

MAZE = MazeSpec(cells=3, seed=0)
NEEDS = {"gcs": "pydrake", "rrt": "ompl", "rrt-connect": "ompl"}
PLANNERS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(module) is None,
            reason=f"{module} is not installed (pip install -e '.[planning]' in a checkout)",
        ),
    )
    for name, module in NEEDS.items()
]


def queries(n: int) -> list[np.ndarray]:
    return [sample_query(scene(MAZE)[1], np.random.default_rng(i)) for i in range(n)]


@pytest.mark.parametrize("name", PLANNERS)
def test_plans_reach_the_goal_off_the_walls(name):
    maze, padded = scene(MAZE)
    planner = _planner(MAZE, name)
    for i, (start, goal) in enumerate(queries(5)):
        path = planner.plan(start, goal, seed=i + 1)
        np.testing.assert_allclose(path[[0, -1]], [start, goal], atol=1e-6)
        assert maze.path_free(path)
        inside = (path[:, None] >= padded.rooms[:, 0] - 1e-6) & (path[:, None] <= padded.rooms[:, 1] + 1e-6)
        assert inside.all(-1).any(-1).all(), "as far off the walls as planners keep"


@pytest.mark.parametrize("name", PLANNERS)
def test_a_plan_depends_on_query_and_seed_alone(name):
    (a, b), other = queries(2)
    planner = _planner(MAZE, name)
    first = planner.plan(a, b, seed=7)
    planner.plan(*other, seed=8)
    np.testing.assert_array_equal(planner.plan(a, b, seed=7), first)
    fresh = GcsPlanner(scene(MAZE)[1]) if name == "gcs" else RrtPlanner(scene(MAZE)[1], name)
    np.testing.assert_array_equal(fresh.plan(a, b, seed=7), first)
    if name != "gcs":
        assert not np.array_equal(planner.plan(a, b, seed=9), first)
        assert np.linalg.norm(np.diff(first, axis=0), axis=1).max() <= RANGE + 1e-9


@pytest.mark.parametrize("name", PLANNERS)
def test_the_same_queries_whoever_plans_and_however_many_processes(name):
    jobs = 2 if name == "rrt" else 1
    found = list(record(MAZE, name, n=4, seed=3, repeats=2, jobs=jobs))
    assert [plan["query"] for plan in found] == [0, 0, 1, 1]
    for i, plan in enumerate(found):
        alone = _attempt(MAZE, name, 3, 2, None, i)
        assert all(np.array_equal(plan[key], alone[key]) for key in plan)
    query = sample_query(scene(MAZE)[1], numpy_rng(3, "query", 1))
    np.testing.assert_allclose(found[2]["state"][0], query.reshape(4), atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("ompl") is None, reason="ompl is not installed")
def test_plans_for_the_queries_of_rollouts():
    worlds = MazeWorlds(MAZE)
    worlds.reset([500, 501])
    found = [plan["state"][0] for plan in record(MAZE, "rrt", n=2, first_trial=500)]
    np.testing.assert_array_equal(found, worlds.state.astype(np.float32))


@pytest.mark.skipif(
    not all(map(importlib.util.find_spec, ("pydrake", "ompl"))), reason="drake or ompl is not installed"
)
def test_smooth_plans_are_smoother():
    measured = {
        name: smoothness([path_of(plan["state"]) for plan in record(MAZE, name, 12)])
        for name in ("gcs", "rrt")
    }
    assert (measured["gcs"].acceleration < measured["rrt"].acceleration).all()
    assert np.median(measured["rrt"].jerk) > 30 * np.median(measured["gcs"].jerk)
    assert (measured["gcs"].length <= measured["rrt"].length * 1.02).mean() > 0.8


def test_waypoints_keep_the_path_and_the_speed():
    path = np.array([[0.0, 0.0], [0.0, 0.0], [0.35, 0.0], [0.35, 0.3]])  # rests at its start
    points = waypoints(path, 0.1)
    assert len(points) == 8, "0.65 m in seven steps"
    steps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert steps.max() <= 0.1 and np.delete(steps, 3) == pytest.approx(0.65 / 7), (
        "but where it cuts the corner"
    )
    np.testing.assert_allclose(points[[0, -1]], path[[0, -1]])
    assert len(waypoints(np.array([[0.0, 0.0], [1.0, 0.0]]), 0.1)) == 11, "no step more for rounding"


def test_an_episode_leads_to_the_goal_and_rests_there():
    points = waypoints(np.array([[0.0, 0.0], [1.0, 2.0]])).astype(np.float32)
    arrays = episode(points)
    assert len(arrays["action"]) == len(points) - 1 + PAUSE
    np.testing.assert_array_equal(arrays["action"][:-1], arrays["state"][1:, :2])
    np.testing.assert_array_equal(arrays["state"][:, 2:], np.tile(points[-1], (len(arrays["state"]), 1)))
    np.testing.assert_array_equal(arrays["action"][-PAUSE - 1 :], np.tile(points[-1], (PAUSE + 1, 1)))
    np.testing.assert_array_equal(path_of(arrays["state"]), points)


def test_queries_are_far_and_off_the_walls():
    padded = scene(MAZE)[1]
    for start, goal in queries(50):
        assert padded.free([start, goal]).all() and np.linalg.norm(goal - start) >= FAR


def test_a_plan_through_a_wall_is_replaced_and_counted(monkeypatch):
    class Straight:
        def plan(self, start, goal, seed):
            return None if seed % 5 == 0 else np.stack([start, goal])

    monkeypatch.setattr("align.worlds.planning.plans._planner", lambda spec, name: Straight())
    recording = record(MAZE, "rrt", n=3)
    kept = list(recording)
    assert len(kept) == 3 and set(recording.reasons) == {"in collision", "not found"}
    assert kept[-1]["seed"] == 2 + recording.rejected
    assert all(scene(MAZE)[0].path_free(path_of(plan["state"])) for plan in kept)


def test_a_planner_that_never_finds_its_way_is_given_up(monkeypatch):
    class Lost:
        def plan(self, start, goal, seed):
            return None

    monkeypatch.setattr("align.worlds.planning.plans._planner", lambda spec, name: Lost())
    with pytest.raises(InputError, match=r"demonstrations not found; expected a maze in which rrt"):
        list(record(MAZE, "rrt", n=2))


@pytest.mark.skipif(importlib.util.find_spec("ompl") is None, reason="ompl is not installed")
def test_the_command_stores_what_was_planned(tmp_path, capsys):
    out = str(tmp_path / "plans.zarr")
    options = ["--planner", "rrt-connect", "--n", "3", "--jobs", "1", "--maze.cells", "3", "--maze.seed", "0"]
    assert main(["plans", out, *options]) == 0
    assert "rejected 0.00% of 3 (none)" in capsys.readouterr().out
    stored = read_store(out, images=False)
    expected = list(record(MAZE, "rrt-connect", 3))
    for key in ("agent_pos", "action", "state"):
        np.testing.assert_array_equal(getattr(stored, key), np.concatenate([plan[key] for plan in expected]))
    assert stored.attrs["domain"] == "sim" and stored.attrs["maze"]["cells"] == 3
    assert stored.attrs["attempts"] == 3 and stored.attrs["rejected"] == {}
    assert main(["plans", out, *options]) == 2
    assert "exists" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said",
    [
        (["--planner", "prm"], "prm"),
        (["--n", "0"], "n=0"),
        (["--repeats", "0"], "repeats=0"),
        (["--seed", "-1"], "seed=-1"),
        (["--first_trial", "-1"], "first_trial=-1"),
        (["--maze.loops", "2"], "loops=2"),
        (["--maze.wall", "0.9"], "wall=0.9"),
    ],
)
def test_mistakes(options, said, tmp_path, capsys):
    assert main(["plans", str(tmp_path / "x.zarr"), *options]) == 2
    error = capsys.readouterr().err
    assert said in error and error.count("\n") == 1 and not (tmp_path / "x.zarr").exists()


@pytest.mark.parametrize("name, module", [("gcs", "pydrake"), ("rrt", "ompl")])
def test_a_missing_planner_is_named(name, module, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    kind = {"gcs": GcsPlanner, "rrt": RrtPlanner}[name]
    with pytest.raises(InputError, match=r"not installed.*'\.\[planning\]'"):
        kind(scene(MAZE)[1])


def test_stores_round_trip(tmp_path):
    plan = episode(waypoints(np.array([[1.0, 1.0], [2.0, 1.5], [2.0, 3.0]])))
    write_store(tmp_path / "x.zarr", [plan, plan], {})
    stored = read_store(tmp_path / "x.zarr", images=False)
    assert stored.agent_pos.shape == (2 * len(plan["action"]), 4) and stored.image is None
    np.testing.assert_array_equal(stored.action[: stored.ends[0]], plan["action"])
