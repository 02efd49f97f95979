"""Exported policies act as those they were made from, without PyTorch."""

import json
import subprocess
import sys
from collections import deque
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from policies import blind, made, observation, one_camera, saved, two_cameras
from torch import nn

from align.cli import main
from align.data.episodes import write_store
from align.domain import Domain
from align.errors import InputError
from align.export import command, onnx
from align.export.example import Policy as Example
from align.export.unrolled import UnrolledPolicy
from align.policy import DiffusionPolicy


@pytest.mark.parametrize("make", [one_camera, two_cameras, blind])
@pytest.mark.parametrize("domain", Domain)
def test_unrolled_sampling_is_that_of_diffusers(make, domain):
    policy = made(make)
    unrolled = UnrolledPolicy(policy, domain)
    seen, noise = observation(policy, 1), torch.randn(1, 16, policy.action_dim)
    expected = policy.act(seen, noise, domain=domain)
    found = unrolled(*[{**seen, "noise": noise}[name] for name in unrolled.inputs])
    torch.testing.assert_close(found, expected, rtol=1e-5, atol=1e-5)
    assert policy.schedule.sampler == "ddim", "the policy is as it was"


RUN = """
import sys
sys.path.insert(0, ".")
sys.modules["torch"] = sys.modules["align"] = None  # an import of these fails
import numpy as np
from example import Policy
policy, seen = Policy(seed=3), dict(np.load("seen.npz"))
actions = [policy.select_action({name: values[t] for name, values in seen.items()}) for t in range(10)]
np.save("actions.npy", actions)
"""


@pytest.mark.parametrize("make", [one_camera, two_cameras, blind])
def test_the_model_acts_as_the_policy_without_pytorch(make, tmp_path, capsys):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")
    policy, out = made(make), tmp_path / "out"
    write_store(tmp_path / "real.zarr", [{"action": np.zeros((4, 2))}], {"rate_hz": 12.5})
    run = saved(policy, tmp_path / "run", real=str(tmp_path / "real.zarr"), image_fit="pad")
    assert main(["export", run, str(out), "--domain", "sim"]) == 0
    assert "actions differ from the policy's by at most" in capsys.readouterr().out
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["rate_hz"] == 12.5 and manifest["difference"]["deviations"] < 1e-5
    assert set(manifest["cameras"]) == set(policy.cameras)
    if make is two_cameras:
        assert [c["crop"] for c in manifest["cameras"].values()] == [None, 12] and manifest["domain"] == "sim"
        assert manifest["inputs"]["image.wrist"] == {"shape": [1, 2, 3, 16, 24], "dtype": "uint8"}

    rng = np.random.default_rng(5)
    seen = {
        name: rng.integers(0, 256, (10, height, width, channels), np.uint8)
        for name, (channels, height, width) in policy.expected_images().items()
    } | {"agent_pos": rng.normal(size=(10, policy.agent_pos_dim))}
    np.savez(out / "seen.npz", **seen)
    subprocess.run([sys.executable, "-c", RUN], cwd=out, check=True)
    noises = np.random.default_rng(3)
    for start in range(0, 10, policy.n_action_steps):
        noise = torch.tensor(noises.standard_normal((1, policy.horizon, policy.action_dim), np.float32))
        rows = [max(0, t) for t in range(start - policy.n_obs_steps + 1, start + 1)]
        stacked = {"agent_pos": torch.tensor(seen["agent_pos"][rows]).float()[None]}
        for name in policy.cameras:
            images = seen[name][rows[-policy.n_image_steps :]]
            stacked[name] = torch.tensor(images).movedim(-1, 1)[None].contiguous()
        expected = policy.act(stacked, noise, domain=Domain.SIM)[0, : 10 - start]
        found = np.load(out / "actions.npy")[start : start + policy.n_action_steps]
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_the_example_checks_and_copies_what_it_sees():
    policy = object.__new__(Example)  # without a model
    shapes = {"image": [1, 1, 3, 2, 2], "agent_pos": [1, 2, 3], "noise": [1, 4, 2]}
    told = {"agent_pos": [{"form": "as stored", "columns": [0, 3]}]}
    inputs = {name: {"shape": s} for name, s in shapes.items()}
    policy.manifest = {"cameras": {"image": {}}, "inputs": inputs, "representation": told}
    policy.history, policy.plan = deque(maxlen=2), lambda: np.arange(4)
    policy.reset()
    seen = {"image": np.zeros((2, 2, 3), np.uint8), "agent_pos": np.zeros(3)}
    assert policy.select_action(seen) == 0 and policy.select_action(seen) == 1
    seen["agent_pos"] += 7  # a robot's driver may fill one buffer again and again
    assert [float(step["agent_pos"].max()) for step in policy.history] == [0, 0]
    policy.reset()
    assert policy.select_action(seen) == 0 and [s["agent_pos"][0] for s in policy.history] == [7, 7]
    with pytest.raises(ValueError, match="image is float64; expected uint8"):
        policy.select_action(seen | {"image": np.zeros((2, 2, 3))})
    with pytest.raises(ValueError, match="agent_pos holds NaN"):
        policy.select_action(seen | {"agent_pos": np.full(3, np.nan)})


