"""Executed paths: what is written is read back, by world and seed."""

import numpy as np
import pytest

from align.errors import InputError
from align.paths import read_paths, write_paths


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
    (tmp_path / "broken.npz").write_bytes(b"PK")
    with pytest.raises(InputError, match=r"broken\.npz"):
        read_paths(tmp_path / "broken.npz")
