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
from contextlib import nullcontext
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
from align.experiments.demonstrations import is_option, references, resolve
from align.experiments.options import check_keys, merge, read_override, set_option
from align.experiments.own_stores import fill_in
from align.run.config import load_yaml
from align.run.reading import of_file
from align.shipped import find, names

DEMOS = "demos."
"""How options begin that are of the demonstrations."""
GRID_KEYS = ("title", "takes", "base", "axes", "reference", "families", "scales")
BASE_KEYS = ("base", "demos", "config", "scales", "from_stores")
SCALE_KEYS = ("demos", "config")


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
        reference_seeds: More of them of the reference arm, that all others are compared with.

    Raises:
        InputError: A file is missing, or a name in it or in the arguments is unknown.
    """
    path = find(path)
    grid = _read(path, "axes")
    check_keys(grid, GRID_KEYS, f"grid={str(path)!r}")
    _require(path, grid, title=str, axes=dict, **({} if base else {"base": str}))
    own = base is not None and base.endswith(".yaml")
    common_path = find(base) if own else _beside(path, f"{base}.yaml" if base else grid["base"])
    with nullcontext() if base else of_file(f"grid={str(path)!r}"):
        common = _read_base(common_path)
    _require(common_path, common, config=dict, demos=dict, scales=dict)
    scales = common.pop("scales")
    for name, other in scales.items():
        check_keys(other, SCALE_KEYS, f"base={str(common_path)!r}", "scales", name)
    _check_scales(path, grid, scales)
    if scale not in scales:
        raise InputError(f"scale={scale!r}: expected one of {', '.join(scales)}")
    common = merge(common, scales[scale])
    config, demos = common["config"], dict(common["demos"])
    for option, value in (read_override(text) for text in overrides):
        set_option(config, option, value)
        demos.pop(option, None)
        demos = resolve(demos, {option: value})
    if absent := [option for option, arguments in demos.items() if arguments is None]:
        given = " ".join(f"--set+={option}=PATH" for option in absent)
        raise InputError(f"{', '.join(absent)}: missing; give the paths of your own stores as {given}")
    taken = fill_in(config, common["from_stores"]) if common.get("from_stores") else {}
    described = _axes_at(scale, grid, path)
    if reference_seeds is not None:
        if seeds is None or reference_seeds < seeds:
            least = "seeds, which is not given" if seeds is None else f"seeds={seeds}"
            raise InputError(f"reference_seeds={reference_seeds}: expected no fewer than {least}")
        described = with_seeds(described, reference_seeds)
    elif seeds is not None:
        described = with_seeds(described, seeds)
    with of_file(f"grid={str(path)!r}"):
        axes = read_axes(described)
    reference = grid.get("reference", {})
    check_point(reference, axes, f"reference of grid={str(path)!r}")
    families = grid.get("families", {})
    check_families(families, grid["axes"], f"families of grid={str(path)!r}")
    runs = [
        _run(config, demos, point, axes)
        for point in points(axes)
        if not beyond_reference(point, reference, axes, seeds)
    ]
    if not runs:
        raise InputError(
            f"grid={str(path)!r}: no run is left; expected values that do not rule each other out"
        )
    _order(runs)
    demos = _needed(demos, [run.config for run in runs])
    runs = [replace(run, demos=_needed(run.demos, [run.config])) for run in runs]
    takes = "" if base or seeds else grid.get("takes", "")
    return Grid(path.stem, grid["title"], takes, demos, runs, reference, taken, families)


def _check_scales(path: Path, grid: Mapping, scales: Mapping) -> None:
    """Refuse scales of a grid that no base has, and what cannot be other at a scale."""
    found = grid.get("scales") or {}
    if isinstance(found, Mapping):  # what is not is told by `_axes_at`
        known = {*scales, *(n for b in names("config") for n in _read(find(b), "config").get("scales", {}))}
        check_keys(found, sorted(known), f"grid={str(path)!r}", "scales")
        for name, other in found.items():
            check_keys(other, ("axes",), f"grid={str(path)!r}", "scales", name)


def _axes_at(scale: str, grid: Mapping, path: Path) -> dict[str, Any]:
    """Descriptions of the axes, with what is other at a scale.

    Raises:
        InputError: The scale names another axis, or is no mapping.
    """
    axes = grid["axes"]
    other: Any = grid
    for key in ("scales", scale, "axes"):
        other = other.get(key) or {}
        if not isinstance(other, Mapping):
            raise InputError(
                f"{key} of grid={str(path)!r}: {other!r}; expected a mapping, as in experiments/"
            )
    check_keys(other, axes, f"grid={str(path)!r}", "scales", scale, "axes")
    return merge(axes, other)


def _needed(demos: dict[str, Any], configs: Sequence[Mapping]) -> dict[str, Any]:
    """Without what neither a run nor what is made for it asks for.

    Raises:
        InputError: Something refers to what is not made, or not before it.
    """
    asked = set().union(*map(references, configs))
    wanted, kept = set(asked), {}
    for name, description in reversed(demos.items()):  # descriptions refer to those before them
        if is_option(name) or name in wanted:
            wanted |= references(description)
            kept[name] = description
    kept = dict(reversed(kept.items()))
    known: list[str] = []
    for name, description in kept.items():
        _check_made(references(description), known, f"demos: {name}")
        known.append(name)
    _check_made(asked, known, "runs")
    return kept


def _check_made(names: set[str], known: Sequence[str], where: str) -> None:
    if unknown := sorted(names - set(known)):
        raise InputError(f"{where}: made={unknown[0]!r}; expected one of {', '.join(known) or 'no other'}")


def _beside(path: Path, name: str) -> Path:
    """The base of that name beside the file that names it; otherwise the one that ships."""
    beside = path.parent / name
    return beside if beside.is_file() else find(name)


def _read_base(path: Path, above: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A base, laid over the base it names itself, if any."""
    if path in above:
        raise InputError(f"base={str(path)!r} lies over itself; expected another base, or none")
    content = _read(path, "config")
    check_keys(content, BASE_KEYS, f"base={str(path)!r}")
    if "base" not in content:
        return content
    return merge(_read_base(_beside(path, content.pop("base")), (*above, path)), content)


