"""The function behind `align inspect`."""

import dataclasses
import json as jsons
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import yaml

from align.data.readers import Reader, open_store
from align.data.stores import each_keys, listed, short_names
from align.errors import InputError, one_line
from align.inspection.cameras import common_cameras
from align.inspection.differences import Differences, compare, compare_columns, fit_together
from align.inspection.fitting import IMAGE_OPTIONS, Seen, fitting_options
from align.inspection.store import Inspected, inspect_store
from align.inspection.training import folded, training_commands
from align.inspection.words import differences_text, store_text


def inspect(
    paths: list[str],
    sim_keys: dict[str, str] | list[dict[str, str] | None] | None = None,
    real_keys: dict[str, str] | list[dict[str, str] | None] | None = None,
    reader: type[Reader] | None = None,
    json: bool = False,
) -> int:
    """Say what a store holds, or how a sim and a real one differ, and which command trains on them.

    Args:
        paths: One store, or two: sim, then real; [A, B] is several stores of a domain.
        sim_keys: Where the sim store, or the only one, keeps what, as {agent_pos: "pose + gripper", image:
            camera_0}, if it is not found by itself.
        real_keys: The same for the real store.
        reader: A format of your own, a subclass of align.data.readers.Reader by its import path.
        json: Print numbers for machines.

    Returns:
        The exit status: 1 where training would refuse something, else 0.
    """
    if not 1 <= len(paths) <= 2:
        raise InputError(f"paths: {len(paths)} given; expected a store, or two: sim, then real")
    domains = {label: listed(label, _several(path)) for label, path in zip(KEYS, paths, strict=False)}
    given = {"sim": sim_keys, "real": real_keys}
    keys = {label: each_keys(label, given[label], len(stores)) for label, stores in domains.items()}
    if len(paths) == 2:
        text, whole, together = _beside(domains, keys, reader)
        options, rate, lossless = together.options, together.rate_hz, together.lossless
        faults = whole.pop("faults")
        paths = [stores[0] if len(stores) == 1 else stores for stores in domains.values()]
        told = dict(zip(KEYS, paths, strict=True))
    elif len(domains["sim"]) > 1:
        raise InputError(f"paths: {len(domains['sim'])} stores of one domain; expected sim, then real")
    else:
        only = inspect_store(domains["sim"][0], keys["sim"][0], reader)
        domain, options, rate = only.domain or "sim", _options_of(only), None
        lossless = None
        text, whole, faults = store_text(only), {"stores": [_plain(only)]}, only.faults
        told, given = {"sim": "SIM", "real": "REAL"} | {domain: only.path}, {domain: sim_keys}
    commands = training_commands(told, given, options, rate, lossless)
    if json:
        print(jsons.dumps(whole | {"commands": commands}, indent=1, ensure_ascii=False))
    else:
        print(text)
        print("\ntrain on it" if not faults else "\ntrain on it, once that is mended")
        for command in commands:
            print(f"  {folded(command)}")
    return 1 if faults else 0


def _beside(
    domains: Mapping[str, list[str]], keys: Mapping[str, list], reader: type[Reader] | None
) -> tuple[str, dict[str, Any], Differences]:
    """Stores of both domains: what is shown of them, as text and as JSON, and whether they fit."""
    every = [(path, given) for d, p in domains.items() for path, given in zip(p, keys[d], strict=True)]
    names, refused = _cameras(every, reader)
    found = [inspect_store(path, given, reader, names) for path, given in every]
    stores = dict(zip(_labels(domains), found, strict=True))
    n = len(domains["sim"])
    if len(found) == 2:
        together = compare(*found)
        pairs = {"real": together}
    else:
        together = fit_together(found[:n], found[n:])
        pairs = {name: compare_columns(found[0], store) for name, store in list(stores.items())[1:]}
    together.refused += refused
    if refused:  # what policy sees which cameras is not known
        together.options = {o: v for o, v in together.options.items() if o not in IMAGE_OPTIONS}
    whole = {"stores": [_plain(store) for store in found]} | _plain(together)
    if len(found) > 2:
        whole["pairs"] = {name: _plain(pair) for name, pair in pairs.items()}
    whole["faults"] = [*(fault for store in found for fault in store.faults), *together.refused]
    return differences_text(stores, pairs, together), whole, together


KEYS = ("sim", "real")


def _several(path: str) -> list[str] | str:
    """A path, or the paths of a list as `data.sim` takes it: "[a, b]"."""
    if not path.startswith("["):
        return path
    try:
        paths = yaml.safe_load(path)
    except yaml.YAMLError:
        paths = None
    if not isinstance(paths, list) or not all(isinstance(each, str) for each in paths):
        raise InputError(f"paths: {path!r}; expected the path of a store, or [A, B] of several")
    return paths


def _labels(domains: Mapping[str, Sequence[str]]) -> list[str]:
    """What the stores are called: by their domain, or of several by names of their own, too."""
    paths = [path for stores in domains.values() for path in stores]
    if len(paths) == 2:
        return list(domains)
    names = iter(short_names(paths))
    return [f"{domain}: {next(names)}" for domain, stores in domains.items() for _ in stores]


def _cameras(
    stores: Sequence[tuple[str, Mapping[str, str] | None]], reader: type[Reader] | None
) -> tuple[tuple[str, ...] | None, list[str]]:
    """The cameras of all stores by the policy's names, and why there are none."""
    with ExitStack() as stack:
        opened = []
        for path, given in stores:
            store = open_store(path, reader)
            stack.callback(store.close)
            opened.append((store, given or {}))
        try:
            return common_cameras(opened), []
        except InputError as error:
            return (), [one_line(error)]


def _options_of(only: Inspected) -> dict[str, Any]:
    """What fits a store, as far as the other is like it."""
    if only.episodes is None:
        return {}
    seen = Seen(only.episodes, {name: view.shape for name, view in only.reader_cameras.items()})
    try:
        return fitting_options({"sim": seen, "real": seen})
    except InputError as error:
        only.notes.append(f"warning: {one_line(error)}")
        return {}


def _plain(found: Inspected | Differences | None) -> dict[str, Any]:
    """Numbers without arrays."""
    if found is None:
        return {}
    if isinstance(found, Inspected):
        found = dataclasses.replace(found, episodes=None, lengths=found.lengths.tolist())
    plain = dataclasses.asdict(found)
    plain.pop("episodes", None)
    return jsons.loads(jsons.dumps(plain, default=_number))


def _number(value: Any) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"{value!r} is no JSON")
