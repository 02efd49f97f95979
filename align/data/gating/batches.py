"""Batches of gated windows: samples with their diffusion steps, thresholds and fixed noise."""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

from align.data.gating.fixed_noise import FixedNoise
from align.data.gating.levels import Gating, bands, everywhere, up_to
from align.data.gating.sampler import GatedSampler
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.domain import Domain
from align.errors import InputError


class GatedBatches:
    """What training sees where noise levels are gated: a pure function of (seed, step).

    Args:
        gating: At which noise levels sim windows are used.
        windows: Training windows of each domain.
        normalizer: The normaliser of training.
        sigmas: (T,) noise level of each diffusion step.
        batch_size: Windows a batch.
        draws: Noise draws a window, k.
        alpha: Share of real where all windows are admitted.
        seed: Seed of the draws and of the fixed noise.
        balanced: Draw both domains alike where all windows are admitted; see `GatedSampler`.
        admission: Level above which a window trusted above σ_min is used; see `Ambient.admission`.

    Attributes:
        sigma_min: (n,) level of each sim window, 1 where it is never used.
        dataset_sigma_min: That of the data set.

    Raises:
        InputError: A domain or a diffusion step is left without windows, or the annotation is of others.
    """

    def __init__(
        self,
        gating: Gating,
        windows: Mapping[Domain, Windows],
        normalizer: Normalizer,
        sigmas: Tensor,
        batch_size: int,
        draws: int,
        alpha: float,
        seed: int,
        balanced: bool = False,
        admission: Callable[[Tensor], Tensor] | None = None,
    ):
        self.windows, self.sigmas = windows, sigmas.cpu()
        self.sigma_min, self.dataset_sigma_min, self._sigma_max = gating.thresholds(
            windows[Domain.SIM], normalizer
        )
        level = admission or (lambda sigma: sigma)
        self._level, n_real = level(self.sigma_min), len(windows[Domain.REAL])
        self._edge = float(level(torch.tensor(self.dataset_sigma_min)))
        sim = bands(self.sigmas, self._level, self._sigma_max)
        real = up_to(self.sigmas, self._edge, n_real) if gating.exclusive else everywhere(n_real)
        self.sampler = GatedSampler(
            {Domain.SIM: sim, Domain.REAL: real}, len(sigmas), batch_size, draws, alpha, seed, balanced
        )
        self._never = int((sim.above >= len(sigmas)).logical_and(sim.below == 0).sum())
        self._trusted = {Domain.SIM: self.sigma_min, Domain.REAL: torch.zeros(n_real)}
        self._noise = {
            d: FixedNoise(
                w.episodes.lengths, w.episode_ids, w.n_obs_steps - 1, w.horizon, w.action_dim, seed, d
            )
            for d, w in windows.items()
        }

    def batch(self, step: int, rank: int = 0, processes: int = 1) -> dict[str, Tensor]:
        """The share of one process in the batch of a training step.

        Returns:
            What `Windows.gather` does, of sim then real windows, and "domain" (B,); "diffusion_steps" (B, k)
            int64; "weight" (B,) of each sample's loss and "draw_weight" (B, k) of its draws, of mean 1;
            "sigma_min" (B,), 0 for real windows; "fixed_noise" (B, H, A) in normalised actions.

        Raises:
            InputError: The batch does not divide by the number of processes.
        """
        if self.sampler.batch_size % processes:
            raise InputError(f"batch_size={self.sampler.batch_size}: does not divide by {processes} devices")
        parts = []
        for domain, draw in self.sampler.batch(step, rank, processes).items():
            part = self.windows[domain].gather(draw.index)
            episode, start = (key[draw.index] for key in self.windows[domain].keys())
            weight = draw.weight.mean(1)
            parts.append(
                {
                    **part,
                    "domain": torch.full((len(draw.index),), int(domain)),
                    "diffusion_steps": draw.steps,
                    "weight": weight,
                    "draw_weight": torch.where(weight[:, None] > 0, draw.weight / weight[:, None], 1.0),
                    "sigma_min": self._trusted[domain][draw.index],
                    "fixed_noise": self._noise[domain].gather(episode, start, part["action"].shape[1]),
                }
            )
        return {key: torch.cat([part[key] for part in parts]) for key in parts[0]}

    def describe(self, lowest: float) -> str:
        """What is gated, for the log.

        Args:
            lowest: Lowest noise level at which sampling calls the denoiser.
        """
        used = self._level[self._level < 1]
        levels = sorted({f"{float(level):.3f}" for level in (used.min(), used.max())}) if len(used) else []
        text = f"sim is used above σ = {' to '.join(levels) or '1'}"
        if self._sigma_max is not None:
            text += f" and below {self._sigma_max:.3f}"
        text += f"; {100 * self.sampler.real_share:.1f} % of a batch are real"
        if self._never:
            text += f"; {self._never} sim windows are never used"
        if 0 < self._edge <= lowest:
            text += (
                f". Sampling ends at σ = {lowest:.3f}, above the threshold: the levels that real windows "
                "have to themselves are not visited; expected more inference_steps"
            )
        return text
