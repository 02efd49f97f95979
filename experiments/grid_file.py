"""The files of a grid: its own, and the base that it lies over at a scale."""

from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from align.errors import InputError, shown
from align.experiments.options import check_keys, merge
from align.run.config import SECTIONS, load_yaml
from align.run.reading import of_file
from align.shipped import find, names

GRID_KEYS = ("title", "takes", "base", "axes", "reference", "families", "scales")
BASE_KEYS = ("base", "demos", "config", "scales", "from_stores")
SCALE_KEYS = ("demos", "config")


def read_grid(path: Path, scale: str, base: str | None) -> tuple[dict[str, Any], dict[str, Any]]:
    """The content of a grid, and of its base at a scale.

    Args:
        path: The YAML file.
        scale, base: As of `align.experiments.grid.load_grid`.

    Raises:
        InputError: A file is missing, or a name in it or in the arguments is unknown.
    """
    grid = _read(path, "axes")
    if "axes" not in grid and "config" in grid:
        name = path.stem if find(path.stem) == path else path
        raise InputError(
            f"grid={str(path)!r}: is a base of grids; expected a grid, as in align sweep lambda --base {name}"
        )
    check_keys(grid, GRID_KEYS, f"grid={str(path)!r}")
    _require(path, grid, title=str, axes=dict, **({} if base else {"base": str}))
    own = base is not None and base.endswith(".yaml")
    common_path = find(base) if own else _beside(path, f"{base}.yaml" if base else grid["base"])
    with nullcontext() if base else of_file(f"grid={str(path)!r}"):
        common = _read_base(common_path)
    _require(common_path, common, config=dict, demos=dict, scales=dict)
    scales = {name: {} if other is None else other for name, other in common.pop("scales").items()}
    for name, other in scales.items():
        if not isinstance(other, Mapping):
            raise InputError(
                f"scales.{name} of base={str(common_path)!r}: {shown(other)}; expected a mapping"
            )
        check_keys(other, SCALE_KEYS, f"base={str(common_path)!r}", "scales", name)
    _check_scales(path, grid, scales)
    if not scales:
        raise InputError(f"scales of base={str(common_path)!r}: there is none; expected {scale!r}")
    if scale not in scales:
        raise InputError(f"scale={scale!r}: expected one of {', '.join(scales)}")
    given = [name for name, arguments in common["demos"].items() if arguments is None]
    common = merge(common, scales[scale])
    _require(common_path, common, config=dict, demos=dict)
    for name, section in common["config"].items():
        if name in SECTIONS and not isinstance(section, Mapping):
            raise InputError(
                f"config.{name} of base={str(common_path)!r}: {shown(section)}; expected a mapping of options"
            )
    common["demos"] |= dict.fromkeys(given)  # what is to be given is not made, however large a scale has it
    for name, arguments in common["demos"].items():
        if not isinstance(arguments, Mapping | None):
            raise InputError(
                f"demos.{name} of base={str(common_path)!r}: {shown(arguments)}; expected a mapping of "
                "arguments, or null for a store that is to be given"
            )
    return grid, common


def axes_at(scale: str, grid: Mapping, path: Path) -> dict[str, Any]:
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


def _check_scales(path: Path, grid: Mapping, scales: Mapping) -> None:
    """Refuse scales of a grid that no base has, and what cannot be other at a scale."""
    found = grid.get("scales") or {}
    if isinstance(found, Mapping):  # what is not is told by `axes_at`
        known = {*scales, *(n for b in names("config") for n in _read(find(b), "config").get("scales", {}))}
        check_keys(found, sorted(known), f"grid={str(path)!r}", "scales")
        for name, other in found.items():
            check_keys(other, ("axes",), f"grid={str(path)!r}", "scales", name)


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
