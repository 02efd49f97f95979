"""The noise schedule, on diffusers' DDPM (training) and DDIM (inference) schedulers."""

from typing import Literal

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn

from align.errors import InputError


class NoiseSchedule(nn.Module):
    """A variance-preserving schedule: x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε.

    Args:
        train_steps: Number of diffusion steps T in training.
        beta_schedule: diffusers' name of the schedule.
        prediction: What the denoiser predicts: the noise ε ("epsilon") or the clean sample ("sample").
        inference_steps: Number of sampling steps; of DDIM a divisor of T.
        sampler: "ddim" or "ddpm".
        clip: Range to which the clean sample is clipped at every sampling step, in normalised units;
            `None` does not clip.

    Raises:
        InputError: A value is none of these.
    """

    alphas_cumprod: Tensor  # (T,) float32

    def __init__(
        self,
        train_steps: int = 100,
        beta_schedule: str = "squaredcos_cap_v2",
        prediction: Literal["epsilon", "sample"] = "epsilon",
        inference_steps: int = 10,
        sampler: Literal["ddim", "ddpm"] = "ddim",
        clip: float | None = 4.0,
    ):
        super().__init__()
        if prediction not in ("epsilon", "sample"):
            raise InputError(f"prediction={prediction!r}: expected 'epsilon' or 'sample'")
        if sampler not in ("ddim", "ddpm"):
            raise InputError(f"sampler={sampler!r}: expected 'ddim' or 'ddpm'")
        if not 1 <= inference_steps <= train_steps:
            raise InputError(f"inference_steps={inference_steps}: expected 1 to train_steps={train_steps}")
        if sampler == "ddim" and train_steps % inference_steps:
            # diffusers' DDIM takes steps of T // n from levels that lie T / n apart, and is biased between
            raise InputError(
                f"inference_steps={inference_steps}: expected a divisor of train_steps={train_steps} for ddim"
            )
        if clip is not None and not clip > 0:
            raise InputError(f"clip={clip}: expected a positive range, or null for none")
        self.train_steps, self.beta_schedule, self.prediction = train_steps, beta_schedule, prediction
        self.inference_steps, self.sampler, self.clip = inference_steps, sampler, clip
        try:
            alphas_cumprod = self._scheduler().alphas_cumprod
        except NotImplementedError:
            raise InputError(
                f"beta_schedule={beta_schedule!r}: expected one that diffusers has, e.g. 'squaredcos_cap_v2'"
            ) from None
        self.register_buffer("alphas_cumprod", alphas_cumprod.float(), persistent=False)

    def _scheduler(self) -> DDIMScheduler | DDPMScheduler:
        """A fresh scheduler; diffusers keeps the state of one sampling in it."""
        kind = DDIMScheduler if self.sampler == "ddim" else DDPMScheduler
        return kind(
            num_train_timesteps=self.train_steps,
            beta_schedule=self.beta_schedule,
            prediction_type=self.prediction,
            timestep_spacing="trailing",  # sampling begins at T − 1, where x is pure noise
            clip_sample=self.clip is not None,
            clip_sample_range=self.clip or 1.0,
        )

    @property
    def sigmas(self) -> Tensor:
        """(T,) noise level σ_t = √(1 − ᾱ_t) of each step, increasing."""
        return (1 - self.alphas_cumprod).sqrt()

    def inference_levels(self) -> Tensor:
        """(inference_steps,) noise levels at which sampling calls the denoiser, decreasing."""
        scheduler = self._scheduler()
        scheduler.set_timesteps(self.inference_steps)
        return self.sigmas[scheduler.timesteps.to(self.sigmas.device)]

    def add_noise(self, x0: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """x_t for clean samples (B, ...), noise of the same shape and steps (B,)."""
        signal = self.alphas_cumprod[steps].view(-1, *[1] * (x0.dim() - 1))
        return signal.sqrt() * x0 + (1 - signal).sqrt() * noise

    def target(self, x0: Tensor, noise: Tensor) -> Tensor:
        """What the denoiser should predict."""
        return noise if self.prediction == "epsilon" else x0

    @torch.no_grad()
    def sample(self, denoise, noise: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Denoise pure noise to samples.

        Args:
            denoise: Called as `denoise(x, steps)` with x (B, ...) and steps (B,); returns the prediction.
            noise: (B, ...) standard normal.
            generator: Draws the noise that DDPM adds on the way; DDIM needs none.

        Returns:
            (B, ...) samples.
        """
        scheduler = self._scheduler()
        scheduler.set_timesteps(self.inference_steps)
        x = noise
        for step in scheduler.timesteps:
            steps = torch.full((len(x),), int(step), device=x.device)
            x = scheduler.step(denoise(x, steps), int(step), x, generator=generator).prev_sample
        return x
