"""Descriptions of components as plain data, so that a checkpoint can rebuild what it holds.

As scikit-learn's estimators do, a component keeps each constructor argument as an attribute of the same
name; its description is its class path and these values, components within it described in turn.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from align.checkpoints.trust import named_class
from align.errors import InputError, shown
from align.run.moved import renamed

LARGEST = 65_536
"""No size in align's own classes is larger: a file must not fill the memory, or make this process count for
hours. What a trusted class takes is for it to say."""

FIRST: Mapping[str, tuple[str, ...]] = {
    "align.policy.DiffusionPolicy": (
        *("encoder", "denoiser", "schedule", "action_dim", "agent_pos_dim", "n_obs_steps", "n_image_steps"),
        *("horizon", "n_action_steps", "crop", "relative_actions"),
    ),
    "align.diffusion.schedule.NoiseSchedule": (
        *("train_steps", "beta_schedule", "prediction", "inference_steps", "sampler", "clip"),
    ),
    "align.networks.cameras.CameraEncoders": ("cameras", "share", "crops"),
    "align.networks.encoder.ConvEncoder": ("features", "width", "blocks", "in_channels"),
    "align.networks.encoder.ResNetEncoder": ("features", "keypoints"),
    "align.networks.mlp.ConditionalMLP": (
        *("action_dim", "condition_dim", "horizon", "width", "blocks", "step_features"),
    ),
    "align.networks.unet.ConditionalUnet1D": (
        *("action_dim", "condition_dim", "channels", "kernel", "groups", "step_features"),
    ),
}
"""By class, the arguments that every description of it says, as the class has had them from its beginning.
What is not here came later: in an older description its default stands for it."""


def describe(component: nn.Module) -> dict[str, Any]:
    """{"class_path", "init_args"} of a component, of plain types only.

    Raises:
        InputError: A constructor argument is not kept as an attribute, or is not plain data.
    """
    kind = type(component)
    path = f"{kind.__module__}.{kind.__qualname__}"
    arguments = {}
    for name in inspect.signature(kind).parameters:
        if not hasattr(component, name):
            raise InputError(f"{path} must keep its constructor argument {name!r} as an attribute")
        arguments[name] = _plain(getattr(component, name), f"{path}.{name}")
    return {"class_path": path, "init_args": arguments}


def _plain(value: Any, where: str) -> Any:
    if isinstance(value, nn.ModuleDict):  # components by name
        return {name: describe(part) for name, part in value.items()}
    if isinstance(value, nn.Module):
        return describe(value)
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, Mapping):
        return {str(k): _plain(v, where) for k, v in value.items()}
    if isinstance(value, Sequence):
        return [_plain(v, where) for v in value]
    raise InputError(f"{where} is a {type(value).__name__}: a checkpoint can keep only plain values")


def build(description: Mapping[str, Any]) -> nn.Module:
    """The component that a file describes, with fresh weights.

    Raises:
        InputError: It is no description; the class is not trusted (see `align.checkpoints.trust`), cannot be
            imported or is no `nn.Module`; it does not take these arguments, or one is not said (see `FIRST`).
    """
    description = renamed(description)
    if not isinstance(description, Mapping) or set(description) != {"class_path", "init_args"}:
        raise InputError(f"{shown(description)}: expected a component, {{class_path, init_args}}")
    path, arguments = description["class_path"], description["init_args"]
    if not isinstance(arguments, Mapping) or not all(isinstance(name, str) for name in arguments):
        raise InputError(f"init_args of {path}: {shown(arguments)}; expected arguments by name")
    kind = named_class(path, nn.Module)
    always = FIRST.get(f"{kind.__module__}.{kind.__qualname__}", ())
    if absent := [name for name in always if name not in arguments]:
        raise InputError(
            f"init_args of {path}: no {', '.join(absent)}; expected {', '.join(always)}, as align fit has "
            "always written them"
        )
    arguments = {key: _built(value) for key, value in arguments.items()}
    for name, value in arguments.items() if kind.__module__.startswith("align.") else ():
        if (isinstance(value, int) and abs(value) > LARGEST) or value != value:
            raise InputError(f"init_args of {path}: {name}={value}; expected a number up to {LARGEST}")
    try:
        return kind(**arguments)
    except InputError:
        raise
    except Exception as error:  # whatever the class makes of them, they are the file's
        what = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"init_args of {path}: {what}") from None


def _built(value: Any) -> Any:
    """An argument with the components in it built, also those of a mapping by name."""
    if not isinstance(value, Mapping):
        return value
    return build(value) if "class_path" in value else {key: _built(part) for key, part in value.items()}


def fresh(component: nn.Module) -> nn.Module:
    """Another component of the same class and constructor arguments, with fresh weights; imports nothing."""
    kind = type(component)
    arguments = {name: getattr(component, name) for name in inspect.signature(kind).parameters}
    return kind(**{name: _fresh(value) for name, value in arguments.items()})


def _fresh(value: Any) -> Any:
    if isinstance(value, nn.ModuleDict):
        return {name: fresh(part) for name, part in value.items()}
    return fresh(value) if isinstance(value, nn.Module) else value
