"""A policy acts on what looks like its training, and says what else it was given."""

import pytest
import torch

from align.cli import main
from align.errors import InputError
from align.networks.augment import to_float
from align.policy import DiffusionPolicy


@pytest.fixture
def policy(write_config, tmp_path):
    """Trained on images of 16 × 16 pixels, two of them, and two positions."""
    assert main(["fit", "--config", write_config()]) == 0
    return DiffusionPolicy.from_checkpoint(tmp_path / "run")


def _seen(n: int = 1) -> dict[str, torch.Tensor]:
    image = torch.zeros(n, 2, 3, 16, 16, dtype=torch.uint8)
    return {"image": image, "agent_pos": torch.full((n, 2, 2), 250.0)}


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("image", torch.zeros(1, 2, 3, 480, 640, dtype=torch.uint8), ["image", "480, 640", "16, 16"]),
        ("image", torch.zeros(1, 2, 3, 16, 17, dtype=torch.uint8), ["image", "16, 17"]),
        ("image", torch.zeros(1, 2, 16, 16, 3, dtype=torch.uint8), ["image", "(B, 2, 16, 16, 3)"]),
        ("image", torch.zeros(1, 1, 3, 16, 16, dtype=torch.uint8), ["image", "2, 3, 16, 16"]),
        ("image", torch.rand(1, 2, 3, 16, 16), ["image", "float32", "uint8"]),
        ("image", None, ["image"]),
        ("agent_pos", torch.full((1, 2, 2), float("nan")), ["agent_pos", "NaN"]),
        ("agent_pos", torch.full((1, 2, 2), float("inf")), ["agent_pos", "infinity"]),
        ("agent_pos", torch.zeros(1, 2, 3), ["agent_pos", "(B, 2, 3)", "2, 2"]),
        ("agent_pos", torch.zeros(1, 1, 2), ["agent_pos", "(B, 1, 2)"]),
    ],
)
def test_what_was_not_seen_in_training_is_refused_in_one_line(policy, name, value, words):
    observation = {k: v for k, v in (_seen() | {name: value}).items() if v is not None}
    with pytest.raises(InputError) as error:
        policy.act(observation, torch.zeros(1, 16, 2))
    assert "\n" not in str(error.value) and all(word in str(error.value) for word in words), error.value
    assert policy.act(_seen(), torch.zeros(1, 16, 2)).shape == (1, 8, 2)


def test_noise_of_another_shape_is_refused(policy):
    with pytest.raises(InputError, match=r"noise.*\(2, 16, 2\)"):
        policy.act(_seen(2), torch.zeros(1, 16, 2))


def test_a_policy_saved_before_it_knew_its_images_takes_any(policy):
    state = policy.state_dict()
    del state["image_shape"]
    policy.load_state_dict(state)
    larger = _seen() | {"image": torch.zeros(1, 2, 3, 20, 20, dtype=torch.uint8)}
    assert policy.act(larger, torch.zeros(1, 16, 2)).shape == (1, 8, 2)


def test_images_are_left_as_they_were():
    image = torch.full((2, 2), 255.0)
    assert to_float(image).eq(1).all() and image.eq(255).all()


@pytest.mark.usefixtures("policy")
def test_worlds_of_another_resolution_are_refused(tmp_path, capsys):
    command = ["rollout", str(tmp_path / "run"), "--trials", "1", "--steps", "1", "--film", "0", "--size"]
    assert main([*command, "64"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "(64, 64, 3)" in error and "(16, 16, 3)" in error
    assert main([*command, "16"]) == 0
