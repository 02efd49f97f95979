"""CORAL and the match of moments against NumPy and scikit-learn, and their gradients."""

import numpy as np
import pytest
import torch
from sklearn.covariance import EmpiricalCovariance

from align.alignment import CORAL, MomentMatching
from align.alignment.moments import coral, moment_distance


def _samples(seed: int = 0):
    g = torch.Generator().manual_seed(seed)
    return torch.randn(9, 4, generator=g), 1.5 * torch.randn(7, 4, generator=g) + 0.3


def test_coral_is_the_distance_of_covariances():
    x, y = _samples()
    expected = np.sum((np.cov(x.numpy().T) - np.cov(y.numpy().T)) ** 2) / (4 * 4**2)
    assert float(CORAL()(x, y)) == pytest.approx(expected, rel=1e-5)
    biased = [EmpiricalCovariance().fit(z.numpy()).covariance_ * len(z) / (len(z) - 1) for z in (x, y)]
    assert float(CORAL()(x, y)) == pytest.approx(np.sum((biased[0] - biased[1]) ** 2) / 64, rel=1e-5)


def test_coral_is_blind_to_means_and_moments_are_not():
    x, y = _samples()
    assert float(CORAL()(x + 10, y)) == pytest.approx(float(CORAL()(x, y)), rel=1e-4)
    assert float(MomentMatching()(x + 10, y)) > 50


def test_moments_are_the_distance_of_uncorrelated_gaussians():
    x, y = _samples()
    mean, deviation = (np.array([getattr(z.numpy(), f)(0, **k) for z in (x, y)])
                       for f, k in (("mean", {}), ("std", {"ddof": 1})))  # fmt: skip
    expected = np.sum((mean[0] - mean[1]) ** 2) + np.sum((deviation[0] - deviation[1]) ** 2)
    assert 4 * float(MomentMatching()(x, y)) == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("kind", [CORAL, MomentMatching])
@pytest.mark.parametrize("value", [0.0, 3.0])
def test_constant_embeddings_have_a_distance_and_a_gradient(kind, value):
    x, y = (torch.full((n, 4), value, requires_grad=True) for n in (9, 7))
    distance = kind(scaled=True)(x, y)
    distance.backward()
    assert float(distance) == 0
    assert x.grad.isfinite().all() and y.grad.isfinite().all()


def test_scaled_coral_is_in_units_of_the_variance_within():
    x, y = _samples()
    variance = 0.5 * (x.var(0).mean() + y.var(0).mean())
    expected = float(coral(x, y) / variance**2)
    for scale in (1e-6, 1.0, 1e6):
        assert float(CORAL(scaled=True)(scale * x, scale * y)) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("function", [coral, moment_distance])
def test_gradients(function):
    x, y = (z.double().requires_grad_() for z in _samples())
    assert torch.autograd.gradcheck(function, (x, y))


def test_a_constant_feature_gives_no_nan():
    x, y = (z.clone() for z in _samples())
    x[:, 1] = y[:, 1] = 2.0
    x.requires_grad_()
    MomentMatching()(x, y).backward()
    assert x.grad.isfinite().all()
