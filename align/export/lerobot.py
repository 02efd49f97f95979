"""A policy as a folder that LeRobot loads through the plugin beside it."""

import importlib.util
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from align.domain import Domain
from align.errors import InputError
from align.export.graph import traced
from align.export.inputs import sample_inputs
from align.export.unrolled import check_sampler
from align.files import write_json
from align.policy import DiffusionPolicy

PLUGIN = "lerobot_policy_align"
GRAPH, MODEL = "graph.json", "model.safetensors"
LARGEST_DIFFERENCE = 1e-3  # in deviations of the training's actions


def write_lerobot_policy(
    folder: Path,
    policy: DiffusionPolicy,
    domain: Domain,
    about: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    image_fit: str | None = None,
) -> dict[str, Any]:
    """Write the configuration, the graph, the weights, the pipelines and the plugin into a new folder.

    Args:
        folder: Where; it must not exist.
        policy: The policy.
        domain: Where it acts, for a policy with domain conditioning.
        about: What more graph.json says.
        names: What LeRobot calls the cameras, if not as the policy does.
        image_fit: How images of another size than training's are resized; None refuses them.

    Returns:
        What graph.json holds beside the graphs.

    Raises:
        InputError: It samples with DDPM, does not know the size of its images, or a network of it cannot be
            traced, calls what the plugin does not run, or acts otherwise when it is; a camera is not there.
    """
    check_sampler(policy)
    features = _features(policy, names or {})
    tries = sample_inputs(policy, domain)
    plan, tensors = traced(policy, tries[0], tries[0]["noise"], domain)
    shapes = policy.expected_images()
    plan = {
        "format": "align-graph-1",
        **about,
        "cameras": {
            features[c]: {"camera": c, "shape": list(shapes[c]), **about["cameras"][c]}
            for c in policy.cameras
        },
        "state_dim": policy.written("agent_pos", domain).size,
        "state_forms": policy.written("agent_pos", domain).describe(),
        "noise_shape": [policy.horizon, policy.action_dim],
        "tensors": {key: [str(t.dtype).removeprefix("torch."), list(t.shape)] for key, t in tensors.items()},
        **plan,
    }
    difference = _difference(plan, tensors, policy, tries, domain)
    plan = {"format": plan.pop("format"), "difference": difference, **plan}
    folder.mkdir()
    write_json(folder / GRAPH, plan)
    weights = {f"core.{key}": tensor.clone().contiguous() for key, tensor in tensors.items()}
    save_file(weights, folder / MODEL, {"format": "pt"})
    shutil.copymode(folder / GRAPH, folder / MODEL)  # which is written for its owner alone
    write_json(folder / "config.json", _config(policy, domain, features, image_fit))
    _write_pipelines(folder)
    source = Path(__file__).parent / "lerobot_plugin"
    shutil.copytree(
        source, folder / PLUGIN, ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info")
    )
    return {key: value for key, value in plan.items() if key not in ("graphs", "tensors")}


def _features(policy: DiffusionPolicy, names: Mapping[str, str]) -> dict[str, str]:
    """LeRobot's name of each camera."""
    for camera, name in names.items():
        if camera not in policy.cameras:
            there = ", ".join(policy.cameras) or "none"
            raise InputError(f"cameras: {{{camera}: {name}}}; the policy's cameras: {there}")
    called = {c: names.get(c, c.removeprefix("image.")) for c in policy.cameras}
    if len(set(called.values())) < len(called):
        raise InputError(f"cameras: {called}; expected a name each")
    return {c: name if "." in name else f"observation.images.{name}" for c, name in called.items()}


def _config(
    policy: DiffusionPolicy, domain: Domain, features: Mapping[str, str], image_fit: str | None
) -> dict[str, Any]:
    shapes = policy.expected_images()
    state_dim, action_dim = (policy.written(name, domain).size for name in ("agent_pos", "action"))
    cameras = {features[c]: {"type": "VISUAL", "shape": list(shapes[c])} for c in policy.cameras}
    state = {"observation.state": {"type": "STATE", "shape": [state_dim]}}
    return {
        "type": "align",
        "n_obs_steps": policy.n_obs_steps,
        "horizon": policy.horizon,
        "n_action_steps": policy.n_action_steps,
        "input_features": {**cameras, **state},
        "output_features": {"action": {"type": "ACTION", "shape": [action_dim]}},
        "normalization_mapping": dict.fromkeys(("VISUAL", "STATE", "ACTION"), "IDENTITY"),
        "image_fit": image_fit,
        "seed": 0,
        "device": "cpu",
        "push_to_hub": False,
    }


def _write_pipelines(folder: Path) -> None:
    """What LeRobot runs before and after the policy; the policy normalises by itself."""
    device = {"float_dtype": None}
    before = {"rename_observations_processor": {"rename_map": {}}, "to_batch_processor": {}}
    steps = {
        "policy_preprocessor": before | {"device_processor": {"device": "cpu", **device}},
        "policy_postprocessor": {"device_processor": {"device": "cpu", **device}},
    }
    for name, of in steps.items():
        listed = [{"registry_name": step, "config": config} for step, config in of.items()]
        write_json(folder / f"{name}.json", {"name": name, "steps": listed})


def plugin(module: str) -> ModuleType:
    """A module of the plugin that needs no LeRobot."""
    source = Path(__file__).parent / "lerobot_plugin" / PLUGIN
    if PLUGIN not in sys.modules:  # the package without what it imports first, which is LeRobot's
        spec = importlib.util.spec_from_loader(PLUGIN, None, is_package=True)
        spec.submodule_search_locations.append(str(source))
        sys.modules[PLUGIN] = importlib.util.module_from_spec(spec)
    return importlib.import_module(f"{PLUGIN}.{module}")


def _difference(
    plan: Mapping[str, Any],
    tensors: Mapping[str, Tensor],
    policy: DiffusionPolicy,
    tries: list[dict[str, Tensor]],
    domain: Domain,
) -> dict[str, float]:
    """The largest difference of the plugin's actions to the policy's own, for equal noise."""
    try:
        core = plugin("core").Core(plan, policy.n_action_steps)
    except ValueError as error:
        raise InputError(f"format='lerobot': {error}; {PLUGIN} does not run it") from None
    core.load_state_dict(tensors)
    written = policy.written("action", domain)
    apart, deviations = [], []
    first = policy.n_obs_steps - 1
    scale = policy.normalizer.action_std[first : first + policy.n_action_steps]
    for observation in tries:
        expected = policy.act(observation, observation["noise"], domain=domain)
        batch = {"observation.state": observation["agent_pos"]}
        for key, camera in plan["cameras"].items():
            images = observation[camera["camera"]]
            repeated = images[:, :1].expand(-1, policy.n_obs_steps - images.shape[1], -1, -1, -1)
            batch[key] = torch.cat([repeated, images], dim=1)
        found = core.predict_action_chunk(batch, observation["noise"])
        # as the policy sees them: of rotations and angles as stored, round-off may turn a sign
        found, expected = written.see(found), written.see(expected)
        apart.append((found - expected).abs().max())
        deviations.append(((found - expected) / scale).abs().max())
    if not all(found < LARGEST_DIFFERENCE for found in deviations):  # NaN is not
        raise InputError(
            f"format='lerobot': what was traced acts otherwise than the policy, by {np.max(deviations):.2g} "
            "deviations; does a network of it take turns that depend on what it sees?"
        )
    return {"actions": float(max(apart)), "deviations": float(max(deviations))}
