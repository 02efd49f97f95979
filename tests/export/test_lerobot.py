"""Policies in LeRobot's format act as those they were made from; `make conformance` asks LeRobot itself."""

import json

import numpy as np
import pytest
import torch
from policies import (
    as_published,
    blind,
    made,
    observation,
    one_camera,
    positions,
    saved,
    turning,
    two_cameras,
)
from safetensors.torch import load_file
from torch import nn

from align.cli import main
from align.data.images import fit_images
from align.domain import Domain
from align.export.graph import traced
from align.export.lerobot import plugin
from align.policy import DiffusionPolicy
from align.robot import PolicyRunner

MAKERS = [one_camera, two_cameras, blind, as_published, turning]


def core_of(folder, **config):
    """The policy in a folder, loaded as the plugin does, without LeRobot."""
    config = json.loads((folder / "config.json").read_text()) | config
    core = plugin("core").Core(
        json.loads((folder / "graph.json").read_text()),
        config["n_action_steps"],
        config["seed"],
        config["image_fit"],
    )
    weights = load_file(folder / "model.safetensors")
    core.load_state_dict({key.removeprefix("core."): value for key, value in weights.items()})
    return core, config


@pytest.mark.parametrize("make", MAKERS)
def test_the_folder_acts_as_the_policy(make, tmp_path, capsys):
    policy, out = made(make), tmp_path / "out"
    run = saved(policy, tmp_path / "run", image_size=[16, 20], image_fit="pad", rate_hz=12.5)
    assert main(["export", run, str(out), "--format", "lerobot", "--domain", "sim"]) == 0
    printed = capsys.readouterr().out
    assert f"pip install {out}/lerobot_policy_align" in printed and "--fps=12.5" in printed
    core, config = core_of(out)
    names = [c.removeprefix("image.") for c in policy.cameras]
    assert set(config["input_features"]) == {*(f"observation.images.{n}" for n in names), "observation.state"}
    action_dim = policy.written("action", Domain.SIM).size
    assert config["output_features"]["action"]["shape"] == [action_dim]

    rng, noises = np.random.default_rng(5), []
    runner = PolicyRunner(policy, domain=Domain.SIM)
    runner.reset(seed=3)

    def noise_of_runner(shape, generator=None, **options):  # the same noise to both
        noises.append(real(shape, generator=generator, **options))
        return noises[-1]

    real = torch.randn
    for t in range(10):
        seen = {
            camera: rng.integers(0, 256, (height, width, channels), np.uint8)
            for camera, (channels, height, width) in policy.expected_images().items()
        } | {"agent_pos": positions(policy, rng, 1, Domain.SIM)[0]}
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch, "randn", noise_of_runner)
            expected = runner.select_action(seen)
        batch = {"observation.state": torch.tensor(seen["agent_pos"], dtype=torch.float32)[None]}
        for name, camera in zip(names, policy.cameras, strict=True):
            image = torch.tensor(seen[camera]).movedim(-1, 0)[None]
            batch[f"observation.images.{name}"] = image.float() / 255  # as LeRobot has them
        found = core.select_action(batch, noises[-1][None])
        assert found.shape == (1, action_dim)
        np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5, err_msg=f"step {t}")
    assert len(noises) == -(-10 // policy.n_action_steps)


def test_noise_is_of_the_seed_and_episodes_differ(tmp_path):
    policy, out = made(blind), tmp_path / "out"
    assert main(["export", saved(policy, tmp_path / "run"), str(out), "--format", "lerobot"]) == 0
    batch = {"observation.state": torch.zeros(2, policy.agent_pos_dim)}

    def episode(core):
        core.reset()
        return torch.stack([core.select_action(batch) for _ in range(9)])

    one, other, third = (core_of(out, seed=seed)[0] for seed in (1, 1, 2))
    first = episode(one)
    torch.testing.assert_close(first, episode(other))
    assert not torch.allclose(first, episode(one)) and not torch.allclose(first, episode(third))
    assert not torch.allclose(first[:, 0], first[:, 1]), "each of a batch has noise of its own"
    fewer, _ = core_of(out, seed=1, n_action_steps=3)
    torch.testing.assert_close(fewer.predict_action_chunk(batch), first[:3].transpose(0, 1))


@pytest.mark.parametrize("make", [two_cameras, as_published])
def test_all_of_it_moves_to_another_device(make):
    """To one that computes nothing, and refuses what is left behind."""
    policy = made(make)
    seen = observation(policy, 0) | {"noise": torch.randn(1, policy.horizon, policy.action_dim)}
    plan, tensors = traced(policy, seen, seen["noise"], Domain.REAL)
    graphs = {name: plugin("graph").Graph(of) for name, of in plan["graphs"].items()}
    weights = {key: tensor.to("meta") for key, tensor in tensors.items()}
    seen = {name: tensor.to("meta") for name, tensor in seen.items()}
    conditions = graphs["encode"]([*(seen[c] for c in policy.cameras), seen["agent_pos"]], weights)
    at, levels = torch.zeros(1, dtype=torch.long, device="meta"), torch.zeros(4, device="meta")
    (x,) = graphs["step"]([seen["noise"], at, levels, *conditions], weights)
    (actions,) = graphs["finish"]([x, seen["agent_pos"]], weights)
    assert actions.device.type == "meta" and actions.shape[2] == policy.action_dim
    with pytest.raises(RuntimeError, match=r"device|meta"):
        graphs["step"]([seen["noise"], at, levels, *conditions], tensors)


@pytest.mark.parametrize("fit", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("size", [(48, 64), (33, 64), (37, 41)])
def test_images_are_resized_as_in_training(fit, size):
    image = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    expected = fit_images(image[None], (16, 20), fit)[0].astype(int)
    found = plugin("images").fit_image(torch.tensor(image).movedim(-1, 0).float(), (16, 20), fit)
    difference = np.abs(found.round().movedim(0, -1).numpy() - expected)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.02  # where OpenCV rounds another way


def test_what_a_robot_shows_amiss_is_told(tmp_path):
    policy, out = made(two_cameras), tmp_path / "out"
    names = "{image.top: front, image.wrist: observation.image.hand}"
    run = saved(policy, tmp_path / "run")
    assert main(["export", run, str(out), "--format", "lerobot", "--cameras", names]) == 0
    core, config = core_of(out)
    cameras = {k: f["shape"] for k, f in config["input_features"].items() if f["type"] == "VISUAL"}
    assert list(cameras) == ["observation.images.front", "observation.image.hand"]
    right = {key: torch.rand(1, *shape) for key, shape in cameras.items()}
    right["observation.state"] = torch.zeros(1, policy.agent_pos_dim)
    core.select_action(right)
    front = right["observation.images.front"]
    for key, value, message in (
        ("observation.image.hand", None, "observation.image.hand is missing; the observation has"),
        ("observation.state", torch.zeros(1, 3), r"observation.state is \(1, 3\); expected \(batch, 14\)"),
        ("observation.state", torch.full((1, 14), torch.nan), "NaN"),
        ("observation.images.front", front - 1, "beyond 0 to 1"),
        ("observation.images.front", front * torch.nan, "beyond 0 to 1"),
        ("observation.images.front", torch.rand(1, 3, 48, 64), r"expected \(3, 16, 20\), as in training"),
    ):
        wrong = {k: v for k, v in {**right, key: value}.items() if v is not None}
        with pytest.raises(ValueError, match=message):
            core.select_action(wrong)
    core.image_fit = "stretch"
    core.select_action({**right, "observation.images.front": torch.rand(1, 3, 48, 64)})
    with pytest.raises(ValueError, match="a side of 8 pixels; expected at least 16"):
        core.select_action({**right, "observation.images.front": torch.rand(1, 3, 8, 64)})


@pytest.mark.parametrize("domain", list(Domain))
def test_a_rotation_that_is_none_is_refused(domain, tmp_path):
    policy, out = made(turning), tmp_path / "out"
    run = saved(policy, tmp_path / "run")
    assert main(["export", run, str(out), "--format", "lerobot", "--domain", domain.label]) == 0
    core, _ = core_of(out)
    right = torch.tensor(positions(policy, np.random.default_rng(0), 1, domain))
    core.select_action({"observation.state": right})
    parts = policy.written("agent_pos", domain).describe()
    checked = [part for part in parts if part["form"] in ("quat_xyzw", "quat_wxyz", "matrix")]
    for part in checked:
        first, end = part["columns"]
        wrong = right.clone()
        wrong[:, first:end] *= 1.1
        assert policy.written("agent_pos", domain).fault(wrong) is not None
        with pytest.raises(ValueError, match=rf"observation.state\[{first}:{end}\] is no rotation, of "):
            core.select_action({"observation.state": wrong})
    assert checked or domain is Domain.SIM


def test_a_graph_calls_nothing_but_operators():
    graph = plugin("graph")
    plan = {"inputs": ["x"], "tensors": {}, "outputs": ["y"]}
    node = {"name": "y", "args": [{"node": "x"}], "kwargs": {}}
    (y,) = graph.Graph({**plan, "nodes": [{**node, "operator": "aten.neg.default"}]})([torch.ones(1)], {})
    assert y == -1
    for name in ("aten.from_file.default", "aten.save.default", "os.system", "eval", "getattr", "aten.neg"):
        with pytest.raises(ValueError, match="not an operator that a policy may call"):
            graph.Graph({**plan, "nodes": [{**node, "operator": name}]})
    wrong = {**node, "operator": "aten.to.dtype", "args": [{"node": "x"}, {"dtype": "load"}]}
    with pytest.raises(ValueError, match="'load' is no dtype"):
        graph.Graph({**plan, "nodes": [wrong]})([torch.ones(1)], {})
    for name in graph.OPERATORS - {"getitem"}:
        schema = graph._operator(name)._schema
        kinds = {
            str(a.type) for a in schema.arguments if a.name not in ("approximate", "rounding_mode", "mode")
        }
        assert name == "aten.einsum.default" or not any("str" in kind for kind in kinds), schema


class Turning(nn.Module):
    """An encoder that takes one way or another by what it sees, which a trace does not."""

    features = 8

    def forward(self, images):
        return images.mean((2, 3)).repeat(1, 3)[:, :8] * (
            3 if images.shape[0] and bool(images.sum() > 0) else -3
        )


class Strange(Turning):
    """An encoder that calls what the plugin does not run."""

    def forward(self, images):
        return torch.linalg.svdvals(images.mean(1)[:, :8, :8])


def test_what_lerobot_cannot_have_is_one_line(tmp_path, capsys, monkeypatch):
    def refused(*arguments, run):
        assert main(["export", run, str(tmp_path / "out"), "--format", "lerobot", *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and not (tmp_path / "out").exists()
        return error

    policy = made(one_camera)
    run = saved(policy, tmp_path / "run")
    assert "cameras: {image.left: x}; the policy's cameras: image" in refused(
        "--cameras", "{image.left: x}", run=run
    )
    for encoder, message in ((Turning(), "cannot be traced"), (Strange(), "does not run it")):
        odd = made(one_camera)
        odd.encoder = encoder
        with monkeypatch.context() as patch:
            patch.setattr(DiffusionPolicy, "from_checkpoint", lambda *_, odd=odd: odd)
            assert message in refused(run=run)
    policy.schedule.sampler = "ddpm"
    assert "expected a policy that samples with 'ddim'" in refused(run=saved(policy, tmp_path / "ddpm"))
    assert main(["export", run, str(tmp_path / "o"), "--cameras", "{image: front}"]) == 2
    assert "cameras={'image': 'front'}: expected none for format onnx" in capsys.readouterr().err
