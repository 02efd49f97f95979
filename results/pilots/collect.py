"""The table and the trials of a round of pilots, with paired differences to one of its arms.

`python collect.py SWEEP ARM NAME` writes NAME.csv and NAME_trials.csv.gz beside this file. Differences are
to ARM in the same world, paired over trials, with a 95 % interval over trials alone, as `align evaluate` has
it of policies as they are; of several trainings a trial counts by its mean.
"""

import csv
import gzip
import statistics
import sys
from collections import defaultdict
from pathlib import Path

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.paired_counts import discordant, paired_difference
from align.analysis.statistics.trials.rates import rate_difference

MEASURES = ("score", "success_90", "success_pose")


def main(sweep: str, reference: str, name: str) -> None:
    here, runs = Path(__file__).parent, defaultdict(dict)
    for file in sorted(Path(sweep).glob("*/rollouts.csv"), key=lambda f: f.stat().st_mtime):
        arm, _, training = file.parent.name.split("=", 1)[1].rpartition(",seed=")
        for row in csv.DictReader(file.open()):
            found = runs[arm, row["world"]].setdefault(int(training), {})
            found[int(row["seed"])] = [float(row[m]) for m in MEASURES]
    arms = {key: _mean(trainings.values()) for key, trainings in runs.items()}
    with (here / f"{name}.csv").open("w", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        ends = ("", "_low", "_high")
        columns = [c for m in MEASURES for c in (m, *(f"{m}_minus_reference{end}" for end in ends))]
        table.writerow(["arm", "world", "trainings", "trials", *columns])
        for (arm, world), trials in arms.items():
            cells = []
            for i in range(len(MEASURES)):
                own, other = ([of[s][i] for s in trials] for of in (trials, arms[reference, world]))
                cells += [f"{x:.4f}" for x in (statistics.mean(own), *_difference(own, other))]
            table.writerow([arm, world, len(runs[arm, world]), len(trials), *cells])
    with gzip.open(here / f"{name}_trials.csv.gz", "wt", newline="") as out:
        table = csv.writer(out, lineterminator="\n")
        table.writerow(["arm", "world", "training", "seed", *MEASURES])
        for (arm, world), trainings in runs.items():
            for training, trials in trainings.items():
                for seed, found in trials.items():
                    table.writerow([arm, world, training, seed, *(f"{x:.4g}" for x in found)])


def _difference(own, other) -> Interval:
    """The mean difference on the same trials, of an arm to itself without scatter."""
    if own == other:
        return Interval(0.0, 0.0, 0.0)
    if {*own, *other} <= {0, 1}:
        return paired_difference(discordant(own, other))
    return rate_difference([own], [other])


def _mean(trainings) -> dict[int, list[float]]:
    """By the trial's seed, the mean of several trainings."""
    first, *_ = trainings = list(trainings)
    return {s: [statistics.mean(t[s][i] for t in trainings) for i in range(len(MEASURES))] for s in first}


if __name__ == "__main__":
    main(*sys.argv[1:])
