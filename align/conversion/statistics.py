"""Statistics of a data set as LeRobot keeps them, to normalise by: of each feature, and of each episode."""

from collections.abc import Sequence
from typing import Any

import numpy as np

QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
_SAMPLED = 100  # frames of an episode that statistics of its images are of, as LeRobot's of a short one


def vector_statistics(values: np.ndarray) -> dict[str, list]:
    """Of rows (T, D): of each column minimum, maximum, mean, deviation and quantiles; and how many rows."""
    values = values.astype(np.float64)
    found = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    found |= dict(zip(QUANTILES, np.quantile(values, list(QUANTILES.values()), axis=0), strict=True))
    return {name: value.tolist() for name, value in found.items()} | {"count": [len(values)]}


class ImageTally:
    """Counts pixels of each value (C, 256) of some frames, which is all that their statistics need.

    Args:
        length: Frames of the episode, evenly spaced ones of which are counted.
    """

    def __init__(self, length: int = 0):
        chosen = np.linspace(0, length - 1, min(length, _SAMPLED)).round().astype(int) if length else []
        self._chosen, self._seen, self.frames = set(map(int, chosen)), 0, 0
        self.counts = np.zeros((0, 256), np.int64)

    def add(self, images: np.ndarray) -> None:
        """Count what is chosen of the next frames (n, H, W, C) uint8."""
        for image in images:
            if self._seen in self._chosen:
                channels = image.reshape(-1, image.shape[-1]).T
                counts = np.stack([np.bincount(channel, minlength=256) for channel in channels])
                self.counts = counts if not len(self.counts) else self.counts + counts
                self.frames += 1
            self._seen += 1

    def merge(self, other: "ImageTally") -> None:
        """Count what another has counted, too."""
        self.counts = other.counts + (self.counts if len(self.counts) else 0)
        self.frames += other.frames

    def statistics(self) -> dict[str, list]:
        """As `vector_statistics`, of each channel, (C, 1, 1), pixels from 0 to 1."""
        found: dict[str, Any] = {}
        values, total = np.arange(256) / 255, self.counts.sum(1, keepdims=True)
        share = self.counts / total
        found["min"] = [values[row > 0].min() for row in self.counts]
        found["max"] = [values[row > 0].max() for row in self.counts]
        found["mean"] = mean = share @ values
        found["std"] = np.sqrt((share * (values - mean[:, None]) ** 2).sum(1))
        below = np.cumsum(self.counts, axis=1)
        for name, q in QUANTILES.items():
            found[name] = [
                values[np.searchsorted(row, q * n)] for row, n in zip(below, total[:, 0], strict=True)
            ]
        shaped = {name: np.reshape(value, (-1, 1, 1)).tolist() for name, value in found.items()}
        return shaped | {"count": [self.frames]}


def columns_of(statistics: Sequence[dict[str, dict[str, list]]]) -> dict[str, list]:
    """Columns "stats/FEATURE/WHAT", an episode a row."""
    first = statistics[0]
    return {
        f"stats/{feature}/{what}": [of[feature][what] for of in statistics]
        for feature in first
        for what in first[feature]
    }
