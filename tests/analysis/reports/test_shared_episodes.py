"""Held-out episodes are paired where they are the same, by the stores they are of, and no report stops."""

import gzip
import json

import numpy as np
import pytest
from synthetic_runs import write_run

from align.analysis.reports import arm_table
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare, detectable, may_be_best
from align.analysis.reports.sweep.keep import keep
from align.analysis.reports.sweep.kept import RUNS
from align.analysis.reports.sweep.run_table import HELD_OUT
from align.analysis.statistics.trials import crossed

ERROR = Metric("held_out", "real", "action_error")
NAMES = ("plain", "mmd")


def write(folder, held_out, stores=None, seeds=(0, 1)):
    """Two arms; `held_out` is the numbers of real episodes by seed, `stores` the real store by arm."""
    for i, arm in enumerate(NAMES):
        for seed in seeds:
            run = write_run(
                folder / f"{arm}{seed}",
                {"arm": arm, "seed": seed},
                seed=seed,
                trials=3,
                episodes=4,
                windows=2,
            )
            stored = dict(np.load(run / "embeddings.npz"))
            numbers = held_out[seed % len(held_out)]
            real = stored["domain"] == 1
            stored["episode"] = np.where(real, np.tile(np.repeat(numbers, 2), 2), stored["episode"])
            rng = np.random.default_rng([i, seed])
            stored |= {name: rng.random(len(real)).astype(np.float32) + i for name in HELD_OUT}
            np.savez(run / "embeddings.npz", **stored)
            if stores:
                data = {"real": {"path": "r", "hash": stores[i]}, "sim": {"path": "s", "hash": "s"}}
                (run / "provenance.json").write_text(json.dumps({"data": data}))
    (folder / "grid.json").write_text(json.dumps({"reference": {"arm": "plain"}}))
    return folder


def _pairs(sweep):
    arms = sweep.arms()
    return [(arm, sweep.find(arms)) for arm in arms]


def test_same_episodes_are_paired(tmp_path):
    sweep = Sweep(write(tmp_path, [(3, 5, 7, 9)], stores=("a", "a")))
    arm, base = sweep.find(sweep.arms(), "mmd"), sweep.find(sweep.arms(), "plain")
    assert sweep.estimate(arm.runs, ERROR).trials == 4
    expected = crossed.difference(*(sweep.outcomes(a.runs, ERROR) for a in (arm, base)))
    assert sweep.difference(arm.runs, base.runs, ERROR).value == pytest.approx(expected.value)
    assert not any("held-out episodes of" in note for note in arm_table.ArmTable(sweep).notes())


@pytest.mark.parametrize(
    ("held_out", "stores", "count"),
    [
        ([(0, 1, 2, 3), (4, 5, 6, 7)], ("a", "a"), "none"),  # data.seed of each training
        ([(0, 1, 2, 3), (3, 4, 5, 6)], ("a", "a"), "1"),
        ([(0, 1, 2, 3)], ("a", "b"), "none"),  # the same numbers of other demonstrations
    ],
    ids=["seeds", "nearly", "stores"],
)
def test_other_episodes_are_not_paired_and_the_table_is_written(tmp_path, held_out, stores, count):
    folder = write(tmp_path, held_out, stores)
    sweep = Sweep(folder)
    table = arm_table.ArmTable(sweep)
    for arm in sweep.arms():
        found = sweep.estimate(arm.runs, ERROR)
        runs = sweep.frame.set_index("run").loc[arm.runs, str(ERROR)]
        assert found.interval.value == pytest.approx(runs.mean()) and found.trials == 0 and not found.lone
        assert found.interval.low < runs.min() and found.interval.high > runs.max()
    assert not any(compare(sweep, _pairs(sweep), ERROR).pairs)
    assert may_be_best(sweep, sweep.arms(), ERROR) == {} and detectable(sweep, _pairs(sweep), ERROR) is None
    assert sweep.difference(*(arm.runs for arm in sweep.arms()), ERROR) is None
    text = "\n".join(table.notes())
    assert f"Of up to 4 held-out episodes of real {count} are known" in text
    assert "episodes of sim" not in text, "those are the same in all runs"
    errors = table.frame().set_index("metric").loc[str(ERROR)]
    assert errors["value"].notna().all() and errors["difference"].isna().all()


def test_a_kept_sweep_pairs_what_the_sweep_did(tmp_path):
    """Also one kept before it said which run read which store: then several stores pair nothing."""
    for name, stores in (("one", ("a", "a")), ("two", ("a", "b"))):
        folder = write(tmp_path / name, [(0, 1, 2, 3)], stores)
        (folder / "results.csv").touch()
        results = tmp_path / f"{name}_kept"
        keep(folder, results, "it")
        for known in (True, False):
            sweep = Sweep(results)
            assert sweep.pairs(ERROR) == (name == "one")
            assert sweep.pairs(Metric("held_out", "sim", "action_error"))
            if not known:
                break
            found = json.loads(gzip.decompress((results / RUNS).read_bytes()))
            del found["facts"]["stores"]
            (results / RUNS).write_bytes(gzip.compress(json.dumps(found).encode()))


def test_without_hashes_paths_tell_stores_apart(tmp_path):
    folder = write(tmp_path, [(0, 1, 2, 3)])
    assert Sweep(folder).pairs(ERROR), "older runs, of which nothing is known"
    for run in folder.glob("*[0-9]"):
        (run / "config.yaml").write_text(f"data: {{real: {run.name[:-1]}.zarr}}\n")
    assert not Sweep(folder).pairs(ERROR)
