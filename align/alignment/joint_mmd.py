"""MMD between the joint distributions of embedding and action."""

from collections.abc import Sequence
from typing import Literal

from torch import Tensor

from align.alignment.mmd import (
    KERNELS,
    MMD,
    bandwidth_from_distances,
    centred,
    squared_distances,
)
from align.alignment.objective import Samples
from align.errors import InputError, check_numbers


class JointMMD(MMD):
    """MMD² of (embedding, action) pairs with a product kernel, k(z, z') · k(a, a').

    Only embeddings of similar actions attract each other, so that what the policy needs to choose its
    action is not pulled together merely because it comes from two domains (joint distribution alignment,
    Long et al. 2017, arXiv 1605.06636, with the action in the label's place).

    Args:
        of: What the embedding is joined with: the "action" sequence, or "agent_pos", the newest
            proprioception.
        of_bandwidth: σ² of its RBF kernel, in squared normalised units: a number, or the "median" or "mean"
            of the batch. Smaller compares only more alike actions.
        kernel: As in `MMD`, for the embedding; not "energy", whose products are no kernel of a distance.
        bandwidth, multipliers, unbiased, memory, ema_decay: As in `MMD`, for the embedding.
    """

    def __init__(
        self,
        of: Literal["action", "agent_pos"] = "action",
        of_bandwidth: Literal["median", "mean"] | float = "median",
        kernel: Literal["rbf", "laplacian"] = "rbf",
        bandwidth: Literal["median", "mean", "ema"] | float = "median",
        multipliers: Sequence[float] = (0.25, 0.5, 1.0, 2.0, 4.0),
        unbiased: bool = True,
        memory: int = 0,
        ema_decay: float = 0.99,
    ):
        super().__init__(kernel, bandwidth, multipliers, "quadratic", unbiased, memory, ema_decay)
        if kernel == "energy":
            raise InputError("kernel='energy': expected 'rbf' or 'laplacian', whose product is a kernel")
        if of not in ("action", "agent_pos"):
            raise InputError(f"of={of!r}: expected 'action' or 'agent_pos'")
        if isinstance(of_bandwidth, (int, float)):
            check_numbers("(0, 1e12]", of_bandwidth=of_bandwidth)
        elif of_bandwidth not in ("median", "mean"):
            raise InputError(f"of_bandwidth={of_bandwidth!r}: expected a number > 0, 'median' or 'mean'")
        self.of, self.of_bandwidth = of, of_bandwidth

    def distance(self, sim: Samples, real: Samples) -> Tensor:
        """MMD² between the pairs; scalar, with gradient through the embeddings."""
        x, y = joined(sim, self.of), joined(real, self.of)
        distances = squared_distances(x, x), squared_distances(y, y), squared_distances(x, y)
        sigma2 = self.of_bandwidth
        if not isinstance(sigma2, (int, float)):
            sigma2 = bandwidth_from_distances(*distances, sigma2)
        alike = tuple(KERNELS["rbf"](d / sigma2) for d in distances)
        return self._mmd2(*centred(sim.embedding, real.embedding), alike)


def joined(samples: Samples, of: str) -> Tensor:
    """What embeddings are joined with, (n, Q).

    Raises:
        InputError: The samples do not have it.
    """
    found = getattr(samples, of)
    if found is None:
        raise InputError(f"of={of!r}: the samples have none, expected a tensor (n, Q)")
    return found
