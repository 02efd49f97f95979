"""Rollouts beside plans of the same queries: lengths by hand, and a report that ranks arms as they are."""

import numpy as np
import pandas as pd
import pytest

from align.analysis.reports.everything import measured_beside, report
from align.analysis.reports.plans import diversity, length_ratios
from align.analysis.reports.plans import report as plans_report
from align.analysis.reports.sweep import Sweep
from align.analysis.statistics.smoothness import velocity_spectrum
from align.data.episodes import write_store
from align.run.paths import read_paths, write_paths
from align.worlds.planning.maze import MazeSpec
from align.worlds.planning.plans import episode

MAZE = {"cells": 3, "seed": 1}
FIRST, QUERIES, REPEATS = 1_000_000, 8, 4
MADE = {"attempts": 11, "rejected": {"in collision": 2, "not found": 1}, "rejection_rate": 3 / 11}


def straight(start, end, n=30):
    return np.linspace(start, end, n)


def test_lengths_are_over_those_of_the_same_query():
    plans = [straight([0.0, 0.0], [1.0, 0.0]), straight([5.0, 0.0], [5.0, 2.0])]
    paths = {
        7: straight([5.0, 0.0], [5.0, 1.5]),  # stops half a metre short, which is counted
        8: np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 0.0]]),
        9: straight([9.0, 9.0], [8.0, 8.0]),  # nobody planned for it
        10: straight([0.0, 0.0], [1.0, 0.0]),  # touched a wall
    }
    found = length_ratios(paths, pd.Series([True, True, True, False], index=list(paths)), plans)
    assert list(found.index) == [7, 8, 9, 10]
    np.testing.assert_allclose(found, [1.0, 3.0, np.nan, np.nan])


def test_diversity_is_within_queries():
    island = np.array([[0.5, 0.0]])
    over, under = ([[0.0, 0.0], [0.5, y], [1.0, 0.0]] for y in (0.4, -0.4))
    higher = [[0.0, 0.0], [0.5, 0.5], [1.0, 0.0]]
    one, two, far = np.array(over), np.array(under), straight([9.0, 9.0], [9.0, 8.0])
    table = diversity([one, two, far], island)
    assert len(table) == 1, "one answer differs from none"
    assert table["ways"].item() == pytest.approx(2)
    assert table["spread"].item() == pytest.approx(0.8 / np.hypot(1, 0.8), abs=0.03), "from a tip to the line"
    same = diversity([one, np.array(higher)], island)
    assert same["ways"].item() == pytest.approx(1) and 0 < same["spread"].item() < 0.2
    assert "ways" not in diversity([one, two], None) and diversity([far], island).empty


def _curve(k, rough, rng, bow=0.3, up=0.0):
    t = np.linspace(0, 1, 40)[:, None]
    start = np.array([0.4 + 0.05 * k, 0.4 + up])
    line = start + t * [0.2, 2.0] + bow * np.sin(np.pi * t) * [1.0, 0.0]
    return line + rough * rng.normal(size=line.shape) * np.sin(np.pi * t)


