"""The auxiliary loss: what is read, how it is standardised, and how its weight falls."""

import math

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler

from align.alignment.auxiliary import Auxiliary, Readout
from align.errors import InputError


def _states(n: int, seed: int = 0) -> torch.Tensor:
    """Position in px, an angle in degrees, and a column that never varies."""
    rng = np.random.default_rng(seed)
    columns = rng.normal(300, 40, n), rng.uniform(-180, 180, n), rng.normal(-5, 2, n), np.full(n, 7.0)
    return torch.tensor(np.stack(columns, axis=1), dtype=torch.float32)


@pytest.mark.parametrize("width", [0, 5])
def test_error_is_that_of_an_independent_computation(width):
    states, new = _states(200), _states(30, seed=1)
    readout = Readout(Auxiliary("pose", angles=(1,), period=360.0, width=width), 4, 4)
    readout.fit(states)
    z = torch.randn(30, 4)

    def targets(state):
        turn = np.radians(state[:, 1:2])
        return np.concatenate([state[:, [0, 2, 3]], np.sin(turn), np.cos(turn)], axis=1)

    expected = StandardScaler().fit(targets(states.double().numpy())).transform(targets(new.double().numpy()))
    error = ((readout.layers(z).double().detach().numpy() - expected) ** 2).mean()
    assert float(readout(z, new).detach()) == pytest.approx(error, rel=1e-4)


def test_angles_are_the_same_after_their_period():
    """A square block that has turned by 90° looks as it did."""
    readout = Readout(Auxiliary("yaw", angles=(0,), period=math.pi / 2), 3, 1)
    turned = torch.tensor([[0.1], [0.1 + math.pi / 2], [0.1 - math.pi]])
    expanded = readout.expanded(turned)
    torch.testing.assert_close(expanded, expanded[:1].expand(3, 2), atol=1e-5, rtol=0)
    assert not torch.allclose(
        readout.expanded(turned[:1] + math.pi),
        Readout(Auxiliary("yaw", angles=(0,)), 3, 1).expanded(turned[:1] + math.pi),
    )


def test_no_sim_samples_give_a_differentiable_zero():
    readout, z = Readout(Auxiliary("pose"), 3, 2), torch.zeros(0, 3, requires_grad=True)
    error = readout(z, torch.zeros(0, 2))
    error.backward()
    assert error == 0 and z.grad.shape == (0, 3)


@pytest.mark.parametrize(
    ("options", "weights"),
    [
        ({}, [2, 2, 2, 2]),
        ({"steps": 10}, [2, 2, 2, 0]),
        ({"schedule": "linear", "steps": 10}, [2, 1.5, 1, 0]),
        ({"schedule": "cosine", "steps": 10}, [2, 1 + math.sqrt(0.5), 1, 0]),
    ],
)
def test_weight_falls_as_scheduled(options, weights):
    auxiliary = Auxiliary("pose", weight=2.0, **options)
    found = [auxiliary.weight_at(step) for step in (0, 2.5, 5, 10)]
    assert found == pytest.approx(weights) and auxiliary.weight_at(1000) == (0 if options else 2)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"weight": -1}, "auxiliary.weight=-1"),
        ({"schedule": "linear"}, "auxiliary.steps=null: schedule='linear'"),
        ({"schedule": "sudden", "steps": 3}, "schedule='sudden': expected constant, linear or cosine"),
        ({"angles": (1, 1)}, r"angles=\[1, 1\]: expected each column once"),
        ({"period": 0}, "period=0"),
    ],
)
def test_bad_options(options, words):
    with pytest.raises(InputError, match=words):
        Auxiliary("pose", **options)


def test_an_angle_is_one_of_the_columns():
    with pytest.raises(InputError, match=r"angles=\[3\]: targets='pose' has 3; expected numbers from 0 to 2"):
        Readout(Auxiliary("pose", angles=(3,)), 4, 3)