def _read(path: Path, entry: str) -> dict[str, Any]:
    """The content of a grid (`entry` is "axes") or of a base ("config")."""
    what = "grid" if entry == "axes" else "base"
    if not path.is_file():
        shipped = ", ".join(names(entry))
        raise InputError(f"{what}={str(path)!r}: no such file; expected a YAML file, or one of {shipped}")
    content = load_yaml(path)
    if not isinstance(content, dict):
        raise InputError(f"{what}={str(path)!r}: expected a mapping, as in experiments/lambda.yaml")
    return content


def _require(path: str | Path, content: Mapping, **kinds: type) -> None:
    """Raise an `InputError` unless what was read has entries of these names and kinds."""
    for name, kind in kinds.items():
        if not isinstance(content.get(name), kind):
            expected = "a mapping" if kind is dict else "a text"
            found = repr(content[name]) if name in content else "missing"
            raise InputError(
                f"{name} of grid={str(path)!r}: {found}; expected {expected}, as in experiments/"
            )


def _run(config: Mapping, demos: Mapping, point: dict[str, Any], axes: Axes) -> Run:
    config, demos, after = copy.deepcopy(dict(config)), copy.deepcopy(dict(demos)), {}
    for axis, value in point.items():
        for option, setting in axes[axis][value].items():
            if (other := followed(setting)) is not None:
                after[option] = _name({**point, **other})
            elif option.startswith(DEMOS):
                _set_demos(demos, option, copy.deepcopy(setting))
            elif option != "only":
                set_option(config, option, copy.deepcopy(setting))
    demos = {name: _configured(arguments, name, config, demos) for name, arguments in demos.items()}
    return Run(_name(point), point, config, demos, after)


def _configured(value: Any, name: str, config: Mapping, demos: Mapping) -> Any:
    """A description, or a part of it, with what the run is configured with in place of every {run: OPTION}.

    What asks there for this very description is left out, as a run's gating does for its annotation; options
    of stores that are made stand for those.

    Raises:
        InputError: The run has no such option.
    """
    if not isinstance(value, Mapping):
        return value
    if set(value) != {"run"}:
        return {key: _configured(part, name, config, demos) for key, part in value.items()}
    found: Any = config
    for part in value["run"].split("."):
        if not isinstance(found, Mapping) or part not in found:
            raise InputError(f"demos: {name}: run={value['run']!r}; expected an option of the runs")
        found = found[part]
    if not isinstance(found, Mapping):
        return copy.deepcopy(found)
    kept = {key: copy.deepcopy(part) for key, part in found.items() if name not in references(part)}
    for store in demos:
        option, _, last = store.rpartition(".")
        if option == value["run"]:
            kept[last] = {"made": store}
    return kept


def _set_demos(demos: dict[str, dict[str, Any]], option: str, value: Any) -> None:
    """Set an argument of demonstrations, `demos.STORE.ARGUMENT`; the store's option has dots of its own."""
    for store, arguments in demos.items():
        if option.startswith(f"{DEMOS}{store}."):
            return set_option(arguments, option.removeprefix(f"{DEMOS}{store}."), value)
    raise InputError(
        f"{option}: the grid makes demonstrations for {', '.join(demos) or 'nothing'}; expected one of "
        "these, not a store of your own"
    )


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
