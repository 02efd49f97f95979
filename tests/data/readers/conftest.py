"""Data sets of the formats that are read."""

import shutil

import pytest
from writing import demonstrations, write_lerobot_v3, write_lerobot_v21, write_robomimic


@pytest.fixture(scope="session")
def episodes():
    return list(demonstrations())


@pytest.fixture(scope="session")
def made(tmp_path_factory, episodes):
    """One of each, not to be changed."""
    root = tmp_path_factory.mktemp("formats")
    return {
        "v3": write_lerobot_v3(root / "v3", episodes),
        "v21": write_lerobot_v21(root / "v21", episodes),
        "robomimic": write_robomimic(root / "demos.hdf5", episodes),
    }


@pytest.fixture
def v3(tmp_path, made):
    """A LeRobot data set to damage."""
    return shutil.copytree(made["v3"], tmp_path / "v3")
