"""A grid of runs, from a YAML file.

The file names its `base` (another file, beside it or one that ships, with the configuration of a run and of
the demonstrations at each scale; it may lie over a base of its own) and its `axes`. A value of an axis is set
at its `option`; an axis without an option has named values, each a mapping of options. Such a value may
restrict the other axes (`only: {lambda: [0.1, 1]}`), and an option may be the directory of another run of the
grid, which then goes first: `model.initial: {after: {method: sim-only}}` is the run that differs in these
axes alone. `scales` may give other values at a scale, or `keep` a few of them by name.
An option that begins with "demos." is of the demonstrations: `demos.data.real.world.visual` is an argument of
those that `data.real` is made of, so that runs may differ in the world that they learn from. What is made may
take from the run that asks for it what is configured there: `{run: model.policy}`.
"""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from align.errors import InputError
from align.experiments.axes import (
    Axes,
    beyond_reference,
    check_families,
    check_point,
    followed,
    points,
    read_axes,
    with_seeds,
)
from align.experiments.descriptions import DEMOS, configured, needed, resolve, set_argument
from align.experiments.grid_file import axes_at, read_grid
from align.experiments.options import read_override, set_option
from align.run.reading import of_file
from align.shipped import find

MAKE = {"data.sim": "SIM", "data.real": "REAL"}  # what `make` calls stores of a user's own


@dataclass(frozen=True)
class Run:
    """One point of a grid.

    Attributes:
        name: Name of its directory, the same whenever the grid is expanded.
        point: Its value on each axis.
        config: Configuration for `align fit`.
        demos: Demonstrations to make, by the option of the store's path: arguments of `align demos`, or of
            the function named by "make"; see `align.experiments.demonstrations`.
        after: By option, the name of the run whose directory it takes; that run must be finished before.
    """

    name: str
    point: dict[str, Any]
    config: dict[str, Any]
    demos: dict[str, dict[str, Any]] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Grid:
    """An expanded grid.

    Attributes:
        name: Name of the question, from the file's.
        title: The question.
        demos: Demonstrations that runs have in common, but for what axes set of them; as `Run.demos`.
        runs: The runs, in order.
        takes: How long it takes or how many runs it is at which scale, over its own base.
        reference: Values of axes that tell the arm which others are compared with; empty: the first.
        taken: Options that were taken from the stores, see `align.experiments.own_stores`.
        families: By axis, values of one kind, by what the kind is called: they have one hue in figures.
    """

    name: str
    title: str
    takes: str
    demos: dict[str, dict[str, Any]]
    runs: list[Run]
    reference: dict[str, Any]
    taken: dict[str, Any] = field(default_factory=dict)
    families: dict[str, dict[str, list]] = field(default_factory=dict)


def load_grid(
    path: str | Path,
    scale: str,
    base: str | None = None,
    overrides: Sequence[str] = (),
    seeds: int | None = None,
    reference_seeds: int | None = None,
) -> Grid:
    """Read and expand a grid.

    Args:
        path: The YAML file, or the name of a grid that ships.
        scale: A scale of the base ("smoke", "laptop", "paper").
        base: Another base than the file's: its name, or the path of a `.yaml` file.
        overrides: Options as "name=value", applied to every run; the value is YAML.
        seeds: Training seeds of each arm, 0 and so on; by default those of the grid.
        reference_seeds: More of them of the reference arm, that all others are compared with, and of what its
            runs start from.

    Raises:
        InputError: A file is missing, or a name in it or in the arguments is unknown.
    """
    path = find(path)
    grid, common = read_grid(path, scale, base)
    config, demos = common["config"], dict(common["demos"])
    for option, value in (read_override(text) for text in overrides):
        set_option(config, option, value)
        demos.pop(option, None)
        demos = resolve(demos, {option: value})
    if absent := [option for option, arguments in demos.items() if arguments is None]:
        given = " ".join(f"--set+={option}=PATH" for option in absent)
        make = " and ".join(MAKE[option] for option in absent if option in MAKE)
        raise InputError(
            f"{', '.join(absent)}: missing; give the paths of your own stores as {given}"
            + (f", or {make} of make" if make else "")
        )
    taken = {}
    if common.get("from_stores"):
        from align.experiments.own_stores import fill_in  # late, as what reads stores takes a while

        taken = fill_in(config, common["from_stores"])
    described = axes_at(scale, grid, path)
    if reference_seeds is not None:
        if seeds is None or reference_seeds < seeds:
            least = "seeds, which is not given" if seeds is None else f"seeds={seeds}"
            raise InputError(f"reference_seeds={reference_seeds}: expected no fewer than {least}")
        described = with_seeds(described, reference_seeds)
    elif seeds is not None:
        described = with_seeds(described, seeds)
    with of_file(f"grid={str(path)!r}"):
        axes = read_axes(described)
        every = list(points(axes))
    reference = grid.get("reference", {})
    check_point(reference, axes, f"reference of grid={str(path)!r}")
    families = grid.get("families", {})
    check_families(families, grid["axes"], f"families of grid={str(path)!r}")
    runs = [_run(config, demos, point, axes) for point in every]
    if reference_seeds is not None:
        asked = {run.name for run in runs if not beyond_reference(run.point, reference, axes, seeds)}
        for run in reversed(runs):  # those that a run starts from come before it
            asked.update(run.after.values() if run.name in asked else ())
        runs = [run for run in runs if run.name in asked]
    if not runs:
        raise InputError(
            f"grid={str(path)!r}: no run is left; expected values that do not rule each other out"
        )
    _order(runs)
    demos = needed(demos, [run.config for run in runs])
    runs = [replace(run, demos=needed(run.demos, [run.config])) for run in runs]
    takes = "" if base or seeds else grid.get("takes", "")
    return Grid(path.stem, grid["title"], takes, demos, runs, reference, taken, families)


def _run(config: Mapping, demos: Mapping, point: dict[str, Any], axes: Axes) -> Run:
    config, demos, after = copy.deepcopy(dict(config)), copy.deepcopy(dict(demos)), {}
    for axis, value in point.items():
        for option, setting in axes[axis][value].items():
            if (other := followed(setting)) is not None:
                after[option] = _name({**point, **other})
            elif option.startswith(DEMOS):
                set_argument(demos, option, copy.deepcopy(setting), f"{axis}={value}")
            elif option != "only":
                set_option(config, option, copy.deepcopy(setting))
    demos = {name: configured(arguments, name, config, demos) for name, arguments in demos.items()}
    return Run(_name(point), point, config, demos, after)


def _name(point: Mapping[str, Any]) -> str:
    return ",".join(f"{axis}={value}" for axis, value in point.items())


def _order(runs: list[Run]) -> None:
    """Check that every run comes after those it needs.

    Raises:
        InputError: One does not.
    """
    before: set[str] = set()
    for run in runs:
        for name in run.after.values():
            if name not in before:
                raise InputError(f"after={name!r}: expected a run of the grid that comes before {run.name}")
        before.add(run.name)
