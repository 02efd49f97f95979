"""Descriptions of components as plain data, so that a checkpoint can rebuild what it holds.

As scikit-learn's estimators do, a component keeps each constructor argument as an attribute of the same
name; its description is its class path and these values, components within it described in turn.
"""

import importlib
import inspect
from collections.abc import Mapping, Sequence
from typing import Any

from torch import nn

from align.errors import InputError
from align.run.moved import renamed


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
    """The component of a description, with fresh weights.

    Raises:
        InputError: The class path cannot be imported or is not an `nn.Module`.
    """
    description = renamed(description)
    path = description["class_path"]
    module, _, name = path.rpartition(".")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"class_path={path!r} cannot be imported: {error}") from None
    if not (inspect.isclass(kind) and issubclass(kind, nn.Module)):
        raise InputError(f"class_path={path!r}: expected a subclass of torch.nn.Module")
    arguments = {
        key: build(value) if isinstance(value, Mapping) and "class_path" in value else value
        for key, value in description["init_args"].items()
    }
    return kind(**arguments)
