"""Executed paths: what is written is read back, by world and seed."""

import numpy as np
import pytest

from align.errors import InputError
from align.rollout import rollout
from align.run.paths import read_paths, write_paths
from align.worlds.planning.batch import MazeWorlds
from align.worlds.planning.maze import MazeSpec


def test_paths_are_read_back_by_world_and_seed(tmp_path):
    rng = np.random.default_rng(0)
    plane, space = ([rng.normal(size=(n, d)) for n in (5, 1, 9)] for d in (2, 3))
    write_paths(tmp_path / "paths.npz", [7, 3, 11], {"maze": plane, "none": None, "arm": space})
    found = read_paths(tmp_path / "paths.npz")
    assert list(found) == ["maze", "arm"]
    for paths, name in ((plane, "maze"), (space, "arm")):
        assert list(found[name]) == [7, 3, 11]
        for seed, path in zip([7, 3, 11], paths, strict=True):
            np.testing.assert_array_equal(found[name][seed], path)


def test_worlds_without_paths_leave_no_file(tmp_path):
    write_paths(tmp_path / "paths.npz", [0, 1], {"pushing": None})
    assert not (tmp_path / "paths.npz").exists()


@pytest.mark.parametrize(
    "paths", [[np.zeros((3, 2))], [np.zeros((3, 2)), np.zeros((3, 3))], [np.zeros(3)] * 2]
)
def test_mistakes(tmp_path, paths):
    with pytest.raises(InputError, match="expected 2 of shape"):
        write_paths(tmp_path / "paths.npz", [0, 1], {"maze": paths})
    for of in ("seeds", "ends"):
        whole = {"maze/points": np.zeros((3, 2)), "maze/ends": np.array([3]), "maze/seeds": np.array([0])}
        np.savez(tmp_path / "complex.npz", **whole | {f"maze/{of}": np.array([3j])})
        with pytest.raises(InputError, match=rf"complex\.npz: the {of} of maze"):
            read_paths(tmp_path / "complex.npz")
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"broken\.npz"):
        read_paths(tmp_path / "broken.npz")


class Straight:
    """A policy that makes for the goal, with a policy's interface."""

    device, cameras = "cpu", ()
    n_obs_steps, n_image_steps, horizon, action_dim, n_action_steps, agent_pos_dim = 2, 0, 8, 2, 4, 4

    def expected_images(self):
        return {}

    def act(self, observation, noise, *_):
        return observation["agent_pos"][:, -1, None, 2:].repeat(1, self.n_action_steps, 1)


def test_the_paths_of_a_maze_agree_with_its_results(tmp_path):
    worlds = MazeWorlds(MazeSpec(cells=3, seed=0))
    rows, _ = rollout(Straight(), worlds, range(30), steps=60, name="maze")
    write_paths(tmp_path / "paths.npz", range(30), {"maze": worlds.paths()})
    paths = read_paths(tmp_path / "paths.npz")["maze"]
    assert {row["success"] for row in rows} == {0, 1}
    for row in rows:
        path = paths[row["seed"]]
        assert np.linalg.norm(np.diff(path, axis=0), axis=1).sum() == pytest.approx(row["length"], abs=1e-5)
        assert np.linalg.norm(path[-1] - worlds.goal[row["trial"]]) == pytest.approx(
            row["distance"], abs=1e-5
        )
