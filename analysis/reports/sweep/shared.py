"""What is said where not all that was measured is shared by all runs of a sweep."""

from collections.abc import Iterable

from align.analysis.reports.sweep.estimates import Sweep
from align.analysis.reports.sweep.metric import Metric


def not_shared(sweep: Sweep, *metrics: Metric) -> list[str]:
    """Sentences on where runs do not share all of their trials, or held-out episodes, in one place.

    Args:
        sweep: Where they were measured.
        metrics: Those that are `Metric.by_trial`; of others nothing is said.
    """
    return list(dict.fromkeys(_told(sweep, (m for m in metrics if m.by_trial and sweep.has(m)))))


def _told(sweep: Sweep, metrics: Iterable[Metric]) -> Iterable[str]:
    for metric in metrics:
        found = sweep.shared(metric)
        if found is None or found.count == found.most:
            continue
        if sweep.pairs(metric):
            of = "trials" if metric.kind == "rollout" else "held-out episodes"
            yield f"In {metric.place}: on the {found.count} {of} that all runs share, of up to {found.most}."
        else:
            yield (
                f"Of up to {found.most} held-out episodes of {metric.place} {found.count or 'none'} are "
                "known to be held out by all runs, which differ in their stores or in data.seed: errors "
                "there are over each run's own episodes, and arms are not compared episode by episode."
            )
