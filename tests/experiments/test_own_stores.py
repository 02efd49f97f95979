"""What a sweep takes from stores of one's own, and what it refuses of them."""

import numpy as np
import pytest

from align.data.episodes import write_store
from align.errors import InputError
from align.experiments.grid import load_grid
from align.experiments.options import get_option
from align.seeding import numpy_rng


@pytest.fixture
def write(tmp_path):
    """Writes a store of walks in P dimensions; returns its path."""

    def write(
        name, n=12, length=30, image=(16, 16, 3), targets=True, agent_pos=3, action=3, timed=None, **attrs
    ):
        rng = numpy_rng(0, name)

        def episode():
            walk = rng.normal(0, 0.1, (length + 1, agent_pos)).cumsum(0) + rng.normal(size=agent_pos)
            made = {
                "agent_pos": walk[:-1],
                "action": (walk[1:] if targets else np.diff(walk, axis=0))[:, :action],
            }
            made |= {"timestamp": np.arange(length) / timed} if timed else {}
            return made | ({"img": np.zeros((length, *image), np.uint8)} if image else {})

        write_store(tmp_path / f"{name}.zarr", (episode() for _ in range(n)), {"domain": name, **attrs})
        return str(tmp_path / f"{name}.zarr")

    return write


def _grid(sim, real, *more):
    return load_grid("lambda", "laptop", "own", [f"data.sim={sim}", f"data.real={real}", *more])


def _options(grid, *names):
    return [get_option(grid.runs[0].config, name) for name in names]


def test_sizes_are_those_of_the_stores(write):
    grid = _grid(write("sim"), write("real"))
    assert _options(grid, "model.policy.action_dim", "model.policy.agent_pos_dim") == [3, 3]
    assert _options(grid, "data.image_size", "model.policy.n_image_steps", "model.site") == [None, 1, "image"]
    assert _options(grid, "model.policy.horizon", "model.policy.n_action_steps") == [8, 4]  # half of 30 steps
    assert _options(grid, "model.policy.denoiser.init_args.horizon", "data.validation") == [8, 4]
    assert _options(grid, "model.policy.relative_actions") == [True]
    assert grid.taken["model.policy.horizon"] == 8 and "model.policy.denoiser" not in grid.taken


@pytest.mark.parametrize(("rate", "horizon"), [(None, 16), (5, 8), (10, 16), (20, 32), (50, 32)])
def test_a_policy_predicts_so_many_seconds(write, rate, horizon):
    stores = [write(name, length=80, image=None, rate_hz=rate) for name in ("sim", "real")]
    assert _options(_grid(*stores), "model.policy.horizon") == [horizon]
    timed = [write(name, length=80, image=None, timed=rate) for name in ("sim_timed", "real_timed")]
    assert _options(_grid(*timed), "model.policy.horizon") == [horizon], "by timestamps alone"


def test_images_of_other_shapes_are_made_alike_and_none_are_needed(write):
    grid = _grid(write("sim", image=(60, 80, 1)), write("real", image=(120, 160, 1), n=60))
    assert _options(grid, "data.image_size", "model.policy.encoder.init_args.in_channels") == [[60, 80], 1]
    blind = _grid(write("a", image=None, targets=False), write("b", image=None))
    wanted = (
        "model.policy.n_image_steps",
        "model.policy.encoder",
        "model.site",
        "model.policy.relative_actions",
    )
    assert _options(blind, *wanted) == [0, None, "denoiser", False]


def test_what_is_given_stays(write):
    given = ("data.validation=5", "data.image_size=null", "model.policy.horizon=12")
    grid = _grid(write("sim", image=(60, 80, 3)), write("real", image=(60, 80, 3)), *given)
    assert _options(grid, "data.validation", "data.image_size", "model.policy.horizon") == [5, None, 12]
    assert _options(grid, "model.policy.denoiser.init_args.horizon") == [12]


def test_all_that_is_wrong_is_told_at_once(write, tmp_path):
    sim, real = write("sim"), write("real")
    words = r"data\.sim, data\.real: missing; give the paths .*data\.real=PATH, or SIM and REAL of make"
    with pytest.raises(InputError, match=words):
        load_grid("lambda", "laptop", "own")
    keys = 'data.sim_keys={agent_pos: "poses", action: "action[:9]", image: camera}'
    with pytest.raises(InputError) as refused:
        _grid(sim, tmp_path / "nowhere.zarr", keys)
    for words in ("no key 'poses'", "action has 3 columns", "data/camera", "nowhere.zarr: no such file"):
        assert words in str(refused.value)
    with pytest.raises(InputError, match=r"image: none in .*b.zarr; expected images in all stores"):
        _grid(write("a"), write("b", image=None))
    with pytest.raises(InputError, match=r"action: shape .*; and agent_pos: shape"):
        _grid(sim, write("c", agent_pos=4, action=4))
    with pytest.raises(InputError, match=r"4 episodes in .*few.zarr; expected more than 4"):
        _grid(real, write("few", n=4))


@pytest.mark.parametrize("state_known", [False, True])
def test_positions_are_relative_and_a_gripper_is_not(tmp_path, state_known):
    rng = numpy_rng(0, "gripper")

    def episode():
        walk = rng.normal(0, 0.1, (31, 3)).cumsum(0) + rng.normal(size=3)
        closed = (np.arange(-1, 30) > rng.integers(5, 20)).astype(np.float32)[:, None]
        state = np.concatenate([walk, closed], axis=1)[:-1] if state_known else walk[:-1]
        return {"agent_pos": state, "action": np.concatenate([walk[1:], closed[1:]], axis=1)}

    for name in ("sim", "real"):
        write_store(tmp_path / f"{name}.zarr", (episode() for _ in range(8)), {"domain": name})
    grid = _grid(tmp_path / "sim.zarr", tmp_path / "real.zarr")
    assert _options(grid, "model.policy.relative_actions") == [[0, 1, 2]]
