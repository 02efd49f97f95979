"""The function behind `align inspect`."""

import dataclasses
import json as jsons
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import numpy as np

from align.data.readers import Reader, open_store
from align.domain import Domain
from align.errors import InputError, one_line
from align.inspection.cameras import common_cameras
from align.inspection.differences import Differences, compare
from align.inspection.fitting import IMAGE_OPTIONS, Seen, fitting_options
from align.inspection.store import Inspected, inspect_store
from align.inspection.training import folded, training_commands
from align.inspection.words import differences_text, store_text


def inspect(
    paths: list[str],
    sim_keys: dict[str, str] | None = None,
    real_keys: dict[str, str] | None = None,
    reader: type[Reader] | None = None,
    json: bool = False,
) -> int:
    """Say what a store holds, or how a sim and a real one differ, and which command trains on them.

    Args:
        paths: One store, or two: sim, then real.
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
    keys = {"sim": sim_keys, "real": real_keys}
    if len(paths) == 1:
        only = inspect_store(paths[0], sim_keys, reader)
        domain = only.domain or "sim"
        found, options, faults = None, _options_of(only), only.faults
        stores, known = {"sim": "SIM", "real": "REAL"} | {domain: paths[0]}, {domain: sim_keys}
        text = store_text(only)
    else:
        stores, known = dict(zip(keys, paths, strict=True)), keys
        names, refused = _cameras(paths, keys, reader)
        sim, real = (inspect_store(paths[n], keys[d], reader, names) for n, d in enumerate(keys))
        found = compare(sim, real)
        found.refused += refused
        options = found.options
        if refused:  # what policy sees which cameras is not known
            options = {o: v for o, v in options.items() if o not in IMAGE_OPTIONS}
        faults = [*sim.faults, *real.faults, *found.refused]
        text = differences_text(sim, real, found)
    commands = training_commands(stores, known, options, found and found.rate_hz, found and found.lossless)
    if json:
        whole = {"stores": [_plain(only)]} if found is None else {"stores": [_plain(sim), _plain(real)]}
        print(jsons.dumps(whole | _plain(found) | {"commands": commands}, indent=1, ensure_ascii=False))
    else:
        print(text)
        print("\ntrain on it" if not faults else "\ntrain on it, once that is mended")
        for command in commands:
            print(f"  {folded(command)}")
    return 1 if faults else 0


def _cameras(
    paths: list[str], keys: Mapping[str, Mapping[str, str] | None], reader: type[Reader] | None
) -> tuple[tuple[str, ...] | None, list[str]]:
    """The cameras of both stores by the policy's names, and why there are none."""
    with ExitStack() as stack:
        opened = []
        for path, given in zip(paths, keys.values(), strict=True):
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
        return fitting_options(dict.fromkeys(Domain, seen))
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
