"""Motion of a sweep's rollouts: only successful trials count, and the smoother arm is found smoother."""

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection
from matplotlib.colors import same_color, to_hex
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from align.analysis import dashboard
from align.analysis.figures.style import DOMAIN_COLOUR, GREEN, GREY
from align.analysis.reports.arm_table import ArmTable
from align.analysis.reports.everything import report
from align.analysis.reports.motion import report as motion_report
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.run_paths import measure, motion
from align.cli import main
from align.data.episodes import write_store
from align.domain import Domain
from align.errors import InputError
from align.run.layout import PATHS
from align.run.paths import read_paths, write_paths
from align.worlds.planning.plans import episode
from align.worlds.planning.scene import View
from align.worlds.planning.scenes import SCENES as SCENES_BY_NAME
from align.worlds.planning.scenes import scene_of

SEEDS = range(1_000_000, 1_000_012)


SCENES = {"maze": (2, {"cells": 4, "seed": 0}), "arm": (7, {"shelf": 0.5, "spread": 0.1, "seed": 0})}


def _path(rng, rough, size=2):
    t = np.linspace(0, 1, 30)[:, None]
    return np.hstack([0.4 + 3 * t, 0.4 + t ** np.arange(2, size + 1)]) + rough * rng.normal(size=(30, size))


