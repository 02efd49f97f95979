"""Arms compared all at once, as tables and figures show them, and the outcomes beside their means."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from artists import whiskers
from synthetic_runs import write_probe, write_run

from align.analysis.reports import aggregates, arm_table, arms
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare, detectable, may_be_best, set_aside
from align.analysis.statistics.trials import power, simultaneous
from align.analysis.statistics.trials.paired_counts import discordant, mcnemar, paired_difference
from align.analysis.statistics.trials.rates import rate
from align.analysis.statistics.trials.variance_components import between_trainings

SCORE = Metric("rollout", "real", "score")
SKILLS = {"co-training": 0.6, "mmd": 0.63, "coral": 0.85, "dann": 0.6, "adda": 0.45, "moments": 0.62}


def write(path, seeds=(0, 1)):
    """Six arms; a training of one of them collapsed."""
    for i, (method, skill) in enumerate(SKILLS.items()):
        for seed in seeds:
            lost = 0.6 * (method == "dann" and seed == 1)
            point, run = {"method": method, "seed": seed}, path / f"{method}_{seed}"
            write_run(run, point, skill=skill - lost, seed=10 * i + seed, episodes=2, windows=1)
    runs = [f"{method}_{seed}" for method in SKILLS for seed in seeds]
    (path / "grid.json").write_text(json.dumps({"runs": runs, "reference": {"method": "co-training"}}))
    return path


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    return Sweep(write(tmp_path_factory.mktemp("many")))


def _pairs(sweep):
    found = sweep.arms()
    return [(arm, found[0]) for arm in found]


def test_a_collapsed_arm_is_judged_by_itself_and_the_others_without_it(sweep):
    assert set_aside(sweep, SCORE) == ["dann"]
    tables = {arm.label: sweep.outcomes(arm.runs, SCORE) for arm in sweep.arms()}
    others = between_trainings([t for label, t in tables.items() if label != "dann"], relative=True)
    for arm in sweep.arms():
        of_arm = others if arm.label != "dann" else between_trainings([tables["dann"]], relative=True)
        found = sweep.estimate(arm.runs, SCORE)
        np.testing.assert_allclose(found.interval, rate(tables[arm.label], of_arm))
        assert not found.lone
        assert (found.interval.high - found.interval.low > 0.9) == (arm.label == "dann")


def test_comparisons_are_those_of_the_statistics(sweep):
    found = compare(sweep, _pairs(sweep), SCORE)
    tables = [sweep.outcomes(arm.runs, SCORE) for arm in sweep.arms()]
    scatter = list(sweep.scatter(SCORE).values())
    expected = simultaneous.against_reference(tables, 0, scatter, unit=True)
    assert found.pairs[0] is None and found.each_level == expected.each_level
    for i, pair in enumerate(found.pairs[1:], 1):
        assert (pair.single, pair.simultaneous) == (expected.single[i], expected.simultaneous[i])
        arm = sweep.arms()[i]
        assert sweep.difference(arm.runs, sweep.arms()[0].runs, SCORE) == pytest.approx(pair.single)
        assert pair.simultaneous.low < pair.single.low or pair.single.low == -1  # of the collapsed arm
        assert pair.adjusted >= pair.p_value
    assert [pair.clear for pair in found.pairs[1:]] == [False, True, False, True, False]
    members = simultaneous.best(tables, scatter, unit=True).members
    best = may_be_best(sweep, sweep.arms(), SCORE)
    assert set(best) == {arm.label for arm, m in zip(sweep.arms(), members, strict=True) if m}
    assert set(best) == {"coral", "dann"}, "what was judged by two trainings far apart may be anything"


def test_the_smallest_difference_is_found_as_often_as_it_says(sweep):
    """By simulation of two arms at the variances of the sweep."""
    found = detectable(sweep, _pairs(sweep)[:2], SCORE)
    base, arm = (sweep.outcomes(a.runs, SCORE) for a in sweep.arms()[:2])
    between = sweep.scatter(SCORE)["mmd"]
    unit = np.mean([t.mean() * (1 - t.mean()) for t in (base, arm)])
    absolute = between._replace(
        mean_square=between.mean_square * unit, rest=between.rest * unit, relative=False
    )
    v = power.variances(arm, base, absolute)
    assert power.power(found, v, 2, 30, 2, between.df) == pytest.approx(0.8, abs=0.005)
    assert detectable(sweep, _pairs(sweep), SCORE, level=0.99) > detectable(sweep, _pairs(sweep), SCORE)


def test_tables_mark_both_and_say_it_in_words(sweep):
    table = pd.read_csv(arm_table.report(sweep)[1]).set_index(["arm", "metric"])
    pair = compare(sweep, _pairs(sweep), SCORE).pairs[2]
    row = table.loc[("coral", str(SCORE))]
    assert tuple(row[["at_once_low", "at_once_high"]]) == pytest.approx(pair.simultaneous[1:], rel=1e-4)
    assert row["p_adjusted"] == pytest.approx(pair.adjusted, rel=1e-4) and row["may_be_best"]
    assert not table.loc[("adda", str(SCORE)), "may_be_best"]
    text = (sweep.path / "results.md").read_text()
    short, wide = (part.splitlines() for part in text.split("\nAll that was measured:\n\n"))
    names, _, *rows = ([c.strip() for c in line.strip("|").split("|")] for line in short[: len(SKILLS) + 2])
    found, best = compare(sweep, _pairs(sweep), SCORE).pairs, may_be_best(sweep, sweep.arms(), SCORE)
    assert names[0] == "arm" and len(names) == 7
    assert names[-3:] == ["real: score − co-training", "real: success_90 − co-training", "verdict"]
    for row, arm, each in zip(rows, sweep.arms(), found, strict=True):
        low, high = (0, 0) if each is None else each.simultaneous[1:]
        meant = "better" if low > 0 else "worse" if high < 0 else "not told apart"
        assert row[0] == arm.label and row[-1].startswith("—" if each is None else meant)
        assert ("may be best" in row[-1]) == (arm.label in best)
    assert {row[-1].split(",")[0] for row in rows} == {"—", "better", "worse", "not told apart"}
    header, _, *rows = wide
    cells = [dict(zip(header.split(" | "), line.split(" | "), strict=True)) for line in rows[: len(SKILLS)]]
    low, high = pair.simultaneous[1:]
    assert cells[2]["real: score − co-training, all at once"].endswith(f"[{low:+.2f}, {high:+.2f}]")
    assert [c["real: may be best |"].strip(" |") for c in cells] == ["", "", "yes", "yes", "", ""]
    assert "would be found in 80 % of such sweeps by one comparison" in text and "by all 5 at once" in text
    assert "dann (real) differ far more" in text and "†" not in text


def test_figures_mark_both(sweep):
    panels = [ax for ax in arms.draw(sweep)["arms.png"].axes if ax.get_visible()]
    colour = arms.figures.place_look("real")["color"]
    success = Metric("rollout", "real", sweep.success)
    for last, metric in zip(panels[2:], (SCORE, success), strict=True):
        shown = [w for w in whiskers(last, horizontal=True) if w.colour == colour]
        pairs = [pair for pair in compare(sweep, _pairs(sweep), metric).pairs if pair]
        assert len(shown) == 2 * len(pairs)
        drawn = {(round(w.low, 6), round(w.high, 6)) for w in shown}
        for pair in pairs:
            for ends in (pair.single, pair.simultaneous):
                assert tuple(np.round(ends[1:], 6)) in drawn
    best = may_be_best(sweep, sweep.arms(), SCORE)
    filled = [
        container[0].get_markerfacecolor() != "white"
        for container in panels[0].containers
        if container[0].get_color() == colour
    ]
    assert filled == [arm.label in best for arm in sweep.arms()]


def test_aggregates_and_paired_successes_of_the_target(sweep):
    written = {path.name for path in aggregates.report(sweep)}
    assert written == {
        *("aggregates.csv", "aggregates.md", "aggregates.png"),
        *("paired_successes.csv", "paired_successes.md"),
    }
    assert "of these trainings alone" not in (sweep.path / "aggregates.md").read_text()
    table = pd.read_csv(sweep.path / "aggregates.csv").set_index("arm")
    middle = np.sort(sweep.outcomes(["coral_0", "coral_1"], SCORE), axis=None)[15:45].mean()
    assert table.loc["coral", "interquartile mean"] == pytest.approx(middle, rel=1e-4)
    better = table.loc["coral", [f"better than co-training{end}" for end in ("", " low", " high")]]
    assert 0.5 < better.iloc[1] < better.iloc[0] < better.iloc[2] <= 1
    assert pd.isna(table.loc["co-training", "better than co-training"])
    pairs = pd.read_csv(sweep.path / "paired_successes.csv")
    assert len(pairs) == 2 * 5
    success = Metric("rollout", "real", sweep.success)
    row = pairs[(pairs["arm"] == "coral") & (pairs["seed"] == 1)].iloc[0]
    counts = discordant(*(sweep.outcomes([f"{name}_1"], success)[0] for name in ("coral", "co-training")))
    assert (row["only the arm"], row["only the other"]) == (counts.wins, counts.losses)
    assert row["p, McNemar"] == pytest.approx(mcnemar(counts), rel=1e-4)
    assert row["difference low"] == pytest.approx(paired_difference(counts).low, rel=1e-4)


def test_one_training_an_arm_is_said_to_be_one(tmp_path):
    sweep = Sweep(write(tmp_path, seeds=(0,)))
    arm = sweep.arms()[1]
    assert sweep.estimate(arm.runs, SCORE).lone
    arm_table.report(sweep)
    text = (tmp_path / "results.md").read_text()
    assert "] † |" in text and "†: of these trainings" in text
    titles, rows = arm_table.ArmTable(sweep).cells()
    for title in ("real: score", "real: score − co-training", "real: score − co-training, all at once"):
        cells = [row[titles.index(title)].text for row in rows]
        assert all(cell.endswith("] †") for cell in cells if cell != "—"), title
        assert cells.count("—") == (title != "real: score"), "the reference is compared with nothing"
    aggregates.report(sweep)
    assert "of these trainings alone" in (tmp_path / "aggregates.md").read_text()


def test_the_order_of_arms_and_trials_does_not_matter(sweep, tmp_path):
    for run in sweep.path.glob("*_[01]"):
        (tmp_path / run.name).mkdir()
        for name in ("point.json", "config.yaml", "summary.json"):
            (tmp_path / run.name / name).write_text((run / name).read_text())
        rows = pd.read_csv(run / "rollouts.csv").sample(frac=1, random_state=1)
        rows.to_csv(tmp_path / run.name / "rollouts.csv", index=False)
    moved = Sweep(tmp_path)
    arms_ = {arm.label: arm for arm in moved.arms()}
    assert [arm.label for arm in moved.arms()] != [arm.label for arm in sweep.arms()]
    pairs = [(arms_[label], arms_["co-training"]) for label in reversed(SKILLS)]
    found = compare(moved, pairs, SCORE).pairs[::-1]
    for one, other in zip(compare(sweep, _pairs(sweep), SCORE).pairs[1:], found[1:], strict=True):
        np.testing.assert_allclose(one.simultaneous, other.simultaneous, atol=1e-3)
        assert one.adjusted == pytest.approx(other.adjusted, abs=1e-3)
    assert set(may_be_best(moved, moved.arms(), SCORE)) == set(may_be_best(sweep, sweep.arms(), SCORE))


def test_where_the_score_is_success_itself_it_is_told_once(sweep, tmp_path):
    """No distribution of zeros and ones, and no panel twice; what an older version wrote of one goes."""
    folder = tmp_path / "binary"
    shutil.copytree(sweep.path, folder)
    (folder / "aggregates.md").write_text("older")
    for path in folder.glob("*/rollouts.csv"):
        rows = pd.read_csv(path)
        rows.assign(score=rows[sweep.success].astype(float)).to_csv(path, index=False)
        write_probe(path.parent)
    binary = Sweep(folder)
    assert binary.is_binary and not sweep.is_binary
    assert {path.name for path in aggregates.report(binary)} <= {
        "paired_successes.csv",
        "paired_successes.md",
    }
    assert not list(folder.glob("aggregates.*"))
    assert len([ax for ax in arms.draw(binary)["arms.png"].axes if ax.get_visible()]) == 2
    against = arms.draw(binary)["discernibility.png"].axes[0]
    assert against.get_ylabel().startswith("Success"), "as arms.png calls the same number"
