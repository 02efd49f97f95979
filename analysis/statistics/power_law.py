"""How an error falls with the sizes of the data: error = c · |D_sim|^-a · |D_real|^-b.

The exponents are those of linear least squares between logarithms. Runs of one cell (a combination of
sizes) share more than their sizes, such as the demonstrations that were drawn, and need not be independent
about the law; so each cell counts as one observation, the mean of its log errors, and the intervals are
Student's with the degrees of freedom of the cells. Where all runs are independent nothing is lost but a few
degrees of freedom. Errors on different held-out episodes differ by a factor, which is fitted, too.
"""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import t as student

from align.analysis.statistics.intervals import LEVEL, Interval
from align.errors import InputError


class PowerLaw(NamedTuple):
    """error = constant · Π size^-exponent."""

    exponents: dict[str, Interval]
    constant: float
    r2: float  # of the log errors of single runs, each split's factor taken out
    cells: int
    runs: int
    errors: np.ndarray  # (runs,) as given, each split's factor taken out

    def __call__(self, sizes: Mapping[str, ArrayLike]) -> np.ndarray:
        """The error at `sizes`, by the same names."""
        powers = [np.asarray(sizes[name], float) ** -e.value for name, e in self.exponents.items()]
        return self.constant * np.prod(np.broadcast_arrays(*powers), axis=0)


def fit_power_law(
    sizes: Mapping[str, ArrayLike],
    error: ArrayLike,
    split: ArrayLike | None = None,
) -> PowerLaw:
    """Fit the law to runs.

    Args:
        sizes: By name, the size of each run's data (n,), positive.
        error: The error of each run (n,), positive.
        split: Which held-out episodes each error is on (n,); by default the same for all.

    Raises:
        InputError: A number is not positive, or there are not more cells than the law has numbers, or their
            sizes or splits do not tell the exponents apart.
    """
    table = np.stack([np.asarray(values, float) for values in sizes.values()], axis=1)  # (n, K)
    y = np.asarray(error, float)
    if y.shape != table.shape[:1] or not (np.isfinite(table).all() and (table > 0).all() and (y > 0).all()):
        raise InputError(
            f"sizes {list(sizes)}, error of shape {y.shape}: expected positive numbers, one a run"
        )
    cells, of_run = np.unique(table, axis=0, return_inverse=True)
    of_run = of_run.reshape(-1)
    design = _design(cells)
    freedom = len(cells) - design.shape[1]
    if freedom < 1 or np.linalg.matrix_rank(design) < design.shape[1]:
        raise InputError(
            f"sizes: {len(cells)} different combinations of {', '.join(sizes)}; expected at least "
            f"{design.shape[1] + 1}, with several values of each that do not change together"
        )
    logs = np.log(y) - _offsets(_design(table), np.log(y), split)
    mean = np.bincount(of_run, logs) / np.bincount(of_run)
    beta, *_ = np.linalg.lstsq(design, mean, rcond=None)
    residual = mean - design @ beta
    covariance = residual @ residual / freedom * np.linalg.inv(design.T @ design)
    half = student.ppf((1 + LEVEL) / 2, freedom) * np.sqrt(np.diag(covariance))
    exponents = {
        name: Interval(-b, -b - h, -b + h)
        for name, b, h in zip(sizes, beta[1:].tolist(), half[1:].tolist(), strict=True)
    }
    rest = logs - _design(table) @ beta
    total = np.sum((logs - logs.mean()) ** 2)
    r2 = 1 - rest @ rest / total if total > 0 else np.nan
    return PowerLaw(exponents, float(np.exp(beta[0])), float(r2), len(cells), len(y), np.exp(logs))


def _design(sizes: np.ndarray) -> np.ndarray:
    """Rows (1, log size, ...)."""
    return np.column_stack([np.ones(len(sizes)), np.log(sizes)])


def _offsets(design: np.ndarray, logs: np.ndarray, split: ArrayLike | None) -> np.ndarray:
    """What the split of each run adds to its log error, 0 on average over runs."""
    if split is None:
        return np.zeros(len(logs))
    of = np.asarray(split)
    dummies = (of[:, None] == np.unique(of)[1:]).astype(float)  # the first is in the constant
    both = np.column_stack([design, dummies])
    if np.linalg.matrix_rank(both) < both.shape[1]:
        raise InputError("split: changes together with the sizes; expected several sizes in each split")
    beta, *_ = np.linalg.lstsq(both, logs, rcond=None)
    offsets = dummies @ beta[design.shape[1] :]
    return offsets - offsets.mean()
