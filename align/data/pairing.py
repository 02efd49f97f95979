"""Sim windows that show the same stage of the same motion as real ones (OT-Sim2Real, arXiv 2509.18631).

Demonstrations are compared by dynamic time warping, and windows are paired along the warping paths, so that
an objective which matches sim with real samples finds in each batch samples that should match.
"""

import dataclasses
import hashlib
import json
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from align.data.warping import Warping, warp
from align.data.windows import Windows
from align.domain import Domain
from align.errors import COUNT, InputError, check_numbers
from align.files import atomic_path, user_path
from align.run.reading import read_table

Key = Literal["agent_pos", "action", "state"]
SCHEMA = {
    "demonstration": ("iu", 1),
    "cumulative": ("f", 2),
    "low": ("iu", 2),
    "high": ("iu", 2),
    "distance": ("f", 2),
    "n_windows": ("iu", 0),
}
"""What the cache holds of pairs."""
FORMAT = 1  # of what the cache holds and how it is computed


@dataclasses.dataclass
class Partners:
    """Which sim windows go with each real one: R real demonstrations with K sim demonstrations each.

    Attributes:
        demonstration: Which of the R a real window is of, (n_real,) int64.
        cumulative: Cumulative probabilities of the K, (R, K) float64.
        low: First sim window aligned with a real one in each of the K, (n_real, K) int32.
        high: Last such sim window, (n_real, K) int32.
        distance: Mean distance along the warping path, (R, K) float64.
        n_windows: Sim windows.
    """

    demonstration: Tensor
    cumulative: Tensor
    low: Tensor
    high: Tensor
    distance: Tensor
    n_windows: int

    def draw(self, real: Tensor, generator: torch.Generator) -> Tensor:
        """Partners of real windows: of each a demonstration by its weight, then a step on the path.

        Args:
            real: Numbers of real windows, (n,) int64.
            generator: Source of the draws.

        Returns:
            Numbers of sim windows, (n,) int64.
        """
        which, where = torch.rand(2, len(real), generator=generator, dtype=torch.float64)
        cumulative = self.cumulative[self.demonstration[real]]
        chosen = torch.searchsorted(cumulative, which[:, None], right=True)[:, 0]
        low, high = self.low[real, chosen].long(), self.high[real, chosen].long()
        return low + (where * (high - low + 1)).long()

    def reach(self) -> float:
        """Effective share of the sim windows that partners come from: 1 where all are equally likely.

        It is `1 / (n Σ p²)`, p being a sim window's probability in a walk through all real windows.
        """
        probability = torch.diff(self.cumulative, prepend=self.cumulative.new_zeros(len(self.cumulative), 1))
        width = self.high.long() - self.low.long() + 1
        rate = (
            probability[self.demonstration] / width / len(self.demonstration)
        )  # of each window in the range
        steps = torch.zeros(self.n_windows + 1, dtype=torch.float64)
        steps.index_add_(0, self.low.long().flatten(), rate.flatten())
        steps.index_add_(0, self.high.long().flatten() + 1, -rate.flatten())
        return 1 / (self.n_windows * float(steps.cumsum(0).square().sum()))


