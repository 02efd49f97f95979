"""The scenes of planning worlds by the name under which a store of plans describes its own."""

from collections.abc import Callable, Mapping
from typing import Any

from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.maze import MazeSpec
from align.worlds.planning.scene import Scene

SCENES: dict[str, Callable[..., Scene]] = {"maze": lambda **spec: MazeSpec(**spec).maze(), "arm": ArmSpec}
"""Makes the scene from what a store's attribute of that name holds; see `align plans`."""


def scene_of(attributes: Mapping[str, Any]) -> Scene | None:
    """The scene that the attributes of a store describe; None where they describe none."""
    name = next((name for name in SCENES if name in attributes), None)
    return None if name is None else SCENES[name](**attributes[name])
