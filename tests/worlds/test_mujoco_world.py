"""The MuJoCo world as a place to demonstrate, to be tested in and to look at."""

import importlib.abc
import subprocess
import sys

import numpy as np
import pytest
import yaml

pytest.importorskip("mujoco")

from align.commands import _demos_identity
from align.commands import demos as make_demos
from align.data.episodes import read_store
from align.errors import InputError
from align.experiments.grid import load_grid
from align.worlds.make import make_worlds, pictures_of
from align.worlds.pushing.batch import PushingWorlds
from align.worlds.pushing.benchmark import expert_skill
from align.worlds.pushing.gaps import Gap
from align.worlds.pushing.geometry import GOAL, coverage
from align.worlds.pushing.mujoco import Mechanics, MujocoWorld, engine, model
from align.worlds.pushing.mujoco.camera import Camera

try:
    Camera(size=32)
except InputError as error:
    pytest.skip(str(error), allow_module_level=True)

STATE = np.array([330.0, 180.0, 250.0, 240.0, 0.5])


@pytest.fixture(scope="module")
def camera():
    return Camera(size=96)


def seen_at(point, height):
    """Where a pinhole camera sees a point (2,) of the workspace at a height in mm, px of 96."""
    tilt = np.radians(model.TILT)
    away = model.SEEN / 2 / np.tan(np.radians(model.FIELD_OF_VIEW / 2))
    across = (point[0] - GOAL[0]) / 1000
    up = np.array([-(point[1] - GOAL[1]), height]) / 1000 - away * np.array([-np.sin(tilt), np.cos(tilt)])
    depth = up @ [np.sin(tilt), -np.cos(tilt)]
    on_picture = np.array([across, -up @ [np.cos(tilt), np.sin(tilt)]]) / depth
    return 48 + 48 * on_picture / np.tan(np.radians(model.FIELD_OF_VIEW / 2))


@pytest.mark.parametrize("place", [(330.0, 180.0), (180.0, 330.0), (250.0, 120.0)])
def test_the_pusher_is_seen_where_a_pinhole_camera_sees_it(camera, place):
    without, with_it = (camera(np.array([*p, *STATE[2:]])) for p in ((20.0, 20.0), place))
    red, blue = with_it[..., 0].astype(int), with_it[..., 2].astype(int)
    rows, columns = np.nonzero((blue - red > 60) & (without != with_it).any(-1))
    found = np.array([columns.mean(), rows.mean()]) + 0.5
    middle = seen_at(place, model.CLEARANCE + model.PUSHER_HEIGHT / 2)
    assert np.linalg.norm(found - middle) < 3  # the side that faces the camera is seen, not the other


def test_a_picture_is_a_function_of_the_state(camera):
    first = camera(STATE)
    assert first.shape == (96, 96, 3) and first.dtype == np.uint8
    camera(STATE + 20)
    Camera(size=64)(STATE)
    np.testing.assert_array_equal(camera(STATE), first)
    assert (camera(STATE + np.array([0, 0, 3, 0, 0])) != first).any()


def test_shadows_fall_and_edges_are_smooth(camera):
    image = camera(np.array([20.0, 20.0, 250.0, 240.0, 0.5])).astype(int)
    table = np.median(image, (0, 1))
    grey = (np.ptp(image, axis=-1) < 12) & (image.mean(-1) < 0.7 * table.mean())
    assert 30 < grey.sum() < 1500  # on a table that is grey all over
    assert len(np.unique(image.reshape(-1, 3), axis=0)) > 100


def test_trials_start_as_elsewhere_and_show_the_same_things():
    there, plain = (make_worlds(world, 32, "easy") for world in ("mujoco", Gap()))
    for worlds in (there, plain):
        worlds.reset([1, 2])
    np.testing.assert_allclose(there.state, plain.state, atol=1e-9)
    seen, usual = there.observe(), plain.observe()
    assert {k: (v.shape, v.dtype) for k, v in seen.items()} == {
        k: (v.shape, v.dtype) for k, v in usual.items()
    }
    assert set(there.results()) == set(plain.results()) and there.scene() == plain.scene()
    assert there.frame(1, 48).shape == (48, 48, 3)
    np.testing.assert_allclose(there.results()["coverage"], coverage(there.state[:, 2:]))


