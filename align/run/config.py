"""What a run's `config.yaml` says, or that of what was kept of a sweep."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from align.errors import SEED, InputError, check_numbers, one_line, shown
from align.files import user_path
from align.run.layout import CONFIG
from align.run.moved import renamed
from align.run.reading import DAMAGE, reading

MOST_VALUES = 1_000_000
"""So many values no configuration has."""
SECTIONS = ("model", "data", "trainer", "embeddings", "checkpoint", "progress")
"""Options of a configuration that hold options."""


def load_yaml(path: str | os.PathLike) -> Any:
    """What a YAML file holds.

    Raises:
        InputError: It cannot be read, or is not YAML.
    """
    with reading(path, "a YAML file"):
        return parse_yaml(Path(path).read_text(encoding="utf-8"), str(path))


def parse_yaml(text: str, where: str) -> Any:
    """What YAML holds; of parts that it names once and repeats (`&a`, `*a`) each repetition counts.

    Raises:
        InputError: It is not YAML; or with all repetitions it is larger than any configuration, or without
            end, which whoever goes through it would find out in hours.
    """
    try:
        content = _content(text)
        values = _values(content, {})
    except (*DAMAGE, yaml.YAMLError) as error:  # the former where values are made of what was parsed
        raise InputError(f"{where}: not YAML ({one_line(error)})") from None
    if not values <= MOST_VALUES:
        raise InputError(
            f"{where}: its repetitions (*) make more than {MOST_VALUES:,} values of it; expected fewer"
        )
    return content


def _content(text: str) -> Any:
    """What YAML holds, with no types but plain ones: by libyaml where PyYAML has it, eight times as fast.

    What that refuses PyYAML decides, whose words say more of why.
    """
    try:
        return yaml.load(text, Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (yaml.YAMLError, ValueError):
        return yaml.safe_load(text)


def _values(content: Any, known: dict[int, float]) -> float:
    """How many values there are in nested mappings and lists; infinitely many where one holds itself."""
    if not isinstance(content, dict | list):
        return 1
    if id(content) not in known:
        known[id(content)] = float("inf")
        parts = content.values() if isinstance(content, dict) else content
        known[id(content)] = 1 + sum(_values(part, known) for part in parts)
    return known[id(content)]


def read_yaml(path: str | os.PathLike) -> dict[str, Any]:
    """A YAML file that holds a mapping, or nothing; what has moved has its new name, see `align.run.moved`.

    Raises:
        InputError: It cannot be read, is not YAML, or holds something else.
    """
    content = load_yaml(path)
    if not isinstance(content, dict | None):
        raise InputError(f"{path}: {shown(content)}; expected a mapping of options")
    return renamed(content or {})


def run_config(run: str | os.PathLike) -> dict[str, Any]:
    """The recorded configuration of a run, without sections that hold nothing; empty where there is none.

    Raises:
        InputError: The file is not a mapping in YAML, or a section of it is none.
    """
    path = Path(run) / CONFIG
    config = read_yaml(path) if os.path.lexists(path) else {}
    for name in SECTIONS:
        if not isinstance(config.get(name), dict | None):
            raise InputError(f"{path}: {name}={shown(config[name])}; expected a mapping of options")
    return {name: value for name, value in config.items() if value is not None or name not in SECTIONS}


def place_of(run: str | os.PathLike, path: str) -> Path:
    """Where a path lies that a run's configuration names.

    A relative one is of the folder in which `align fit` ran: that is told by where the run directory is, as
    it is called or where links lead, and what the configuration calls it. Where these do not agree, as of a
    run that was moved, or nothing is there, it is of the current folder.
    """
    name, path = Path(str(run_config(run).get("run") or "")), user_path(path)
    depth = len(name.parts)
    for place in (Path(os.path.abspath(run)), Path(run).resolve()):
        if 0 < depth < len(place.parts) and place.parts[-depth:] == name.parts:
            if (found := Path(*place.parts[:-depth], path)).exists():
                return found
    return path


def fit_config(run: str | os.PathLike) -> dict[str, Any]:
    """The configuration that `align fit` recorded of a run.

    Raises:
        InputError: The directory holds none.
    """
    path = Path(run) / CONFIG
    if not os.path.lexists(path):
        raise InputError(f"run={str(run)!r}: expected a run directory holding {CONFIG}")
    config = run_config(run)
    if absent := {"data", "model", "seed_everything"} - {name for name in config if config[name] is not None}:
        raise InputError(f"{path}: expected a configuration of align fit, with {', '.join(sorted(absent))}")
    check_numbers(SEED, whole=True, **{f"{path}: seed_everything": config["seed_everything"]})
    return config


def aligned_site(run: str | os.PathLike) -> str | None:
    """The site that a run's training aligned, or would have; `None` where that was not recorded."""
    with reading(Path(run) / CONFIG, "a configuration of align fit"):
        return (run_config(run).get("model") or {}).get("site")


def callback_options(run: str | os.PathLike) -> list[dict[str, Any]]:
    """Constructor arguments of each of a run's callbacks."""
    with reading(Path(run) / CONFIG, "a configuration of align fit"):
        return options_of_callbacks(run_config(run))


def options_of_callbacks(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Constructor arguments of each of the callbacks of a configuration."""
    callbacks = (config.get("trainer") or {}).get("callbacks") or []
    return [dict(callback.get("init_args") or {}) for callback in callbacks]


def trial_worlds(run: str | os.PathLike) -> Mapping[str, Any]:
    """The worlds, by name, that a run's configuration evaluates its policy in."""
    worlds: dict[str, Any] = {}
    with reading(Path(run) / CONFIG, "a configuration of align fit"):
        for options in callback_options(run):
            worlds |= options.get("worlds") or {}
    return worlds
