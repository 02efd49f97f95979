"""Figures of a sweep's arms: over λ where nothing but λ has a meaning on an axis, or else side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.arms import OfWorld, figure_arms
from align.analysis.figures.scatter.discernibility import Scatter, figure_discernibility
from align.analysis.figures.series import Panel, Point, Series
from align.analysis.figures.weights import figure_weights
from align.analysis.reports.sweep import Arm, Metric, Sweep
from align.analysis.reports.sweep.arm import none_last
from align.analysis.reports.sweep.comparisons import compare, may_be_best
from align.analysis.reports.sweep.families import families
from align.analysis.reports.sweep.start import start_score

AXIS = "lambda"
SCALES = {
    "auc": "auc",
    "mmd2": "root",
}  # of the probes' statistics: where the AUC saturates, the MMD² does not


def report(sweep: Sweep) -> list[Path]:
    """Write figures of the arms; returns what was written.

    A sweep over λ gets `lambda.png` (one column wide) and `lambda_wide.png` for each combination of its other
    axes. One with named arms gets `arms.png` and, if it was probed, `discernibility.png`.
    """
    written = []
    for name, figure in draw(sweep).items():
        written.append(sweep.path / name)
        figures.save(figure, written[-1])
    return written


def draw(sweep: Sweep) -> dict[str, Figure]:
    """The figures by the names of their files."""
    named = any(sweep.frame[axis].map(type).eq(str).any() for axis in sweep.axes)
    weights = {arm.point[AXIS] for arm in sweep.arms()} if AXIS in sweep.axes else set()
    if len(weights) > 1 and None not in weights and not named:
        drawn = {}
        for where in _combinations(sweep):
            suffix = "".join(f"_{k}={v}" for k, v in where.items()).replace("/", "-")
            for width in ("", "_wide"):
                drawn[f"lambda{suffix}{width}.png"] = _over_weights(sweep, where, wide=bool(width))
        return drawn
    drawn = {"arms.png": _side_by_side(sweep)}
    if sweep.outcomes_shown[1] and sweep.sites:
        drawn["discernibility.png"] = _against_probes(sweep)
    return drawn


def _combinations(sweep: Sweep) -> list[Mapping[str, object]]:
    """The combinations that there are of the other axes but λ; axes of one value are left out."""
    points = [arm.point for arm in sweep.arms()]
    others = [a for a in sweep.axes if a != AXIS and len({point[a] for point in points}) > 1]
    found = sorted({tuple(point[a] for a in others) for point in points}, key=lambda v: [*map(none_last, v)])
    return [dict(zip(others, values, strict=True)) for values in found]


def _over_weights(sweep: Sweep, where: Mapping[str, object], wide: bool) -> Figure:
    arms = sweep.arms(where)
    kind, places, names = sweep.outcomes_shown
    panels = []
    for kind, places, name in (
        *((kind, places, name) for name in names),
        ("probe", sweep.sites, "auc"),
        ("probe", sweep.sites, "mmd2"),
    ):
        metrics = [Metric(kind, place, name) for place in places]
        series = [Series(m.place, _marked(sweep, arms, m)) for m in metrics]
        of_panel = Metric(kind, "any", name)
        nothing = start_score(sweep, places) if (kind, name) == ("rollout", "score") else None
        panels.append(Panel(of_panel.title, series, of_panel.chance, nothing))
    return figure_weights(panels, [arm.point[AXIS] for arm in arms], behind(sweep, arms), wide, sweep.title)


def _marked(sweep: Sweep, arms: Sequence[Arm], metric: Metric) -> list[tuple[float, Point]]:
    """A metric by λ; of trials also whether λ may be the best, and differs from the reference."""
    _, bases = sweep.references(arms)
    pairs = [None] * len(arms)
    if metric.by_trial:
        pairs = compare(sweep, list(zip(arms, bases, strict=True)), metric).pairs
    points = []
    for arm, pair, point in zip(arms, pairs, _points(sweep, arms, metric), strict=True):
        if point is not None:
            points.append((arm.point[AXIS], replace(point, clear=pair is not None and pair.clear)))
    return points


def _points(sweep: Sweep, arms: Sequence[Arm], metric: Metric) -> list[Point | None]:
    """A metric of each arm; of trials also which may be the best."""
    best = may_be_best(sweep, arms, metric) if metric.by_trial else {}
    points: list[Point | None] = []
    for arm in arms:
        found = sweep.estimate(arm.runs, metric)
        points.append(found and Point(found.interval, found.runs, not best or arm.label in best))
    return points


def _side_by_side(sweep: Sweep) -> Figure:
    arms = sweep.arms()
    against, bases = sweep.references(arms)
    kind, places, names = sweep.outcomes_shown
    names = names[1:] if sweep.is_binary else names
    metrics = [Metric(kind, "any", name) for name in names]
    worlds = []
    for world in places:
        here = [Metric(kind, world, metric.name) for metric in metrics]
        couples = list(zip(arms, bases, strict=True))
        pairs = {metric.title: compare(sweep, couples, metric).pairs for metric in here}
        worlds.append(
            OfWorld(
                world,
                {metric.title: _points(sweep, arms, metric) for metric in here},
                {title: [pair and pair.single for pair in of_each] for title, of_each in pairs.items()},
                {title: [pair and pair.simultaneous for pair in of_each] for title, of_each in pairs.items()},
            )
        )
    labels, titles = [arm.label for arm in arms], [metric.title for metric in metrics]
    shares, caption = kind == "rollout", behind(sweep, arms)
    nothing = start_score(sweep, places) if shares else None
    return figure_arms(labels, worlds, titles, against, caption, sweep.title, nothing, shares)


def _against_probes(sweep: Sweep) -> Figure:
    arms = sweep.arms()
    _, bases = sweep.references(arms)
    one = arms.index(bases[0]) if all(base is bases[0] for base in bases) else None  # of several, no band
    kind, places, names = sweep.outcomes_shown
    score = Metric(kind, sweep.target or places[0], names[sweep.is_binary])  # one name for one number
    panels = [
        [_scatter(sweep, arms, Metric("probe", site, name), score) for site in sweep.sites] for name in SCALES
    ]
    where = "in" if kind == "rollout" else "on"
    labels, success = [arm.label for arm in arms], f"{score.title} {where} {score.place}"
    nothing = start_score(sweep, [score.place]) if kind == "rollout" else None
    caption, kinds = behind(sweep, arms), families(sweep, arms)
    return figure_discernibility(labels, panels, success, one, caption, sweep.title, kinds, nothing)


def _scatter(sweep: Sweep, arms: Sequence[Arm], across: Metric, up: Metric) -> Scatter:
    points = {}
    for i, arm in enumerate(arms):
        x, y = sweep.estimate(arm.runs, across), sweep.estimate(arm.runs, up)
        if x and y:
            points[i] = x.interval, y.interval
    return Scatter(f"{across.title}, {across.place}", across.chance, points, SCALES[across.name])


def behind(sweep: Sweep, arms: Sequence[Arm]) -> str:
    """How many trainings and trials are behind a figure, and how many runs are not in it."""
    kind, places, names = sweep.outcomes_shown
    first = Metric(kind, sweep.target or places[0], names[0]) if places else None
    found = [sweep.estimate(arm.runs, first) for arm in arms] if first else []
    measured = [estimate for estimate in found if estimate is not None]
    trainings = sorted({len(e.runs) for e in measured} or {len(arm.runs) for arm in arms})
    span = f"{trainings[0]}" if len(trainings) == 1 else f"{trainings[0]}–{trainings[-1]}"
    of = "trials" if kind == "rollout" else "held-out episodes"
    shared = f" × {measured[0].trials} {of}" if measured and measured[0].trials else ""
    text = f"{span} training{'s' if span != '1' else ''}{shared}"
    lone = all(e.lone for e in measured) if measured else trainings == [1]
    text += "; intervals are of these trainings alone" if lone else ""
    absent = len(sweep.absent)
    missing, every = len(sweep.incomplete) + absent, len(sweep.frame) + absent
    return text + (f"; {missing} of {every} runs incomplete" if missing else "")