def test_a_trial_does_not_depend_on_its_company():
    actions = np.random.default_rng(0).uniform(100, 400, (8, 3, 2))
    together, alone = PushingWorlds(MujocoWorld(), 32), PushingWorlds(MujocoWorld(), 32)
    together.reset([0, 1])
    together.step(actions[0, :2])
    together.reset([5, 6, 7])
    alone.reset([6])
    for step in actions:
        together.step(step)
        alone.step(step[1:2])
    np.testing.assert_array_equal(together.state[1], alone.state[0])
    np.testing.assert_array_equal(together.observe()["image"][[1]], alone.observe()["image"])
    for name, values in alone.results().items():
        assert together.results()[name][1] == values[0]


def test_the_planner_succeeds_by_looking_again():
    assert expert_skill(MujocoWorld(), "easy", range(20))["at_least_90"] >= 0.95


def test_demonstrations_say_where_they_were_made(tmp_path):
    make_demos(str(tmp_path / "a.zarr"), n=2, world="mujoco", size=32, jobs=1)
    store = read_store(tmp_path / "a.zarr")
    draw = pictures_of(store.attrs, 5)
    again = draw(np.asarray(store.state[:3])[None], 32, [0])[0]
    stored = np.asarray(store.image[:3])
    stored = stored.transpose(0, 2, 3, 1) if stored.shape[1] == 3 else stored
    assert np.abs(again.astype(int) - stored).mean() < 0.5  # states were stored as float32
    assert store.attrs["world"]["mechanics"]["table_friction"] == 0.4


def test_a_store_is_of_these_mechanics_alone():
    names = [
        _demos_identity({"world": world})
        for world in ("mujoco", MujocoWorld(), MujocoWorld(Mechanics(density=700.0)), None)
    ]
    assert names[0] == names[1] and names[2] not in names[:2] and names[3] not in names[:3]


@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_every_scale_is_tested_where_its_real_demonstrations_are_made(scale):
    grid = load_grid("experiments/lambda.yaml", scale, "mujoco")
    assert grid.demos["data.real"]["world"] == "mujoco" and not grid.demos["data.sim"]["world"]
    (rollouts,) = grid.runs[0].config["trainer"]["callbacks"]
    usual = load_grid("experiments/lambda.yaml", scale).runs[0].config["trainer"]["callbacks"][0]["init_args"]
    assert rollouts["init_args"] == usual | {"worlds": {"real": "mujoco", "sim": {}}}


def test_the_base_has_demonstrations_for_grids_over_data_sizes():
    shipped = [yaml.safe_load(open(f"experiments/{name}.yaml")) for name in ("mujoco", "data_sizes")]
    mine, usual = (base["demos"]["data.real"]["n"] for base in shipped)
    assert mine >= usual
    mine, usual = (base["scales"]["paper"]["demos"]["data.real"]["n"] for base in shipped)
    assert mine >= usual


def test_what_is_missing_is_one_line(monkeypatch):
    monkeypatch.setitem(sys.modules, "mujoco", None)
    with pytest.raises(InputError, match=r"pip install -e '\.\[mujoco\]'"):
        engine._import()


def test_nothing_to_draw_with_is_one_line(monkeypatch):
    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.setitem(sys.modules, "mujoco.osmesa", None)
    with pytest.raises(InputError, match=r"^MUJOCO_GL='osmesa': MuJoCo cannot draw here .*libegl1") as error:
        Camera(size=40)
    assert "\n" not in str(error.value)


def test_a_library_that_is_not_there_is_one_line(monkeypatch):
    """PyOpenGL, which MuJoCo imports where it is asked for OSMesa, has no word for that."""

    class Absent(importlib.abc.MetaPathFinder):
        def find_spec(self, name, path=None, target=None):
            if name == "mujoco":
                raise AttributeError("'NoneType' object has no attribute 'glGetError'")

    monkeypatch.setenv("MUJOCO_GL", "osmesa")
    monkeypatch.delitem(sys.modules, "mujoco")
    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(InputError, match=r"^MUJOCO_GL='osmesa': MuJoCo cannot draw here .*glGetError"):
        engine._import()


def test_what_pytorch_loads_later_does_not_crash_after_drawing():
    pytest.importorskip("triton")
    code = (
        "import numpy as np\n"
        "from align.worlds.pushing.mujoco.camera import Camera\n"
        "Camera(size=32)(np.array([100.0, 100, 256, 256, 0]))\n"
        "import triton\n"
        "print('alive')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stdout == "alive\n" and not done.stderr, done.stderr