@pytest.fixture
def sweep_dir(tmp_path):
    rng = np.random.default_rng(0)
    plans = [episode(_curve(k, 0, rng)) for k in range(QUERIES)]
    for name, attrs in (("reference", {"planner": "gcs"}), ("gcs", {"planner": "gcs", "maze": MAZE, **MADE})):
        write_store(tmp_path / f"{name}.zarr", plans, attrs)
    for arm, rough, spread in (("smooth", 0.0005, 0.0), ("rough", 0.01, 0.3)):
        for seed in (0, 1):
            rng = np.random.default_rng([seed, int(1e4 * rough)])
            folder = tmp_path / "sweep" / f"arm={arm},seed={seed}"
            folder.mkdir(parents=True)
            seeds = range(FIRST, FIRST + QUERIES * REPEATS)
            starts = [_curve(k, rough, rng) for k in range(QUERIES)]
            elsewhere = [_curve(k, rough, rng, up=0.001) for k in range(QUERIES, QUERIES * REPEATS)]
            again = [
                _curve(k // REPEATS, rough, rng, 0.3 + spread * rng.uniform(-1, 1))
                for k in range(QUERIES * REPEATS)
            ]
            write_paths(folder / "paths.npz", seeds, {"maze": starts + elsewhere, "again": again})
            rows = {"trial": range(len(seeds)), "seed": seeds, "score": 1.0, "success": 1}
            frames = [pd.DataFrame({"world": world, **rows}) for world in ("maze", "again")]
            pd.concat(frames).to_csv(folder / "rollouts.csv", index=False)
            (folder / "point.json").write_text(f'{{"arm": "{arm}", "seed": {seed}}}')
            (folder / "config.yaml").write_text(
                f"data: {{real: {tmp_path}/gcs.zarr}}\n"
                f"trainer: {{callbacks: [{{init_args: {{reference: {tmp_path}/reference.zarr, "
                "worlds: {maze: {init_args: {}}, again: {init_args: {repeats: 4}}}}}]}\n"
            )
    return tmp_path / "sweep"


def test_report_ranks_arms_and_keeps_repeated_queries_apart(sweep_dir):
    sweep = Sweep(sweep_dir)
    assert sweep.worlds == ["maze"] and sweep.repeated == ["again"]
    names = {path.name for path in report(sweep_dir)}
    assert {"plans_maze.csv", "plans_maze.md", "spectrum_maze.png"} <= names
    assert not any("again" in name for name in names)
    assert "again" not in (sweep_dir / "results.md").read_text()
    table = pd.read_csv(sweep_dir / "plans_maze.csv").set_index("arm")
    assert set(table.index) == {"GCS plans, same queries", "GCS plans of the store", "smooth", "rough"}
    smooth, rough = table.loc["smooth"], table.loc["rough"]
    assert rough["jerk AUC"] > 0.95 and rough["jerk AUC low"] > 0.5  # of eight queries
    assert rough["jerk low"] > smooth["jerk high"]
    assert rough["length low"] > 1.01 and smooth["length"] == pytest.approx(1, abs=0.005)
    assert rough["spread low"] > smooth["spread high"]
    assert smooth["ways"] == pytest.approx(1)
    assert len(MazeSpec(**MAZE).maze().islands) > 0
    said = (sweep_dir / "plans_maze.md").read_text().splitlines()[-1]
    assert said.endswith(": 8 GCS plans (real) of 11 queries, rejected: 2 in collision, 1 not found.")


def test_jerk_is_compared_on_the_queries_that_are_reached(sweep_dir, tmp_path):
    """The other queries' plans may be as jerky as they like."""
    rng = np.random.default_rng(0)
    plans = [episode(_curve(k, 0.0 if k < 4 else 0.1, rng)) for k in range(QUERIES)]
    write_store(tmp_path / "reference.zarr", plans, {"planner": "gcs"}, overwrite=True)
    report(sweep_dir)
    table = pd.read_csv(sweep_dir / "plans_maze.csv").set_index("arm")
    assert table.loc["rough", "jerk AUC"] < 0.7
    for seed in (0, 1):
        path = sweep_dir / f"arm=rough,seed={seed}" / "rollouts.csv"
        rows = pd.read_csv(path)
        rows.loc[(rows["world"] == "maze") & (rows["trial"] >= 4), ["score", "success"]] = 0
        rows.to_csv(path, index=False)
    report(sweep_dir)
    table = pd.read_csv(sweep_dir / "plans_maze.csv").set_index("arm")
    assert table.loc["rough", "jerk AUC"] > 0.9


def _tables(sweep_dir):
    """The tables of plans, by name, of a report that is made now."""
    for path in sweep_dir.glob("plans_*"):
        path.unlink()
    written = {path for path in plans_report(Sweep(sweep_dir)) if path.suffix in (".csv", ".md")}
    return {path.name: path.read_bytes() for path in written}


@pytest.mark.parametrize("run", ["sweep/arm={arm},seed={seed}", "elsewhere/arm={arm},seed={seed}", None])
def test_stores_are_found_from_any_folder(run, sweep_dir, tmp_path, monkeypatch, capsys):
    """As far as the run's own place tells where the relative path of a store begins."""
    expected = _tables(sweep_dir)
    assert len(expected) == 2
    for folder in sweep_dir.glob("arm=*"):
        arm, seed = folder.name.removeprefix("arm=").split(",seed=")
        config = folder / "config.yaml"
        named = "" if run is None else f"run: {run.format(arm=arm, seed=seed)}\n"
        config.write_text(named + config.read_text().replace(f"{tmp_path}/", ""))
    capsys.readouterr()
    found, lines = _tables(sweep_dir), measured_beside(sweep_dir)["plans"]
    said = capsys.readouterr().out
    if run and run.startswith("sweep/"):
        assert found == expected and said == "" and lines["maze"][0][0] == "GCS"
    else:
        assert not found and not lines
        assert "not there, so that lines of their plans are not kept: gcs.zarr" in said
    monkeypatch.chdir(tmp_path)
    assert _tables(sweep_dir) == expected and measured_beside(sweep_dir)["plans"]["maze"][0][0] == "GCS"


def test_stores_are_found_where_runs_lie_behind_a_link(sweep_dir, tmp_path, monkeypatch):
    """As on a scratch disk: a relative store is of the folder that the run was called from."""
    expected, scratch = _tables(sweep_dir), tmp_path / "scratch"
    scratch.mkdir()
    sweep_dir.rename(scratch / "sweep")
    (tmp_path / "repository").mkdir()
    for name in ("gcs", "reference"):
        (tmp_path / f"{name}.zarr").rename(tmp_path / f"repository/{name}.zarr")
    (tmp_path / "repository/runs").symlink_to(scratch)
    for config in scratch.glob("sweep/*/config.yaml"):
        text = config.read_text().replace(f"{tmp_path}/", "")
        config.write_text(f"run: runs/sweep/{config.parent.name}\n{text}")
    for here in (tmp_path / "repository", tmp_path):
        monkeypatch.chdir(here)
        assert _tables(tmp_path / "repository/runs/sweep") == expected


def test_without_reference_plans_nothing_is_compared(sweep_dir, tmp_path):
    for file in (tmp_path / "reference.zarr").rglob("*"):
        if file.is_file():
            file.unlink()
    (tmp_path / "reference.zarr").rename(tmp_path / "gone")
    assert not any(path.name.startswith("plans_") for path in plans_report(Sweep(sweep_dir)))


def test_an_arm_whose_first_run_is_missing_is_reported(sweep_dir):
    for name in ("paths.npz", "rollouts.csv"):
        (sweep_dir / "arm=smooth,seed=0" / name).unlink()
    plans_report(Sweep(sweep_dir))
    table = pd.read_csv(sweep_dir / "plans_maze.csv").set_index("arm")
    assert table.loc["smooth", "length"] == pytest.approx(1, abs=0.005)


def test_the_spectrum_of_each_arm_is_its_own(sweep_dir, tmp_path, drawn):
    rng = np.random.default_rng(0)
    plans = [_curve(k, 0.003, rng, bow=0.1 * k) for k in range(QUERIES)]
    unasked = [_curve(QUERIES + 1, 0.1, rng, up=0.7)]
    reference = [episode(plan) for plan in plans + unasked]
    write_store(tmp_path / "reference.zarr", reference, {"planner": "gcs"}, overwrite=True)
    plans_report(Sweep(sweep_dir))
    lines = [line for ax in drawn["spectrum_maze.png"].axes for line in ax.lines]
    curves = {line.get_label(): line.get_ydata() for line in lines if line.get_label()[0] != "_"}
    assert set(curves) == {"GCS plans, same queries", "GCS plans of the store", "smooth", "rough"}
    for arm in ("smooth", "rough"):
        files = [sweep_dir / f"arm={arm},seed={seed}/paths.npz" for seed in (0, 1)]
        paths = [path for file in files for path in read_paths(file)["maze"].values()]
        np.testing.assert_allclose(curves[arm], velocity_spectrum(paths)[1:])
    np.testing.assert_allclose(curves["GCS plans, same queries"], velocity_spectrum(plans)[1:], rtol=1e-3)


def test_plans_of_one_planner_for_both_domains_are_told_apart(sweep_dir, tmp_path, drawn):
    for config in sweep_dir.glob("*/config.yaml"):
        config.write_text(config.read_text().replace("data: {", f"data: {{sim: {tmp_path}/reference.zarr, "))
    attrs = {"planner": "gcs", "maze": MAZE}
    plans = [episode(_curve(k, 0.01, np.random.default_rng(1))) for k in range(QUERIES)]
    write_store(tmp_path / "reference.zarr", plans, attrs, overwrite=True)
    plans_report(Sweep(sweep_dir))
    names = [f"GCS plans of the store ({domain})" for domain in ("sim", "real")]
    assert set(names) <= set(pd.read_csv(sweep_dir / "plans_maze.csv")["arm"])
    assert set(names) <= {line.get_label() for line in drawn["spectrum_maze.png"].axes[0].lines}
