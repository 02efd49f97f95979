"""What a policy does to rotations and angles itself, against what reading does to a store's in NumPy."""

import numpy as np
import pytest
import torch

from align.data.rotations import TRANSFORMS, restore
from align.networks.representation import CODES, Form, Representation, encode_forms

RNG = np.random.default_rng(0)
XYZW = RNG.normal(size=(400, 4))
XYZW /= np.linalg.norm(XYZW, axis=1, keepdims=True)
EDGES = np.array(  # no turn, half turns about each axis and about none of them, hardly any turn
    [
        *([0, 0, 0, 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]),
        *([0.6, 0.8, 0, 0], [1e-7, 0, 0, 1], [0, 3e-4, 0, 1]),
    ]
)
XYZW = np.concatenate([XYZW, EDGES / np.linalg.norm(EDGES, axis=1, keepdims=True)])
SIX = TRANSFORMS["quat_xyzw"].forward(XYZW)


def _one(how, seen):
    return Representation(encode_forms([Form(how, seen)], seen))


def _near(found, expected, atol=2e-5):
    np.testing.assert_allclose(found.numpy(), expected, atol=atol)


@pytest.mark.parametrize("how", ["quat_xyzw", "quat_wxyz", "axis_angle", "matrix"])
def test_rotations_are_seen_and_restored_as_reading_does(how):
    stored = restore(how, SIX)
    written = _one(how, 6)
    _near(written.see(torch.from_numpy(stored).float()), TRANSFORMS[how].forward(stored))
    noisy = SIX * 2.5 + 0.1 * RNG.normal(size=SIX.shape)  # what a policy puts out
    found = written.restore(torch.from_numpy(noisy))
    expected = TRANSFORMS[how].forward(restore(how, noisy))
    np.testing.assert_allclose(TRANSFORMS[how].forward(found.numpy()), expected, atol=1e-9)
    if how != "axis_angle":  # whose half turns have two names
        clear = np.abs(restore("quat_xyzw", noisy)[:, 3]) > 1e-3
        _near(found[torch.from_numpy(clear)], restore(how, noisy)[clear])
    again = written.see(written.restore(torch.from_numpy(SIX).float()))
    _near(again, SIX)


@pytest.mark.parametrize(("how", "half"), [("radians", np.pi), ("degrees", 180)])
def test_angles_are_seen_and_restored_as_reading_does(how, half):
    angles = RNG.uniform(-half, half, (50, 3))
    written = _one(how, 6)
    assert written.size == 3
    _near(written.see(torch.from_numpy(angles)), TRANSFORMS[how].forward(angles), 1e-12)
    _near(written.restore(torch.from_numpy(0.3 * TRANSFORMS[how].forward(angles))), angles, 1e-9)


def test_parts_lie_side_by_side_and_what_is_stored_stays():
    forms = [Form(None, 3), Form("quat_xyzw", 6), Form("radians", 4), Form(None, 1), Form(None, 2)]
    written = Representation(encode_forms(forms, 16))
    assert written.forms == forms and written.size == 3 + 4 + 2 + 1 + 2
    parts = [RNG.normal(size=(407, 3)), XYZW, RNG.uniform(-3, 3, (407, 5))]
    stored = torch.from_numpy(np.concatenate(parts, axis=1))
    seen = written.see(stored)
    assert seen.shape == (407, 16) and torch.equal(seen[:, :3], stored[:, :3])
    assert torch.equal(written.restore(seen)[:, 9:], stored[:, 9:])
    turned = stored.clone()
    turned[:, 3:7] *= -1  # the same rotation
    assert torch.allclose(written.see(turned), seen)
    assert written.describe()[1] == {"form": "quat_xyzw", "columns": [3, 7]}
    assert written.fault(stored) is None
    turned[5, 3:7] *= 1.1
    assert written.fault(turned) == "[3:7] is no rotation, of quat_xyzw"


def test_nothing_said_is_nothing_done():
    plain = Representation(encode_forms([], 5))
    x = torch.randn(4, 5)
    assert plain.size == 5 and not plain.recoded and plain.see(x) is x and plain.restore(x) is x
    assert Representation(torch.zeros(5, 2, dtype=torch.long)).forms == plain.forms


def test_every_form_of_keys_has_a_number_of_its_own():
    assert set(CODES) == set(TRANSFORMS) and len({0, *CODES.values()}) == len(CODES) + 1
