"""What simulation's help gains on our own recorded sweeps: intervals with it, over those without.

`python benchmarks/assisted.py --out results/assisted`. Of each policy some starts in the target are drawn, as
if no others had been tried there; its trials in sim, of these starts and of all others, are what `align
evaluate --simulated` would have. The mean over all of the target's starts is known here, so that one can see
whether intervals hold it.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jsonargparse import auto_cli

from align.analysis.reports.sweep import Sweep
from align.analysis.reports.tables import write_tables
from align.analysis.statistics.trials.prediction_powered import (
    Assisted,
    assisted_difference,
    assisted_rate,
)
from align.seeding import numpy_rng

ROOT = Path(__file__).parent.parent
COLUMNS = {
    "correlation": "correlation",
    "rate": "width / alone",
    "held": "held",
    "difference": "of a difference: width / alone",
    "held_difference": "difference held",
}
NOTE = (
    "Means over draws of starts and over trainings; starts that were not drawn were tried in sim alone. "
    "Differences are from the reference's training of the same seed. Held: how often the 95 % intervals with "
    "simulation hold the mean over all of the target's starts, or its difference. The drawn starts are "
    "some of these, so exact intervals would hold it more often than 95 % of the time."
)


def measure(path: Path, outcome: str, starts: Sequence[int], draws: int) -> list[dict]:
    """A row for each number of starts: how much shorter intervals get, and how often they hold the truth.

    Args:
        path: A kept sweep, of policies that were tried from the same starts in sim and in its target.
        outcome: What is estimated, a column of its trials.
        starts: How many in the target.
        draws: Of them, for each training.
    """
    sweep = Sweep(path)
    trials = pd.read_csv(path / "trials.csv.gz").set_index(["run", "world", "seed"])[outcome]
    arms = sweep.arms()
    base = sweep.references(arms)[1][0]
    tried = {run: trials[run].unstack("world") for run in trials.index.unique("run")}
    rows = []
    for n in starts:
        rng, found = numpy_rng(0, "assisted", n), []
        for arm in arms:
            for k, run in enumerate(arm.runs):
                reference = base.runs[k] if arm is not base and k < len(base.runs) else None
                for _ in range(draws):
                    found.append(_draw(tried, run, reference, sweep.target, n, rng))
        means = pd.DataFrame(found).mean()
        rows.append({
            "sweep": path.name, "measure": outcome, "trainings": sum(len(arm.runs) for arm in arms),
            "starts in the target": n, "further in sim": len(tried[run]) - n,
            **{title: round(means[name], 3) for name, title in COLUMNS.items()},
        })  # fmt: skip
    return rows


def _draw(
    tried: dict[str, pd.DataFrame],
    run: str,
    reference: str | None,
    target: str,
    n: int,
    rng: np.random.Generator,
) -> dict[str, float]:
    """One draw of starts for one training."""
    real, sim = (tried[run][world].to_numpy(float) for world in (target, "sim"))
    here = np.isin(np.arange(len(real)), rng.permutation(len(real))[:n])
    rate = assisted_rate(real[here], sim[here], sim[~here])
    row = {"correlation": rate.correlation, "rate": width(rate), "held": holds(rate, real.mean())}
    if reference is not None:
        other, other_sim = (tried[reference][world].to_numpy(float) for world in (target, "sim"))
        outcomes = real[here], other[here], sim[here], other_sim[here], sim[~here], other_sim[~here]
        apart = assisted_difference(*outcomes)
        row |= {"difference": width(apart), "held_difference": holds(apart, real.mean() - other.mean())}
    return row


def width(found: Assisted) -> float:
    """That with simulation over that without."""
    return (found.interval.high - found.interval.low) / (found.alone.high - found.alone.low)


def holds(found: Assisted, truth: float) -> bool:
    """Whether the interval with simulation holds the truth."""
    return found.interval.low <= truth <= found.interval.high


def assisted(
    out: str = "runs/assisted", sweeps: Sequence[str] = ("methods", "lambda", "baselines"), draws: int = 100
) -> None:
    """Measure, and write `results.csv` and `results.md`.

    Args:
        out: Folder for it.
        sweeps: Folders of results/.
        draws: Of starts, for each training.
    """
    rows = [
        row
        for name in sweeps
        for outcome in ("success_90", "score")
        for row in measure(ROOT / "results" / name, outcome, (10, 20, 50), draws)
    ]
    write_tables(Path(out) / "results", rows, [NOTE])


if __name__ == "__main__":
    auto_cli(assisted)
