"""Descriptions of demonstrations: what refers to what, what is needed, and what a run sets or takes of them.

See `align.experiments.demonstrations` for what a description is, and what is made of it.
"""

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from align.errors import InputError, shown
from align.experiments.options import get_option, set_option

DEMOS = "demos."
"""How options begin that are of the demonstrations."""


def is_option(name: str) -> bool:
    """Whether what is made is the value of an option of that name, and not only what others refer to."""
    return "." in name


def resolve(value: Any, paths: Mapping[str, str | Path]) -> Any:
    """`value` with the path in place of every {made: NAME} in it whose path is known."""
    if isinstance(value, Mapping):
        if set(value) == {"made"}:
            return str(paths[value["made"]]) if value["made"] in paths else value
        return {key: resolve(part, paths) for key, part in value.items()}
    return [resolve(part, paths) for part in value] if isinstance(value, list) else value


def references(value: Any) -> set[str]:
    """The names that {made: NAME} stands for anywhere in `value`."""
    if isinstance(value, Mapping):
        return {value["made"]} if set(value) == {"made"} else set().union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def needed(demos: dict[str, Any], configs: Sequence[Mapping]) -> dict[str, Any]:
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


def configured(value: Any, name: str, config: Mapping, demos: Mapping) -> Any:
    """A description, or a part of it, with what the run is configured with in place of every {run: OPTION}.

    What asks there for this very description is left out, as a run's gating does for its annotation; options
    of stores that are made stand for those.

    Raises:
        InputError: The run has no such option.
    """
    if not isinstance(value, Mapping):
        return value
    if set(value) != {"run"}:
        return {key: configured(part, name, config, demos) for key, part in value.items()}
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


def set_argument(demos: dict[str, dict[str, Any]], option: str, value: Any, where: str = "") -> None:
    """Set an argument of demonstrations, `demos.STORE.ARGUMENT`; the store's option has dots of its own.

    Args:
        demos: Which are changed.
        option: Its name.
        value: What to set.
        where: Who sets it, for messages.

    Raises:
        InputError: There are no such demonstrations; or a world of the base that has a name would be another.
    """
    for store, arguments in demos.items():
        if option.startswith(f"{DEMOS}{store}."):
            name = option.removeprefix(f"{DEMOS}{store}.")
            if isinstance(value, Mapping) and isinstance(there := get_option(arguments, name), str):
                raise InputError(
                    f"{where}: {option}={shown(value)} would take the place of {there!r} of the base; "
                    f"expected a grid without this value (keep), or a base whose {name} has such dials"
                )
            return set_option(arguments, name, value)
    raise InputError(
        f"{option}: the grid makes demonstrations for {', '.join(demos) or 'nothing'}; expected one of "
        "these, not a store of your own"
    )