def test_the_example_refuses_what_is_no_rotation():
    policy = object.__new__(Example)
    forms = [("as stored", 0, 1), ("quat_wxyz", 1, 5), ("matrix", 5, 14)]
    told = [{"form": form, "columns": [start, stop]} for form, start, stop in forms]
    inputs = {"agent_pos": {"shape": [1, 1, 14]}, "noise": {}}
    policy.manifest = {"cameras": {}, "inputs": inputs, "representation": {"agent_pos": told}}
    policy.history, policy.plan = deque(maxlen=1), lambda: np.arange(4)
    policy.reset()
    right = np.concatenate([[9.0], [0, 0.6, 0, 0.8], np.eye(3)[[1, 2, 0]].flatten()])
    assert policy.select_action({"agent_pos": right}) == 0
    wrong = {"quat_wxyz": (1, 5, np.zeros(4)), "matrix": (5, 14, np.eye(3)[[1, 0, 2]].flatten())}
    for form, (start, stop, values) in wrong.items():
        seen = right.copy()
        seen[start:stop] = values
        with pytest.raises(ValueError, match=rf"agent_pos\[{start}:{stop}\] is no {form}"):
            policy.select_action({"agent_pos": seen})


class Turning(nn.Module):
    """An encoder that takes one way or another by what it sees, which a trace does not."""

    features = 8

    def forward(self, images):
        return images.mean((2, 3)).repeat(1, 3)[:, :8] * (3 if float(images.flatten()[0]) > 0 else -3)


def test_the_rate_is_that_of_the_stores_of_the_run(tmp_path, monkeypatch):
    """A store of the same name in the folder that one exports from is another one."""
    for lab, rate in (("a", 10.0), ("b", 30.0)):
        store = [{"action": np.zeros((4, 2))}]
        write_store(tmp_path / f"{lab}/data/real.zarr", store, {"rate_hz": rate})
    run = Path(saved(made(blind), tmp_path / "a/runs/mine", real="data/real.zarr"))
    config = yaml.safe_load((run / "config.yaml").read_text())
    (run / "config.yaml").write_text(yaml.safe_dump(config | {"run": "runs/mine"}))
    monkeypatch.chdir(tmp_path / "b")
    assert command._rate(run, config["data"]) == 10.0
    moved = run.rename(tmp_path / "moved")  # where its stores are is not known any more
    assert command._rate(moved, config["data"]) == 30.0
    (moved / "summary.json").write_text(json.dumps({"rate_hz": 10.0}))
    assert command._rate(moved, config["data"]) == 10.0
    (moved / "summary.json").write_text(json.dumps({"rate_hz": -1}))
    with pytest.raises(InputError, match=r"summary\.json: rate_hz"):
        command._rate(moved, config["data"])


@pytest.mark.parametrize("deviations", [[1e-7, float("nan"), 2e-7], [1e-7, 2.0, 1e-7]])
def test_a_model_that_differs_in_any_try_is_refused(monkeypatch, deviations):
    """NaN too, which max passes over where it is not the first."""
    pytest.importorskip("onnx")
    onnxruntime = pytest.importorskip("onnxruntime")
    policy, tries = made(blind), iter(deviations)
    scale = policy.normalizer.action_std[policy.n_obs_steps - 1 :][: policy.n_action_steps]

    class Session:
        def __init__(self, *_, **__):
            pass

        def run(self, names, inputs):
            inputs = {name: torch.tensor(x) for name, x in inputs.items()}
            return [(policy.act(inputs, inputs["noise"]) + next(tries) * scale).numpy()]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    examples = [{**observation(policy, seed), "noise": torch.zeros(1, 16, 2)} for seed in range(3)]
    with pytest.raises(InputError, match=f"by {np.max(deviations):.2g} deviations"):
        onnx._difference(Path("none"), policy, examples, Domain.REAL)


def test_what_cannot_be_exported_is_one_line(tmp_path, capsys, monkeypatch):
    pytest.importorskip("onnx")
    pytest.importorskip("onnxruntime")

    def refused(*arguments, run, out="out"):
        assert main(["export", run, str(tmp_path / out), *arguments]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1
        return error

    policy = made(one_camera)
    run = saved(policy, tmp_path / "run")
    turning = made(one_camera)
    turning.encoder = Turning()
    monkeypatch.setattr(DiffusionPolicy, "from_checkpoint", lambda *_: turning)
    assert "does a network of it take turns" in refused(run=run)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()

    policy.schedule.sampler = "ddpm"
    assert "expected a policy that samples with 'ddim'" in refused(run=saved(policy, tmp_path / "ddpm"))
    policy.schedule.sampler = "ddim"
    policy.image_shape.zero_()
    assert "before it knew the size of its images" in refused(run=saved(policy, tmp_path / "old"))
    assert "rate=-1" in refused("--rate", "-1", run=run)
    (tmp_path / "out").mkdir()
    assert "exists; choose another path" in refused(run=run)
    for other in ("out", "run"):  # nothing that is no such folder is lost
        assert "expected an exported policy to replace" in refused("--overwrite", run=run, out=other)
    assert (tmp_path / "run/checkpoints/last.ckpt").exists()
    (tmp_path / "out/manifest.json").touch()
    with monkeypatch.context() as patch:
        patch.setattr("align.export.onnx.find_spec", lambda name: None)
        assert "pip install onnx" in refused("--overwrite", run=run)
    assert main(["export", run, str(tmp_path / "out"), "--overwrite", "--rate", "20"]) == 0
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert command._rate(Path(run), {"rate_hz": 8}) == 8
    for told in ({"real": "gone.zarr"}, {"real": 3, "sim": [7, None]}):
        assert command._rate(Path(run), told) is None
    for told in ("fast", -1, float("nan"), [8]):
        with pytest.raises(InputError, match=r"data\.rate_hz of the run"):
            command._rate(Path(run), {"rate_hz": told})
    assert manifest["rate_hz"] == 20 and manifest["bytes"] == (tmp_path / "out/policy.onnx").stat().st_size
