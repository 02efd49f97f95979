"""The draw of diffusion steps: its distribution, and what stratifying is for."""

import pytest
import torch

from align.diffusion.denoising import stratified_steps


def test_diffusion_steps_are_uniform_and_stratified():
    steps = stratified_steps(5000, 4, 100, torch.Generator().manual_seed(0)).view(4, 5000)
    assert [(int(s.min()), int(s.max())) for s in steps] == [(0, 24), (25, 49), (50, 74), (75, 99)]
    counts = steps.flatten().bincount(minlength=100)
    assert (counts - 200).abs().max() < 5 * 200**0.5


def test_strata_keep_the_mean_of_a_samples_steps_and_lower_its_variance():
    """Four steps from strata of 25: a mean of variance (25² − 1) / 12 / 4, not (100² − 1) / 12 / 4."""
    means = stratified_steps(20_000, 4, 100, torch.Generator().manual_seed(1)).view(4, -1).double().mean(0)
    assert float(means.mean()) == pytest.approx(49.5, abs=0.15)
    assert float(means.var()) == pytest.approx((25**2 - 1) / 12 / 4, rel=0.05)
