"""Whether a run is the one that is asked for, also where it or its data have been moved."""

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from align.domain import Domain
from align.files import user_path
from align.run.layout import PROVENANCE
from align.run.provenance import hash_store
from align.run.reading import is_there, read_json, reading

ANNOTATION = "annotation"
"""What says at which noise levels sim is trusted, beside the stores that it says it of."""


def at_its_place(run: str | os.PathLike, recorded: dict[str, Any], config: dict[str, Any]) -> dict[str, Any]:
    """What was recorded of a run, with the paths at which it and its data lie now.

    A store is the same, wherever it lies, that holds what it did when the run began.

    Args:
        run: The run directory.
        recorded: Its configuration.
        config: The one that is asked for.

    Raises:
        InputError: Its provenance is damaged.
    """
    moved, stores = recorded | {"run": config["run"]}, _same_stores(run, recorded, config)
    if stores:
        moved["data"] = recorded["data"] | {name: config["data"][name] for name in stores}
    return moved


def rewritten(
    run: str | os.PathLike, config: dict[str, Any], hash_of: Callable[[Path], str] = hash_store
) -> str | None:
    """A store of a configuration that no longer holds what it did when the run began, if there is one.

    Args:
        run: The run directory.
        config: A configuration with the run's stores, wherever they lie now.
        hash_of: The hash of a store, such as one that remembers them.

    Raises:
        InputError: Its provenance is damaged.
    """
    hashes = _hashes(run)
    for name, path in stores_of(config).items():
        there = user_path(path)
        if name in hashes and there.exists() and hash_of(there) != hashes[name]:
            return path
    return None


def written_anew(run: str | os.PathLike, config: dict[str, Any]) -> str | None:
    """`rewritten`, in words: episodes would be held out that were trained on, and the other way round."""
    store = rewritten(run, config)
    return store and f"{store} was written anew since it began; expected what it was trained on"


def holds_the_same(run: str | os.PathLike, config: dict[str, Any]) -> bool:
    """Whether every store of a configuration holds what the run's did, by what the run recorded of them.

    Args:
        run: The run directory.
        config: A configuration with stores of the same names, wherever they lie.

    Raises:
        InputError: Its provenance is damaged.
    """
    return _hold(stores_of(config), _hashes(run))


def _hold(stores: dict[str, str], hashes: dict[str, str]) -> bool:
    """Whether all stores are there and hold what was recorded of them by their names."""
    return all(
        (path := user_path(where)).exists() and hash_store(path) == hashes.get(name)
        for name, where in stores.items()
    )


def stores_of(config: Mapping[str, Any]) -> dict[str, str]:
    """Path of each store that a configuration names, and of its annotation, by its name in the provenance."""
    data = config.get("data") or {}
    given = {domain: paths for domain in Domain if (paths := data.get(domain.label))}
    found = store_options({d: [paths] if isinstance(paths, str) else paths for d, paths in given.items()})
    gating = data.get("gating")
    annotation = gating.get(ANNOTATION) if isinstance(gating, Mapping) else None
    return found | ({ANNOTATION: annotation} if isinstance(annotation, str) else {})


def store_options(paths: Mapping[Domain, Sequence[str]]) -> dict[str, str]:
    """Path of each store by its name in the provenance: "real", or "real[0]" and so on of several."""
    return {
        domain.label if len(stores) == 1 else f"{domain.label}[{n}]": path
        for domain, stores in paths.items()
        for n, path in enumerate(stores)
    }


def _hashes(run: str | os.PathLike) -> dict[str, str]:
    """The recorded hash of each store of a run, by its name; none where there is no provenance."""
    file = Path(run) / PROVENANCE
    if not is_there(file):
        return {}
    with reading(file):
        return {name: store["hash"] for name, store in read_json(file)["data"].items()}


def _same_stores(run: str | os.PathLike, recorded: dict[str, Any], config: dict[str, Any]) -> list[str]:
    """Domains whose stores are given at other paths and have the recorded hashes."""
    hashes, data = _hashes(run), recorded.get("data")
    if not (hashes and isinstance(data, dict)):
        return []
    found = []
    for domain in Domain:
        old, new = data.get(domain.label), config["data"].get(domain.label)
        if old == new or isinstance(old, list) != isinstance(new, list):
            continue
        stores = store_options({domain: [new] if isinstance(new, str) else new})
        if _hold(stores, hashes):
            found.append(domain.label)
    return found


def first_difference(old: dict, new: dict, prefix: str = "") -> str | None:
    """The first option that differs, as "name: old there, new here", or `None`."""
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            if difference := first_difference(a, b, f"{prefix}{key}."):
                return difference
        elif a != b:
            return f"{prefix}{key}: {a} there, {b} here"
    return None
