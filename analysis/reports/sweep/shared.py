"""What is said where not all that was measured is shared by all runs of a sweep."""

from align.analysis.reports.sweep.estimates import Sweep
from align.analysis.reports.sweep.metric import Metric


def note(sweep: Sweep, metric: Metric) -> str | None:
    """A sentence where runs do not share all of their trials, or held-out episodes, in one place.

    Args:
        sweep: Where it was measured.
        metric: One that is `Metric.by_trial`.

    Returns:
        None where all is shared, or it was not measured.
    """
    if not sweep.has(metric) or (found := sweep.shared(metric)) is None or found.count == found.most:
        return None
    if sweep.pairs(metric):
        of = "trials" if metric.kind == "rollout" else "held-out episodes"
        return (
            f"In {metric.place}: on the {found.count} {of} that all runs share, of up to {found.most} of one."
        )
    return (
        f"Of up to {found.most} held-out episodes of {metric.place} {found.count or 'none'} are known to be "
        "held out by all runs, which differ in their stores or in data.seed: errors there are over each "
        "run's own episodes, and arms are not compared episode by episode."
    )
