"""Task probes: how well can action, block pose and pusher position be read from an embedding?

Ridge regression, in four cells: trained and tested on either domain. Within a domain it is
cross-validated by episode; across domains it is trained on all of one and tested on all of the other.
Features and targets are standardised by the training windows, features that move little by half the middle
one's deviation instead of their own. The penalty is chosen among the training windows, by another split by
episode. Each is repeated with the embeddings of an untrained policy: what those hold, the training did not
put there.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import scipy.linalg
import sklearn
from sklearn.model_selection import GroupKFold
from sklearn.preprocessing import StandardScaler

from align.analysis.statistics.intervals import Interval, percentile
from align.analysis.statistics.probing.cross_validation import FOLDS, Standardiser
from align.analysis.statistics.probing.probe import Embeddings
from align.domain import Domain
from align.seeding import numpy_rng

INNER_FOLDS = 3
PENALTIES = (1e-3, 1e-2, 1e-1, 1.0, 10.0)  # a window and standardised feature
CELLS = tuple((train, test) for train in Domain for test in Domain)
LEAST = 0.5  # of the median deviation: features that move less are scaled by this instead of their own
DRAWS = 1000


@dataclass(frozen=True)
class Decoded:
    """How well one task is read from one embedding: R² by (training domain, test domain)."""

    cells: dict[tuple[Domain, Domain], Interval]
    each: dict[tuple[Domain, Domain], list[float]]  # of each dimension of the task

    def summary(self) -> dict:
        """The numbers of `task_probe.json`."""
        return {
            f"{train.label}_to_{test.label}": {
                **self.cells[train, test].as_dict(),
                "each": [float(r) if np.isfinite(r) else None for r in self.each[train, test]],
            }
            for train, test in CELLS
        }


def decode(
    x: np.ndarray, tasks: Mapping[str, np.ndarray], data: Embeddings, seed: int = 0
) -> dict[str, Decoded]:
    """R² of every task in all four cells; the tasks share the work but not the penalty.

    R² is 1 − (squared error) / (squared deviation from the mean of the test windows), a dimension of the
    task at a time, averaged over those that vary. Across domains it may be far below 0: a constant would
    be 0 at best. The interval is a bootstrap over test episodes; it takes the regression as it is, and within
    a domain is stretched for overlapping training folds, as in `discrimination`.

    Args:
        x: (N, D) embeddings.
        tasks: (N, q) of each, what is decoded.
        data: Their `domain` and `episode`.
        seed: Of folds and bootstraps.
    """
    rows = {d: np.flatnonzero(data.domain == d) for d in Domain}
    y, ends = np.concatenate(list(tasks.values()), axis=1), np.cumsum([t.shape[1] for t in tasks.values()])
    part = {name: slice(end - tasks[name].shape[1], end) for name, end in zip(tasks, ends, strict=True)}
    decoded = {name: Decoded({}, {}) for name in tasks}
    for train, test in CELLS:
        rng = numpy_rng(seed, "task folds", int(train), int(test))
        a, b = rows[train], rows[test]
        if train == test:
            fold = episode_folds(data.episode[a], FOLDS, rng)
            predicted, folds = np.zeros_like(y[a]), int(fold.max()) + 1
            for k in range(folds):
                inside, outside = a[fold != k], a[fold == k]
                predicted[fold == k] = ridge(
                    x[inside], y[inside], data.episode[inside], x[outside], rng, part.values()
                )
        else:
            predicted, folds = ridge(x[a], y[a], data.episode[a], x[b], rng, part.values()), 1
        for name, columns in part.items():
            r2 = r_squared(y[b, columns], predicted[:, columns], data.episode[b], folds, seed)
            decoded[name].cells[train, test], decoded[name].each[train, test] = r2
    return decoded


def episode_folds(cluster: np.ndarray, folds: int, rng: np.random.Generator) -> np.ndarray:
    """The fold (N,) of each window, by scikit-learn's `GroupKFold`; no more folds than episodes."""
    split = GroupKFold(
        min(folds, len(np.unique(cluster))), shuffle=True, random_state=int(rng.integers(2**31))
    )
    fold = np.zeros(len(cluster), np.int64)
    for k, (_, test) in enumerate(split.split(cluster, groups=cluster)):
        fold[test] = k
    return fold


