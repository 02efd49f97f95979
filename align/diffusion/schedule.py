"""The noise schedule, on diffusers' DDPM (training) and DDIM (inference) schedulers."""

from collections.abc import Callable
from typing import Literal

import torch
from diffusers import DDIMScheduler, DDPMScheduler
from torch import Tensor, nn

from align.errors import SIZE, InputError, check_numbers

Generators = torch.Generator | list[torch.Generator]

FAINT = 0.01
"""Signal level √ᾱ below which predicted noise tells nothing of the clean sample."""


class NoiseSchedule(nn.Module):
    """A variance-preserving schedule: x_t = √ᾱ_t · x_0 + √(1 − ᾱ_t) · ε.

    Args:
        train_steps: Number of diffusion steps T in training.
        beta_schedule: diffusers' name of the schedule.
        prediction: What the denoiser predicts: the noise ε ("epsilon") or the clean sample ("sample").
        inference_steps: Number of sampling steps; of DDIM a divisor of T.
        sampler: "ddim" or "ddpm".
        clip: To what the clean sample is clipped at every sampling step: "data" is the range that `sample` is
            given, of the training data; a number c is ±c in normalised units; `None` does not clip.
        spacing: Which steps sampling visits: "trailing" begins at T − 1 and ends at T / n − 1, "leading" ends
            at 0. "auto" is trailing for clean samples and leading for noise: on a mixture of Gaussians that
            samples better for each, by up to 80 times at ten steps of noise. For noise, steps are left out
            where √ᾱ_t < `FAINT`, be they spaced as they may: the clean sample it implies is nothing there
            but the network's error, magnified 1 / √ᾱ_t times.

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
        clip: Literal["data"] | float | None = "data",
        spacing: Literal["auto", "leading", "trailing"] = "auto",
    ):
        super().__init__()
        if prediction not in ("epsilon", "sample"):
            raise InputError(f"prediction={prediction!r}: expected 'epsilon' or 'sample'")
        if sampler not in ("ddim", "ddpm"):
            raise InputError(f"sampler={sampler!r}: expected 'ddim' or 'ddpm'")
        check_numbers(SIZE, whole=True, train_steps=train_steps, inference_steps=inference_steps)
        if inference_steps > train_steps:
            raise InputError(f"inference_steps={inference_steps}: expected 1 to train_steps={train_steps}")
        if sampler == "ddim" and train_steps % inference_steps:
            # diffusers' DDIM takes steps of T // n from levels that lie T / n apart, and is biased between
            raise InputError(
                f"inference_steps={inference_steps}: expected a divisor of train_steps={train_steps} for ddim"
            )
        if isinstance(clip, str) and clip != "data":
            raise InputError(f"clip={clip!r}: expected 'data', a positive number, or null for none")
        check_numbers("(0, 1e6]", clip=None if clip == "data" else clip)
        if spacing not in ("auto", "leading", "trailing"):
            raise InputError(f"spacing={spacing!r}: expected 'auto', 'leading' or 'trailing'")
        self.train_steps, self.beta_schedule, self.prediction = train_steps, beta_schedule, prediction
        self.inference_steps, self.sampler = inference_steps, sampler
        self.clip, self.spacing = clip, spacing
        try:
            alphas_cumprod = self._scheduler().alphas_cumprod
        except NotImplementedError:
            raise InputError(
                f"beta_schedule={beta_schedule!r}: expected one that diffusers has, e.g. 'squaredcos_cap_v2'"
            ) from None
        self.register_buffer("alphas_cumprod", alphas_cumprod.float(), persistent=False)

    def _scheduler(self) -> DDIMScheduler | DDPMScheduler:
        """A fresh scheduler, which is told clean samples; diffusers keeps the state of one sampling in it."""
        kind = DDIMScheduler if self.sampler == "ddim" else DDPMScheduler
        spacing = {"sample": "trailing", "epsilon": "leading"}[self.prediction]
        return kind(
            num_train_timesteps=self.train_steps,
            beta_schedule=self.beta_schedule,
            prediction_type="sample",
            timestep_spacing=spacing if self.spacing == "auto" else self.spacing,
            clip_sample=False,
        )

    def _steps(self, scheduler: DDIMScheduler | DDPMScheduler) -> list[int]:
        """Steps at which sampling calls the denoiser, decreasing."""
        scheduler.set_timesteps(self.inference_steps)
        steps = scheduler.timesteps.tolist()
        if self.prediction == "sample":
            return steps
        return [t for t in steps if float(scheduler.alphas_cumprod[t]) >= FAINT**2] or steps[-1:]

    @property
    def sigmas(self) -> Tensor:
        """(T,) noise level σ_t = √(1 − ᾱ_t) of each step, increasing."""
        return (1 - self.alphas_cumprod).sqrt()

    def inference_levels(self) -> Tensor:
        """(n,) noise levels at which sampling calls the denoiser, decreasing."""
        return self.sigmas[self._steps(self._scheduler())]

    def ddim_steps(self) -> list[tuple[int, float, float]]:
        """Each of DDIM's sampling steps t, decreasing, with ᾱ_t and the ᾱ that it leads to."""
        scheduler = self._scheduler()
        steps, stride = self._steps(scheduler), self.train_steps // self.inference_steps
        signals, last = scheduler.alphas_cumprod, scheduler.final_alpha_cumprod
        return [(t, float(signals[t]), float(signals[t - stride] if t >= stride else last)) for t in steps]

    def add_noise(self, x0: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """x_t for clean samples (B, ...), noise of the same shape and steps (B,)."""
        signal = self.alphas_cumprod[steps].view(-1, *[1] * (x0.dim() - 1))
        return signal.sqrt() * x0 + (1 - signal).sqrt() * noise

    def target(self, x0: Tensor, noise: Tensor) -> Tensor:
        """What the denoiser should predict."""
        return noise if self.prediction == "epsilon" else x0

    def clean(self, prediction: Tensor, x: Tensor, step: int) -> Tensor:
        """The clean sample that a prediction at x_t (B, ...) implies."""
        if self.prediction == "sample":
            return prediction
        signal = self.alphas_cumprod[step]
        return (x - (1 - signal).sqrt() * prediction) / signal.sqrt()

    @torch.no_grad()
    def sample(
        self,
        denoise: Callable[[Tensor, Tensor], Tensor],
        noise: Tensor,
        generator: Generators | None = None,
        bounds: tuple[Tensor, Tensor] | None = None,
    ) -> Tensor:
        """Denoise pure noise to samples.

        The noise that a step goes on with is that of the *clipped* clean sample, so that the two agree.

        Args:
            denoise: Called as `denoise(x, steps)` with x (B, ...) and steps (B,); returns the prediction.
            noise: (B, ...) standard normal.
            generator: Draws the noise that DDPM adds on the way, one for all or a list of one a sample; DDIM
                needs none.
            bounds: Lowest and highest values (...) of the training data, for `clip="data"`; without them that
                does not clip.

        Returns:
            (B, ...) samples.
        """
        if self.clip != "data":
            bounds = None if self.clip is None else (-self.clip, self.clip)
        scheduler, x = self._scheduler(), noise
        for step in self._steps(scheduler):
            steps = torch.full((len(x),), step, device=x.device)
            x0 = self.clean(denoise(x, steps), x, step)
            x0 = x0 if bounds is None else x0.clamp(*bounds)
            x = scheduler.step(x0, step, x, generator=generator).prev_sample
        return x
