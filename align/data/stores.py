"""Several stores as one domain: three labs' arms, two simulators."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from align.data.episodes import Episodes, Store
from align.data.images import Segments
from align.data.splits import check_enough, shuffled, split
from align.errors import InputError
from align.files import user_path

ENDINGS = (".zip", ".zarr", ".hdf5", ".h5")
"""Of the names of stores, what does not tell them apart."""


def short_names(paths: Sequence[str]) -> list[str]:
    """A name of each path: its last part, with as many of the folders before it as tell it from the others.

    >>> short_names(["data/sim.zarr", "labs/a/real.hdf5", "labs/b/real.hdf5"])
    ['sim', 'a-real', 'b-real']
    """
    parts = [_parts(path) for path in paths]
    names = []
    for n, own in enumerate(parts):
        others = [other for m, other in enumerate(parts) if m != n and other != own]
        depth = 1
        while depth < len(own) and any(other[-depth:] == own[-depth:] for other in others):
            depth += 1
        name = "-".join(own[-depth:]) or "store"
        names.append("".join(c if c.isalnum() or c in "-._" else "_" for c in name))
    return [f"{name}-{n}" if names.count(name) > 1 else name for n, name in enumerate(names)]


def _parts(path: str) -> list[str]:
    where = user_path(path).absolute()
    name = where.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return [*(part for part in where.parts[1:-1] if part not in (".", "..")), name]


def listed(option: str, paths: Sequence[str] | str) -> list[str]:
    """The paths of a domain's stores.

    Raises:
        InputError: There is none, or an empty one.
    """
    paths = [paths] if isinstance(paths, str) else list(paths)
    if not paths or "" in paths:
        raise InputError(f"data.{option}={paths}: expected the path of a store, or several")
    return paths


def each_keys(option: str, keys: Mapping | Sequence | None, n: int) -> list[Mapping[str, str] | None]:
    """The keys of each of n stores: one mapping is for all of them.

    Raises:
        InputError: A list has not as many as there are stores.
    """
    if keys is None or isinstance(keys, Mapping):
        return [keys] * n
    if len(keys) != n:
        raise InputError(f"data.{option}_keys: {len(keys)} given for {n} stores; expected one of each")
    return list(keys)


def join(stores: Sequence[Episodes], names: Sequence[str]) -> Episodes:
    """The episodes of all stores of a domain, one store's behind another's; images stay where they lie.

    Args:
        stores: Alike in all shapes; see `align.data.compatibility`.
        names: What each is called.

    Raises:
        InputError: What was asked for as privileged has different sizes.
    """
    firsts = np.cumsum([0, *(e.n_episodes for e in stores)]).tolist()
    parts = tuple(
        Store(name, e.path, range(first, first + e.n_episodes), e.attrs)
        for name, e, first in zip(names, stores, firsts[:-1], strict=True)
    )
    if len(stores) == 1:
        return dataclasses.replace(stores[0], stores=parts)
    vectors = {}
    for name in ("agent_pos", "action", "state", "privileged"):
        arrays = [getattr(e, name) for e in stores]
        widths = {None if array is None else array.shape[1] for array in arrays}
        if len(widths) > 1 and name == "privileged":
            raise InputError(
                f"model.auxiliary.targets: {sorted(widths, key=str)} columns in different stores of one "
                "domain; expected as many in each"
            )
        whole = len(widths) == 1 and None not in widths
        vectors[name] = np.concatenate(arrays) if whole else None
    frames = np.cumsum([0, *(len(e.action) for e in stores)])
    common = {
        key: value
        for key, value in stores[0].attrs.items()
        if all(key in e.attrs and e.attrs[key] == value for e in stores)
    }
    rates = [e.attrs["rate_hz"] for e in stores if e.attrs.get("rate_hz") is not None]
    codecs = {
        camera: next((e.codecs[camera] for e in stores if e.codecs.get(camera)), None)
        for camera in stores[0].codecs
    }
    return Episodes(
        **vectors,
        ends=np.concatenate([e.ends + first for e, first in zip(stores, frames[:-1], strict=True)]),
        images={name: Segments([e.images[name] for e in stores]) for name in stores[0].images},
        attrs=common | ({"rate_hz": rates[0]} if rates else {}),
        path=" + ".join(e.path for e in stores),
        codecs=codecs,
        notes=[note for e in stores for note in e.notes],
        stores=parts,
        forms=stores[0].forms,
        labels=stores[0].labels,
    )


def other_forms(stores: Sequence[Episodes]) -> list[str]:
    """A line for each store of a domain that writes actions or positions otherwise than its first."""
    return [
        f"note: {name} is written otherwise in {store.path} than in {stores[0].path}; the policy will take "
        "and give it as the latter does"
        for store in stores[1:]
        for name in ("action", "agent_pos")
        if len({tuple(how for how, _ in e.forms.get(name, ())) for e in (store, stores[0])}) > 1
        and any(how for e in (store, stores[0]) for how, _ in e.forms.get(name, ()))
    ]


def split_stores(
    episodes: Episodes,
    parts: Sequence[Episodes],
    validation: int | float,
    max_demos: int | None,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """`align.data.splits.split` of each store of a domain: each has its own held-out episodes.

    Stores of equally many episodes have the same numbers held out, so that two renderings of the same
    demonstrations do not leak into each other's. Of `max_demos`, each store has as large a share as of all;
    those of a smaller number are a subset of those of a larger one.

    Args:
        episodes: The joined episodes.
        parts: The stores that they are of.
        validation, max_demos, seed: As in `split`, `validation` of each store.

    Returns:
        Episode numbers in `episodes` for training and for validation, each increasing, int64.
    """
    if len(parts) == 1:
        return split(episodes, validation, max_demos, seed)
    train, held_out, turn = [], [], []
    for part, store in zip(parts, episodes.stores, strict=True):
        order, out = shuffled(part, validation, seed)
        train.append(order + store.episodes.start)
        held_out.append(out + store.episodes.start)
        turn.append((np.arange(len(order)) + 0.5) / len(order))  # stores take turns in proportion
    check_enough(max_demos, sum(map(len, turn)), " and ".join(part.path for part in parts))
    turns = np.argsort(np.concatenate(turn), kind="stable")[:max_demos]
    return np.sort(np.concatenate(train)[turns]), np.concatenate(held_out)
