"""An arm is looked up by its values, and compared with its own reference: of several none is taken for it."""

import json
from itertools import product

import pytest
from synthetic_runs import rollouts

from align.analysis.reports import arms, gap, plateau, selectors
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.comparisons import compare
from align.analysis.reports.sweep.kept import write

SCORE = Metric("rollout", "real", "score")


def sweep_of(folder, points, reference=None, seeds=(0, 1), skip=()):
    """A sweep of arms at some points; runs in `skip` have their trials still to come."""
    for i, (point, seed) in enumerate(product(points, seeds)):
        run = folder / f"{i:02d}"
        run.mkdir()
        (run / "point.json").write_text(json.dumps({**point, "seed": seed}))
        if (i // len(seeds), seed) not in skip:
            rollouts(0.5, 4, i).to_csv(run / "rollouts.csv", index=False)
    names = sorted(run.name for run in folder.iterdir())
    (folder / "grid.json").write_text(json.dumps({"runs": names, "reference": reference or {}}))
    return Sweep(folder)


def test_figures_over_weights_are_of_the_combinations_that_occur(tmp_path, monkeypatch):
    at = [(0, 0), (0, 1), (1, 0)]
    sweep = sweep_of(tmp_path, [{"lambda": w, "a": a, "b": b} for a, b in at for w in (0, 0.1)])
    monkeypatch.setattr(arms, "_over_weights", lambda sweep, where, wide: len(sweep.arms(where)))
    drawn = arms.draw(sweep)
    assert drawn == {f"lambda_a={a}_b={b}{wide}.png": 2 for a, b in at for wide in ("", "_wide")}


@pytest.mark.parametrize("kept", [False, True])
def test_none_is_a_value_of_an_axis(tmp_path, kept):
    points = [{"real": value} for value in (10, 50, None)]
    sweep = sweep_of(tmp_path, points, reference={"real": None})
    if kept:
        folder = tmp_path / "kept"
        folder.mkdir()
        write(folder, rollouts(0.5, 4, 0).assign(run="00"), sweep.frame, {})
        (folder / "grid.json").write_text((tmp_path / "grid.json").read_text())
        sweep = Sweep(folder)
    found = sweep.arms()
    assert [arm.point["real"] for arm in found] == [10, 50, None]
    assert [arm.label for arm in found] == ["real=10", "real=50", "real=None"]
    assert [len(arm.runs) for arm in found] == [2, 2, 2]
    assert sweep.arms({"real": None}) == [found[2]]
    assert sweep.references(found) == ("real=None", [found[2]] * 3)
    sweep.grid = {}
    assert [arm.point["real"] for arm in sweep.arms()] == [10, 50, None], "without an order of the grid"


def test_reports_over_some_axes_do_not_apply_where_another_has_values(tmp_path):
    sizes = [{"sim": s, "real": r} for s, r in product((0, 20), (5, 10))]
    gaps = [dict(zip(gap.GAPS, levels, strict=True)) for levels in ((0, 0, 0), (1, 0, 0), (1, 1, 0))]
    for name, points, report in (("sizes", sizes, plateau.report), ("gaps", gaps, gap.report)):
        (tmp_path / name).mkdir()
        both = [{**point, "width": width} for point in points for width in (32, 64)]
        assert report(sweep_of(tmp_path / name, both, seeds=(0,))) == []
        (tmp_path / f"{name}1").mkdir()
        sweep = sweep_of(tmp_path / f"{name}1", [{**p, "width": 32} for p in points], seeds=(0,))
        assert sweep.spans(plateau.AXES if name == "sizes" else gap.GAPS)


def test_an_arm_is_compared_with_the_reference_of_its_own_group_alone(tmp_path):
    points = [
        {"gap": g, "arm": arm, "lambda": w}
        for g in ("small", "large", "other")
        for arm, w in (("plain", 0), ("mmd", 0.1))
    ]
    del points[4]  # the reference of the other gap
    sweep = sweep_of(tmp_path, points, reference={"arm": "plain"})
    found = sweep.arms()
    name, bases = sweep.references(found)
    assert name == "plain,\nsame gap"
    assert [base.label for base in bases] == [
        "small, plain", "small, plain", "large, plain", "large, plain", "other, mmd, lambda=0.1",
    ]  # fmt: skip
    pairs = compare(sweep, list(zip(found, bases, strict=True)), SCORE).pairs
    assert [pair is None for pair in pairs] == [True, False, True, False, True]
    _, of_some = sweep.references(found[1:])  # where the first reference was not measured
    assert of_some[0] is found[1] and of_some[1:] == bases[2:]


def test_without_the_reference_nothing_is_taken_for_it(tmp_path):
    points = [{"arm": arm} for arm in ("plain", "mmd", "coral")]
    sweep = sweep_of(tmp_path, points, reference={"arm": "none"})
    found = sweep.arms()
    assert sweep.find(found) is None
    assert sweep.references(found) == ("none", found)


def test_select_says_what_it_leaves_out_and_takes_no_other_arm_for_the_reference(tmp_path):
    points = [{"arm": arm} for arm in ("plain", "mmd", "coral")]
    sweep = sweep_of(tmp_path, points, reference={"arm": "plain"}, skip=[(0, 1)])
    (task,), left = selectors.tasks(sweep)
    assert task.arms == ("mmd", "coral") and task.reference is None
    assert selectors.RULES["the reference arm"](task, []) is None
    assert any("1 of 3 arms" in line for line in left)


def test_the_reference_of_a_task_is_the_arm_that_has_what_the_reference_chose(tmp_path):
    points = [{"visual": level, "label": label} for level in (0, 1) for label in ("one-hot", "plain")]
    sweep = sweep_of(tmp_path, points, reference={"visual": 0, "label": "plain"})
    assert [(task.arms, task.reference) for task in selectors.tasks(sweep)[0]] == [
        (("one-hot", "plain"), 1)
    ] * 2
