"""What an interval is, and the two that need no model: Wilson's of a count, the percentiles of resamples.

Every interval is two-sided. Those of scores, rates and differences over trainings and trials are in `trials`;
those of probes resample whole episodes, with weights of their own (`probing`).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtri

from align.errors import InputError

LEVEL = 0.95  # of every interval
NORMAL = float(ndtri((1 + LEVEL) / 2))  # the quantile of the normal distribution that goes with it


def minus(number: str) -> str:
    """A number, or several, with the sign that is read as a minus instead of a hyphen."""
    return number.replace("-", "−")


def decimals(number: float, digits: int, sign: str = "") -> str:
    """A number in decimals; up to four more, so that one which is not 0 does not look like it.

    Args:
        number: The number.
        digits: Decimals.
        sign: "+" to have it before what is above 0.
    """
    enough = next(
        (d for d in range(digits, digits + 5) if number == 0 or float(f"{number:.{d}f}") != 0), digits
    )
    text = f"{number:{sign}.{enough}f}"
    return text if any(c in "123456789" for c in text) or not np.isfinite(number) else text.lstrip("+-")


class Interval(NamedTuple):
    """An estimate and the two ends of its confidence interval, in the estimate's own unit."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if np.isnan([self.low, self.high]).all():  # nothing is known of them
            return minus(f"{self.value:.2f}")
        return minus(f"{self.value:.2f} [{decimals(self.low, 2)}, {decimals(self.high, 2)}]")

    def as_dict(self) -> dict[str, float | None]:
        """The three numbers under their names, None for what is not a number (JSON has no NaN)."""
        return {name: float(x) if np.isfinite(x) else None for name, x in self._asdict().items()}

    @classmethod
    def from_dict(cls, numbers: dict[str, float | None]) -> "Interval":
        """The inverse of `as_dict`."""
        return cls(*(np.nan if numbers[name] is None else numbers[name] for name in cls._fields))


def wilson(successes: ArrayLike, n: ArrayLike) -> Interval:
    """Wilson's score interval of a success rate (Wilson 1927).

    Args:
        successes: Number of successes, a scalar or an array.
        n: Number of trials, of the same shape. Zero trials give the value NaN in [0, 1].

    Returns:
        The rate and its interval; its fields are arrays where the arguments are.

    Raises:
        InputError: A count is negative, or there are more successes than trials.
    """
    x, n = np.asarray(successes, float), np.asarray(n, float)
    if np.any((x < 0) | (x > n)):
        raise InputError(f"successes={successes} of n={n}: expected 0 <= successes <= n")
    z2 = NORMAL**2
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = x / n
    centre = (x + z2 / 2) / (n + z2)
    half = np.sqrt(z2 * (x * np.where(n > 0, 1 - np.nan_to_num(rate), 0) + z2 / 4)) / (n + z2)
    low = np.where(x == 0, 0.0, np.maximum(centre - half, 0))
    high = np.where(x == n, 1.0, np.minimum(centre + half, 1))
    return Interval(rate, low, high) if rate.ndim else Interval(float(rate), float(low), float(high))


def percentile(
    value: float, resampled: np.ndarray, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Interval:
    """The percentile interval of `resampled` (draws,), NaN draws left out, widened to hold `value`."""
    low, high = np.clip(np.nanquantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]), *bounds)
    return Interval(float(value), float(min(low, value)), float(max(high, value)))
