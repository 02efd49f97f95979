"""Noise that is fixed once for every data point, as the ambient loss needs it."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from align.domain import Domain
from align.seeding import numpy_rng


class FixedNoise:
    """Standard normal noise for every timestep of some trajectories.

    The noise of a timestep is a function of (seed, domain, episode, timestep) alone: windows that overlap
    agree on it, and so do workers, epochs and horizons. It lives where the denoiser does, in normalised
    actions. A window padded beyond its episode repeats a frame but not the frame's noise: each of the H steps
    the denoiser sees has its own, as when sampling.

    What it cannot promise: where the normaliser scales a timestep differently in two windows that share it,
    as it does step by step of the horizon, the two noisy copies together say more of it than either.

    Args:
        lengths: (E,) frames in each episode of the store.
        episode_ids: Numbers of the episodes that are used.
        before: Steps before an episode that a window may reach.
        after: Steps after it.
        action_dim: Action dimension A.
        seed: Seed of the noise.
        domain: Domain of the episodes.
    """

    def __init__(
        self,
        lengths: Sequence[int] | np.ndarray,
        episode_ids: Sequence[int] | np.ndarray,
        before: int,
        after: int,
        action_dim: int,
        seed: int,
        domain: Domain,
    ):
        rows, self._first, parts = 0, torch.zeros(len(lengths), dtype=torch.int64), []
        for episode in map(int, episode_ids):
            # Two streams that grow away from the episode's first step: neither depends on how far.
            forth = numpy_rng(seed, f"fixed noise/{domain.label}", episode)
            back = numpy_rng(seed, f"fixed noise before/{domain.label}", episode)
            parts.append(back.standard_normal((before, action_dim), np.float32)[::-1])
            parts.append(forth.standard_normal((int(lengths[episode]) + after, action_dim), np.float32))
            self._first[episode] = rows + before
            rows += before + int(lengths[episode]) + after
        self._noise = torch.from_numpy(np.concatenate(parts))  # (N, A)

    def gather(self, episode: Tensor, start: Tensor, horizon: int) -> Tensor:
        """Noise (n, H, A) of windows that begin at step `start` (n,), maybe negative, of `episode` (n,)."""
        rows = (self._first[episode] + start)[:, None] + torch.arange(horizon)
        return self._noise[rows]