def _write_run(folder, arm, seed, rough, store=None, size=2, fails=False):
    """A run of rollouts alone; every third trial fails, or all, with a path of another kind."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng([seed, int(1000 * rough)])
    success = (np.arange(len(SEEDS)) + seed) % 3 > (2 if fails else 0)
    trials = {"world": "maze", "trial": range(len(SEEDS)), "seed": SEEDS, "score": success * 1.0}
    pd.DataFrame({**trials, "success": success.astype(int)}).to_csv(folder / "rollouts.csv", index=False)
    paths = [_path(rng, rough if ok else 0.5, size) for ok in success]
    write_paths(folder / "paths.npz", SEEDS, {"maze": paths})
    (folder / "point.json").write_text(f'{{"arm": "{arm}", "seed": {seed}}}')
    data = f"data: {{real: {store}, sim: {store.parent}/rrt.zarr}}\n" if store else ""
    (folder / "config.yaml").write_text(f"seed_everything: {seed}\n{data}")
    return success, paths


@pytest.fixture(params=list(SCENES))
def sweep_dir(tmp_path, request):
    size, scene = SCENES[request.param]
    for planner, rough in (("gcs", 0), ("rrt", 0.03)):
        plans = [episode(_path(np.random.default_rng(i), rough, size)) for i in range(4)]
        write_store(tmp_path / f"{planner}.zarr", plans, {"planner": planner, request.param: scene})
    for arm, rough in (("smooth", 0.002), ("rough", 0.01), ("lost", 0.02)):
        for seed in (0, 1):
            folder = tmp_path / "sweep" / f"arm={arm},seed={seed}"
            _write_run(folder, arm, seed, rough, tmp_path / "gcs.zarr", size, fails=arm == "lost")
    return tmp_path / "sweep"


def test_only_successful_trials_are_measured(tmp_path):
    success, paths = _write_run(tmp_path / "run", "a", 0, 0.01)
    table = motion(tmp_path / "run")["maze"]
    assert list(table.index) == list(SEEDS)
    np.testing.assert_array_equal(table["acceleration"].notna(), success)
    good = [path for path, ok in zip(paths, success, strict=True) if ok]
    np.testing.assert_allclose(table[success].to_numpy(), measure(good).to_numpy())
    assert (table["detour"].dropna() >= 1).all(), "no path is shorter than the beeline"
    assert motion(tmp_path) == {}


def test_success_is_that_of_the_world(tmp_path):
    """Columns that another world alone has, which come first, say nothing of it."""
    success = _write_run(tmp_path / "run", "a", 0, 0.01)[0]
    rows = pd.read_csv(tmp_path / "run/rollouts.csv")
    other = rows.drop(columns="success").assign(world="push", success_90=1)
    pd.concat([other, rows])[[*other.columns, "success"]].to_csv(tmp_path / "run/rollouts.csv", index=False)
    np.testing.assert_array_equal(motion(tmp_path / "run")["maze"]["jerk"].notna(), success)
    rows.drop(columns="success").to_csv(tmp_path / "run/rollouts.csv", index=False)
    with pytest.raises(InputError, match=r"rollouts.csv: .*success"):
        motion(tmp_path / "run")


def test_paths_of_other_trials_are_refused(tmp_path):
    _write_run(tmp_path / "run", "a", 0, 0.01)
    rows = pd.read_csv(tmp_path / "run/rollouts.csv")
    rows.iloc[1:].to_csv(tmp_path / "run/rollouts.csv", index=False)
    with pytest.raises(InputError, match="other trials"):
        motion(tmp_path / "run")


def test_estimates_and_report_tell_smooth_from_rough(sweep_dir):
    sweep = Sweep(sweep_dir)
    found = {
        arm.label: sweep.estimate(arm.runs, Metric.parse("motion/maze/acceleration")) for arm in sweep.arms()
    }
    assert found["smooth"].interval.high < found["rough"].interval.low and found["lost"] is None
    tables = [motion(sweep_dir / f"arm=rough,seed={s}")["maze"]["acceleration"] for s in (0, 1)]
    medians = [np.nanmedian(np.log(table)) for table in tables]
    assert found["rough"].interval.value == pytest.approx(np.exp(np.mean(medians)))
    names = {path.name for path in report(sweep_dir)}
    assert {"smoothness_maze.png", "paths_maze.png"} <= names
    table = (sweep_dir / "results.md").read_text()
    assert "maze: acceleration" in table and "medians; length" in table
    assert "motion/maze/acceleration" in (sweep_dir / "arms.csv").read_text()


def test_ratios_to_the_reference_are_in_the_tables(sweep_dir):
    sweep = Sweep(sweep_dir)
    smooth, rough, lost = (next(a for a in sweep.arms() if a.label == n) for n in ("smooth", "rough", "lost"))
    found = sweep.ratio(smooth.runs, rough.runs, Metric.parse("motion/maze/acceleration"))
    assert 0 < found.low < found.value < found.high < 1
    assert sweep.ratio(lost.runs, rough.runs, Metric.parse("motion/maze/acceleration")) is None
    (sweep_dir / "grid.json").write_text('{"reference": {"arm": "rough"}}')
    table = ArmTable(Sweep(sweep_dir))
    titles, rows = table.cells()
    column = titles.index("maze: acceleration / rough")
    shown = {row[0].text: row[column].text for row in rows}
    assert shown["rough"] == shown["lost"] == "—"
    assert shown["smooth"] == f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]"
    frame = table.frame().set_index(["arm", "metric"])
    row = frame.loc[("smooth", "motion/maze/acceleration"), ["ratio", "ratio_low", "ratio_high"]]
    assert row.tolist() == list(found)
    assert np.isnan(frame.loc[("smooth", "motion/maze/jerk"), "ratio"])


def test_any_arm_can_be_compared_with(sweep_dir, capsys):
    assert main(["compare", str(sweep_dir), "smooth", "--arms", "[rough, lost]"]) == 0
    table = pd.read_csv(sweep_dir / "compared-with-smooth.csv").set_index("arm")
    assert list(table.index) == ["rough", "lost"]
    sweep = Sweep(sweep_dir)
    smooth, rough = (sweep.find(sweep.arms(), name).runs for name in ("smooth", "rough"))
    ratio = sweep.ratio(rough, smooth, Metric.parse("motion/maze/acceleration"))
    found = table.loc["rough", [f"maze: acceleration / smooth{end}" for end in ("", " low", " high")]]
    assert found.tolist() == pytest.approx(list(ratio), rel=1e-5)
    difference = table["maze: score − smooth"]
    assert difference["rough"] == 0 and difference["lost"] == pytest.approx(-8 / 12, abs=1e-5)
    assert "| rough |" in capsys.readouterr().out
    assert main(["compare", str(sweep_dir), "smoth"]) == 2
    assert "reference='smoth': expected one of ['lost', 'rough', 'smooth']" in capsys.readouterr().err


def test_the_table_of_hyper_parameters_shows_how_smooth_a_run_is(sweep_dir):
    dashboard.write_sweep(sweep_dir)
    for arm, moves in (("rough", True), ("lost", False)):
        run = f"arm={arm},seed=0"
        shown = EventAccumulator(str(sweep_dir / run))
        shown.Reload()
        tag = "final/motion/maze/acceleration"
        assert (tag in shown.Tags()["scalars"]) == moves
        if moves:
            median = motion(sweep_dir / run)["maze"]["acceleration"].median()
            assert shown.Scalars(tag)[0].value == pytest.approx(median, rel=1e-5)


def test_a_sweep_that_never_succeeds_shows_its_paths(tmp_path):
    write_store(tmp_path / "gcs.zarr", [episode(_path(np.random.default_rng(0), 0))],
                {"planner": "gcs", "maze": SCENES["maze"][1]})  # fmt: skip
    _write_run(tmp_path / "sweep/arm=lost,seed=0", "lost", 0, 0.01, tmp_path / "gcs.zarr", fails=True)
    names = {path.name for path in report(tmp_path / "sweep")}
    assert "paths_maze.png" in names and "smoothness_maze.png" not in names


def test_the_picture_of_smoothness_shows_what_was_measured(sweep_dir, drawn):
    sweep = Sweep(sweep_dir)
    motion_report(sweep)
    ax = drawn["smoothness_maze.png"].axes[0]
    shown = {bars.get_label(): bars[0].get_xydata()[0] for bars in ax.containers}
    for arm in sweep.arms():
        success, rough = (
            sweep.estimate(arm.runs, Metric.parse(name))
            for name in ("rollout/maze/success", "motion/maze/acceleration")
        )
        if arm.label == "lost":
            assert rough is None and "lost" not in shown
        else:
            np.testing.assert_allclose(shown[arm.label], (rough.interval.value, success.interval.value))
    lines = {line.get_label(): line for line in ax.lines}
    for title, domain in (("GCS", Domain.REAL), ("RRT", Domain.SIM)):
        assert same_color(lines[f"{title} plans"].get_color(), DOMAIN_COLOUR[domain])
    assert lines["GCS plans"].get_xdata()[0] < lines["RRT plans"].get_xdata()[0], "smooth left of jagged"


def test_the_picture_of_paths_shows_each_arm_s_own(sweep_dir, drawn):
    motion_report(Sweep(sweep_dir))
    axes = [ax for ax in drawn["paths_maze.png"].axes if ax.get_title(loc="left")]
    assert [ax.get_title(loc="left") for ax in axes] == [
        "RRT plans", "GCS plans", "lost (0%)", "rough (67%)", "smooth (67%)",
    ]  # fmt: skip
    for ax, domain in zip(axes, (Domain.SIM, Domain.REAL), strict=False):
        (plans,) = (c for c in ax.collections if isinstance(c, LineCollection))
        assert same_color(plans.get_color()[0][:3], DOMAIN_COLOUR[domain]) and len(plans.get_segments()) == 4
    for ax, arm in zip(axes[2:], ("lost", "rough", "smooth"), strict=True):
        run = sweep_dir / f"arm={arm},seed=0"
        reached = motion(run)["maze"]["acceleration"].notna()
        paths = read_paths(run / PATHS)["maze"]
        (name,) = (name for name, (size, _) in SCENES.items() if paths[SEEDS[0]].shape[1] == size)
        project = scene_of({name: SCENES[name][1]}).views([])[0].project
        groups = [c for c in ax.collections if isinstance(c, LineCollection)]
        shown = {to_hex(c.get_color()[0]).upper(): c.get_segments() for c in groups}
        for colour, which in ((GREEN, True), (GREY, False)):
            right = [project(path) for seed, path in paths.items() if reached[seed] == which]
            np.testing.assert_allclose(shown.get(colour, []), right)


class Field:
    """A planning world's scene that nothing in analysis knows of."""

    islands = None

    def views(self, paths):
        return (View(np.zeros(2), np.array([4.0, 2.0]), project=lambda path: path[:, ::-1]),)


def test_a_planning_world_of_one_s_own_is_drawn(tmp_path, monkeypatch, drawn):
    monkeypatch.setitem(SCENES_BY_NAME, "field", Field)
    plan = _path(np.random.default_rng(0), 0)
    write_store(tmp_path / "gcs.zarr", [episode(plan)], {"planner": "mine", "field": {}})
    _write_run(tmp_path / "sweep/arm=one,seed=0", "one", 0, 0.01, tmp_path / "gcs.zarr")
    motion_report(Sweep(tmp_path / "sweep"))
    ax = drawn["paths_maze.png"].axes[0]
    assert ax.get_title(loc="left") == "mine plans" and ax.get_xlim() == (0, 4) and ax.get_ylim() == (0, 2)
    (lines,) = (c for c in ax.collections if isinstance(c, LineCollection))
    np.testing.assert_allclose(lines.get_segments()[0], plan[:, ::-1], atol=1e-6)
    assert "mine plans" in [line.get_label() for line in drawn["smoothness_maze.png"].axes[0].lines]