@dataclasses.dataclass(frozen=True)
class Pairing:
    """Temporally aligned pairs of sim and real windows.

    Real windows are drawn as ever. A partner of one is drawn in two steps: a sim demonstration with a
    probability proportional to `1 / (1 + exp(slope · (d − midpoint)))`, d being the mean distance along the
    warping path between the two demonstrations, and then a window that the path aligns with the real one.
    What is warped are the windows' newest observations, so that every step on a path is a window of both.

    Pairing changes what the policy is trained on, not the alignment alone. Both losses see one batch, so
    paired sim windows are no longer uniform over the sim data but crowd where real demonstrations are; the
    effective share of sim that they reach is in the first line of the log. The paper draws the batch of its
    denoising loss apart. A `share` below 1 leaves room for sim windows drawn as ever, and so does a larger
    quota of sim than of real; a comparison with an arm without pairing compares this, too.

    Args:
        key: What is warped: "agent_pos" (proprioception), "action" or "state". Each dimension is scaled to
            [-1, 1] over the training data of both domains; distances are Euclidean. Angles that wrap around
            are not treated as such.
        neighbours: Nearest sim demonstrations that a real one may be paired with; `None` is all of them.
        slope: Steepness of the weight; 10 in the paper, in its units. 0 makes all of them equally likely.
        midpoint: Distance at which the weight is a half; 0.01 in the paper, in its units.
        window: A partner may be so many steps before or after those that the path aligns.
        share: Share of the pairs that a batch has room for, `min(sim, real)`, that are drawn as pairs.
        cache: Folder in which the pairs are kept, by a hash of the data and of these arguments; `None`
            computes them in each run (50 real and 600 sim demonstrations of 100 steps take seconds).

    Raises:
        InputError: An argument is out of range.
    """

    key: Key = "agent_pos"
    neighbours: int | None = None
    slope: float = 10.0
    midpoint: float = 0.01
    window: int = 0
    share: float = 1.0
    cache: str | None = None

    def __post_init__(self):
        if self.key not in get_args(Key):
            raise InputError(f"pairing.key={self.key!r}: expected one of {', '.join(get_args(Key))}")
        check_numbers(COUNT, whole=True, **{"pairing.neighbours": self.neighbours})
        check_numbers("[0, 1e6]", **{"pairing.slope": self.slope})
        check_numbers("[-1e6, 1e6]", **{"pairing.midpoint": self.midpoint})
        check_numbers("[0, 1e9]", whole=True, **{"pairing.window": self.window})
        check_numbers("(0, 1]", **{"pairing.share": self.share})

    def match(self, sim: Windows, real: Windows) -> Partners:
        """Find the partners of every real window.

        Args:
            sim: Training windows of sim.
            real: Training windows of real.

        Raises:
            InputError: A domain has no window or lacks the key, the key's dimensions differ, or the cached
                file is damaged.
        """
        x, y = self._sequences(sim, real)
        if self.cache is None:
            return self._match(x, y)
        path = user_path(self.cache) / f"pairs-{self._hash(x, y)}.npz"
        if not path.exists():
            partners = self._match(x, y)
            arrays = {name: np.asarray(value) for name, value in vars(partners).items()}
            with atomic_path(path) as target:
                np.savez(target, **arrays)
            return partners
        expected = "pairs as pairing.cache keeps them; delete it"
        arrays = read_table(path, SCHEMA, expected)
        real, sim = sum(map(len, x)), sum(map(len, y))
        low, high = arrays["low"], arrays["high"]
        if (
            (len(arrays["demonstration"]), len(low), arrays["n_windows"]) != (real, real, sim)
            or low.shape != high.shape
            or not arrays["cumulative"].shape == arrays["distance"].shape == (len(x), low.shape[1])
            or not ((low >= 0) & (low <= high) & (high < sim)).all()
            or not (arrays["cumulative"][:, -1:] == 1).all()
            or (np.diff(arrays["cumulative"], axis=1, prepend=0) < 0).any()
            or not ((arrays["demonstration"] >= 0) & (arrays["demonstration"] < len(x))).all()
        ):
            raise InputError(f"{path}: its arrays do not go together; expected {expected}")
        tensors = {name: torch.from_numpy(array) for name, array in arrays.items() if array.ndim}
        return Partners(**tensors, n_windows=sim)

    def _sequences(self, sim: Windows, real: Windows) -> tuple[list[np.ndarray], list[np.ndarray]]:
        """The key at the windows of each real and each sim demonstration that has any, on one scale."""
        values = {}
        for domain, windows in ((Domain.REAL, real), (Domain.SIM, sim)):
            stored = getattr(windows.episodes, self.key)
            if stored is None:
                raise InputError(
                    f"pairing.key={self.key!r}: the {domain.label} demonstrations have none; expected another"
                )
            if not len(windows):
                raise InputError(f"pairing: {domain.label} has no training windows; expected some to pair")
            values[domain] = stored[windows.newest.numpy()].astype(np.float64)
        shapes = {domain.label: v.shape[1] for domain, v in values.items()}
        if len(set(shapes.values())) > 1:
            raise InputError(
                f"pairing.key={self.key!r}: dimensions {shapes}; expected as many in both domains"
            )
        pooled = np.concatenate(list(values.values()))
        low, high = pooled.min(0), pooled.max(0)
        scale = np.where(high > low, (high - low) / 2, 1)
        x, y = (
            np.split((values[domain] - (high + low) / 2) / scale, np.cumsum(counts[counts > 0])[:-1])
            for domain, counts in ((Domain.REAL, real.counts), (Domain.SIM, sim.counts))
        )
        return x, y

    def _match(self, x: list[np.ndarray], y: list[np.ndarray]) -> Partners:
        lengths = np.array([len(v) for v in y])
        start = np.cumsum(lengths) - lengths
        n_partners = min(self.neighbours or len(y), len(y))
        low, high, distance = [], [], []
        for motion in x:
            warping = warp([motion] * len(y), y)
            mean = warping.cost / warping.length
            nearest = np.argsort(mean, kind="stable")[:n_partners]
            distance.append(mean[nearest])
            first, last = self._steps(warping, nearest, lengths)  # (K, T)
            low.append((start[nearest, None] + first).T)
            high.append((start[nearest, None] + last).T)
        distance = np.stack(distance)
        cumulative = np.cumsum(self.probabilities(distance), 1)
        return Partners(
            demonstration=torch.from_numpy(np.repeat(np.arange(len(x)), [len(v) for v in x])),
            cumulative=torch.from_numpy(cumulative / cumulative[:, -1:]),  # ends at 1 exactly
            low=torch.from_numpy(np.concatenate(low).astype(np.int32)),
            high=torch.from_numpy(np.concatenate(high).astype(np.int32)),
            distance=torch.from_numpy(distance),
            n_windows=int(lengths.sum()),
        )

    def _steps(self, warping: Warping, chosen: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, ...]:
        """First and last steps of the chosen that go with each step, (K, T), within their lengths."""
        end = lengths[chosen, None] - 1
        first = np.maximum(warping.first[chosen] - self.window, 0)
        return first, np.minimum(warping.last[chosen] + self.window, end)

    def probabilities(self, distance: np.ndarray) -> np.ndarray:
        """Probabilities of partners by their distances, both (R, K); rows sum to 1, however far all are."""
        log_weight = -np.logaddexp(0, self.slope * (distance - self.midpoint))
        weight = np.exp(log_weight - log_weight.max(1, keepdims=True))
        return weight / weight.sum(1, keepdims=True)

    def _hash(self, x: list[np.ndarray], y: list[np.ndarray]) -> str:
        arguments = dataclasses.asdict(self)
        used = {name: v for name, v in arguments.items() if name not in ("share", "cache")}
        digest = hashlib.blake2b(json.dumps([FORMAT, used], sort_keys=True).encode(), digest_size=12)
        for values in (*x, *y):
            digest.update(str(values.shape).encode())
            digest.update(np.ascontiguousarray(values).tobytes())
        return digest.hexdigest()
