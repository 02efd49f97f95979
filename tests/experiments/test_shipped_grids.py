"""Every grid that ships: what it compares, and that what it compares fits."""

from collections import Counter
from pathlib import Path

import pytest
import yaml

from align.errors import InputError
from align.experiments.grid import Grid, load_grid
from align.worlds.pushing.gaps import Gap

GRIDS = [p for p in Path("experiments").glob("*.yaml") if "axes" in yaml.safe_load(p.read_text())]


def _shipped(path: Path, scale: str) -> Grid:
    """A grid that ships, with a store of the user's own where it needs one."""
    return load_grid(path, scale, overrides=["data.real=own.zarr"] if path.stem == "human_pusht" else [])


def test_a_base_may_ask_for_the_users_own_store():
    for scale in ("smoke", "small", "laptop", "paper"):  # some say how many to make
        with pytest.raises(InputError, match=r"data\.real: missing; give the paths"):
            load_grid("experiments/lambda.yaml", scale, base="gym_pusht")
    grid = load_grid("experiments/lambda.yaml", "laptop", "gym_pusht", ["data.real=own.zarr"])
    assert list(grid.demos) == ["data.sim"] and grid.runs[0].config["data"]["real"] == "own.zarr"


def test_the_benchmark_is_tested_where_its_real_demonstrations_are_made():
    grid = load_grid("experiments/lambda.yaml", "laptop")
    gap = Gap(**grid.demos["data.real"]["world"])
    (rollouts,) = grid.runs[0].config["trainer"]["callbacks"]
    assert Gap(**rollouts["init_args"]["worlds"]["real"]) == gap
    assert min(gap.visual, gap.physics, gap.expert) > 0


def test_a_budget_is_held_against_the_run_without_alignment_in_its_gap_and_of_its_seed():
    runs = {run.name: run for run in load_grid("experiments/lambda_auto.yaml", "laptop").runs}
    held = [run for run in runs.values() if run.after]
    assert {run.point["gap"] for run in held} == {"default", "visual", "wide"}
    for run in held:
        assert list(run.after) == ["model.weighting.init_args.reference"]
        without = runs[run.after["model.weighting.init_args.reference"]]
        assert without.config["model"]["alignment_weight"] == 0 and without.point["weighting"] == "fixed-0"
        assert without.demos == run.demos and without.point["seed"] == run.point["seed"]
        here, there = ({**r.config, "model": None} for r in (run, without))
        assert here == there
    for run in runs.values():
        (rollouts,) = run.config["trainer"]["callbacks"]
        tested, shown = rollouts["init_args"]["worlds"]["real"], run.demos["data.real"]["world"]
        assert Gap(**tested) == Gap(**shown)


def test_fixed_weights_beside_rules_are_the_runs_of_the_sweep_over_them():
    fixed = {r.point["lambda"]: r for r in load_grid("experiments/lambda.yaml", "laptop").runs}
    beside = load_grid("experiments/lambda_auto.yaml", "laptop", seeds=5).runs
    of_gap = Counter(run.point["gap"] for run in beside)
    assert of_gap == {"default": 9 * 5, "visual": 9 * 3, "wide": 9 * 3}
    for run in beside:
        kind, _, weight = run.point["weighting"].partition("-")
        if (
            run.point["gap"] == "default" and kind == "fixed" and weight != "0"
        ):  # which is validated more often
            same = fixed[float(weight)]
            seed = {"seed_everything": run.point["seed"]}
            assert run.config | seed == same.config | seed and run.demos == same.demos


@pytest.mark.parametrize("path", GRIDS, ids=lambda p: p.stem)
def test_shipped_grids_include_their_reference_and_two_seeds(path):
    laptop = _shipped(path, "laptop")
    assert len({run.point["seed"] for run in laptop.runs}) >= 2
    if "lambda" in laptop.runs[0].point:
        values = {run.point["lambda"] for run in laptop.runs}
        assert 0 in values and (path.stem != "lambda" or len(values) >= 5)
    for scale in ("smoke", "laptop", "paper"):
        runs = _shipped(path, scale).runs
        assert len({run.name for run in runs}) == len(runs)


@pytest.mark.parametrize("path", GRIDS, ids=lambda p: p.stem)
@pytest.mark.parametrize("scale", ["smoke", "laptop", "paper"])
def test_shipped_annotations_are_of_what_is_trained(path, scale):
    """The same demonstrations, as the policy sees them: none that training holds out, and none beyond it."""
    for run in _shipped(path, scale).runs:
        if "annotation" not in run.demos:
            continue
        annotation, data = run.demos["annotation"], dict(run.config["data"])
        assert annotation["policy"] == run.config["model"]["policy"]
        assert data.pop("gating")["annotation"] == {"made": "annotation"}
        assert annotation["data"] == {**data, "sim": {"made": "data.sim"}, "real": {"made": "data.real"}}


@pytest.mark.parametrize("grid", ["gap", "lambda_auto"])
def test_a_grid_that_turns_dials_is_refused_where_the_world_has_none(grid):
    with pytest.raises(InputError, match=r"world.*'mujoco'"):
        load_grid(grid, "laptop", "mujoco")


def test_a_grid_that_turns_no_dials_is_tested_in_the_world_of_the_base():
    for run in load_grid("lambda", "laptop", "mujoco").runs:
        assert run.demos["data.real"]["world"] == "mujoco"