def ridge(
    x: np.ndarray,
    y: np.ndarray,
    cluster: np.ndarray,
    test: np.ndarray,
    rng: np.random.Generator,
    parts: Collection[slice],
) -> np.ndarray:
    """Predictions (M, q) for `test` (M, D), by ridge regression on `x` (N, D) and `y` (N, q).

    Minimises |Y − X W|² / N + C |W|² of standardised X and Y, with the C of `PENALTIES` of least error on
    held-out episodes of a grouped cross-validation: one C for each of `parts`, columns of `y`. The parts
    share the fits, which scikit-learn's `RidgeCV` would repeat for each of them; where it does not, it leaves
    out a window at a time, and windows of one episode give one another away.
    """
    fold = episode_folds(cluster, INNER_FOLDS, rng)
    errors = np.zeros((len(PENALTIES), y.shape[1]))
    with sklearn.config_context(assume_finite=True, skip_parameter_validation=True):
        for k in range(int(fold.max()) + 1):
            inside, outside = fold != k, fold == k
            regression = _Standardised(x[inside], y[inside])
            target = regression.targets.transform(y[outside])
            for i, predicted in enumerate(regression.predict(x[outside], PENALTIES)):
                errors[i] += np.sum((predicted - target) ** 2, axis=0)
        chosen = [int(np.argmin(errors[:, part].sum(1))) for part in parts]
        regression = _Standardised(x, y)
        used = sorted(set(chosen))
        paths = dict(zip(used, regression.predict(test, [PENALTIES[i] for i in used]), strict=True))
        predicted = np.zeros((len(test), y.shape[1]))
        for part, i in zip(parts, chosen, strict=True):
            predicted[:, part] = paths[i][:, part]
        return regression.targets.inverse_transform(predicted)


class _Levelled(Standardiser):
    """Divides no feature by less than `LEAST` times the median deviation of those that vary.

    A unit that hardly fires in one domain and does in the other would be blown up by the ratio of the two,
    and with it what a regression makes of its noise: to an R² of −1,000 and less.
    """

    def fit(self, X, y=None, sample_weight=None):
        """Mean and deviation of `X` (N, D)."""
        super().fit(X, y, sample_weight)
        varies = np.isfinite(self.scale_) & (self.var_ > 0)
        if varies.any():
            self.scale_[varies] = np.maximum(self.scale_[varies], LEAST * np.median(self.scale_[varies]))
        return self


class _Standardised:
    """Ridge regressions on standardised features and targets; a target that does not vary stays as it is."""

    def __init__(self, x: np.ndarray, y: np.ndarray):
        self.features, self.targets = _Levelled(), StandardScaler()
        self.x, self.y = self.features.fit_transform(x.astype(np.float64)), self.targets.fit_transform(y)

    def predict(self, x: np.ndarray, penalties: Collection[float]) -> list[np.ndarray]:
        """Standardised predictions (M, q) for `x` (M, D), one a penalty."""
        x = self.features.transform(x.astype(np.float64))
        return [x @ w for w in ridge_path(self.x, self.y, [c * len(self.x) for c in penalties])]


def ridge_path(x: np.ndarray, y: np.ndarray, penalties: Iterable[float]) -> Iterator[np.ndarray]:
    """Weights (D, q) that minimise |y − x w|² + penalty · |w|², one a penalty.

    scikit-learn's `ridge_regression(solver="cholesky")` multiplies x (N, D) with itself anew for each.
    """
    wide = x.shape[1] > len(x)
    gram = x @ x.T if wide else x.T @ x
    right = y if wide else x.T @ y
    for penalty in penalties:
        found = scipy.linalg.solve(gram + penalty * np.eye(len(gram)), right, assume_a="pos")
        yield x.T @ found if wide else found


def r_squared(
    y: np.ndarray, predicted: np.ndarray, cluster: np.ndarray, folds: int, seed: int
) -> tuple[Interval, list[float]]:
    """R² with its interval over episodes, and R² of each dimension (NaN where it does not vary)."""
    y, predicted = y - y.mean(0), predicted - y.mean(0)
    varies = y.std(0) > 1e-9 * (1 + np.abs(y).max(0))
    episodes, index = np.unique(cluster, return_inverse=True)

    def totals(values: np.ndarray) -> np.ndarray:
        return np.stack([np.bincount(index, column) for column in values.T], axis=1)  # (E, q)

    rng = numpy_rng(seed, "task episodes")
    n = len(episodes)
    weight = np.vstack([np.ones(n), rng.multinomial(n, np.full(n, 1 / n), size=DRAWS)])
    counts = weight @ np.bincount(index).astype(float)  # (1 + draws,)
    spread = weight @ totals(y**2) - (weight @ totals(y)) ** 2 / counts[:, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        values = 1 - (weight @ totals((predicted - y) ** 2)) / spread  # (1 + draws, q)
    each = np.where(varies, values[0], np.nan)
    if not varies.any():
        return Interval(np.nan, np.nan, np.nan), each.tolist()
    means = values[:, varies].mean(1)
    means = np.where(np.isfinite(means), means, np.nan)  # a resample of one still episode has no R²
    stretch = np.sqrt(n / max(n - 1, 1) * (1 + folds / (folds - 1) if folds > 1 else 1))
    return percentile(means[0], np.minimum(means[0] + stretch * (means[1:] - means[0]), 1)), each.tolist()
