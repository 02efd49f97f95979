"""What is measured of a run: a kind of measurement, where it was taken, and its name.

In tables a metric is a column `kind/place/name`, such as `rollout/real/score` or `probe/image/auc`. A place
is a world or a site, whose name may itself have slashes, as `lab/real`; kinds and names have none.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from align.errors import InputError
from align.worlds.batch import START, is_rate

KINDS = ("rollout", "held_out", "motion", "probe", "geometry", "task")
SHARES = ("score", START, "coverage", "final_coverage", "auc", "mlp_auc", "accuracy")
TITLES = {
    "score": "Score", "success": "Success", "success_90": "Success (coverage ≥ .90)",
    "success_95": "Success (coverage ≥ .95)", "success_pose": "Success (≤ 15 mm, ≤ 5°)",
    "held": "Held at the goal", "auc": "Probe AUC", "accuracy": "Probe accuracy",
    "action_error": "Action error", "denoising_loss": "Denoising loss",
    "mmd2": "MMD$^2$ (held-out)", "margin": "Probe margin $d'$",
}  # fmt: skip
CHANCE = {"auc": 0.5, "mlp_auc": 0.5, "accuracy": 0.5, "mmd2": 0.0, "margin": 0.0}


@dataclass(frozen=True)
class Metric:
    """What is measured of a run; as text, its column in the table of runs.

    Args:
        kind: rollout, held_out (on held-out episodes), motion (of its paths), probe, geometry or task.
        place: The world, the domain or the site; of tasks and geometry also `aligned`, the site that training
            aligned.
        name: As score, success or auc.

    Raises:
        InputError: There is no such kind, no place, or the name has a slash.

    >>> Metric.parse("rollout/lab/real/score")
    Metric(kind='rollout', place='lab/real', name='score')
    """

    kind: str
    place: str
    name: str

    def __post_init__(self):
        if self.kind not in KINDS or not self.place or not self.name or "/" in self.name:
            raise InputError(f"metric {str(self)!r}: expected KIND/PLACE/NAME, a kind of {', '.join(KINDS)}")

    @classmethod
    def parse(cls, column: str) -> "Metric":
        """The metric of a column: its kind from the left, its name from the right."""
        kind, _, rest = column.partition("/")
        place, _, name = rest.rpartition("/")
        return cls(kind, place, name)

    @classmethod
    def among(cls, columns: Iterable[str]) -> list["Metric"]:
        """Those of some columns that are metrics; axes of a sweep and summaries of training are not."""
        return [cls.parse(c) for c in columns if c.startswith(tuple(f"{kind}/" for kind in KINDS))]

    def __str__(self) -> str:
        return f"{self.kind}/{self.place}/{self.name}"

    @property
    def ends(self) -> tuple[str, str]:
        """The columns of both ends of its interval."""
        return f"{self}_low", f"{self}_high"

    @property
    def count(self) -> str:
        """The column of how many trials a rate is of that went so."""
        return f"{self}_count"

    @property
    def is_rate(self) -> bool:
        """Whether it is 0 or 1 in each trial."""
        return self.kind == "rollout" and is_rate(self.name)

    @property
    def by_trial(self) -> bool:
        """Whether it is of single trials or held-out episodes, which all runs of a sweep share."""
        return self.kind in ("rollout", "held_out")

    @property
    def sign(self) -> int:
        """1 where more is better, -1 of errors."""
        return -1 if self.kind == "held_out" else 1

    @property
    def bounds(self) -> tuple[float, float]:
        """What it cannot leave."""
        if self.kind == "task":  # R²
            return -np.inf, 1.0
        if self.kind == "held_out":
            return 0.0, np.inf
        if self.name == "mixing":  # relative to chance, so it may exceed 1
            return 0.0, np.inf
        return (0.0, 1.0) if self.name in SHARES or self.is_rate else (-np.inf, np.inf)

    @property
    def largest(self) -> float:
        """The largest difference that there can be."""
        return self.bounds[1] - self.bounds[0]

    @property
    def title(self) -> str:
        """What figures call it, without its place."""
        return TITLES.get(self.name, self.name)

    @property
    def chance(self) -> float | None:
        """Its value where sim and real are alike, if it says how far they are told apart."""
        return CHANCE.get(self.name)
