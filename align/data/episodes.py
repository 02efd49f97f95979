"""Episodes: demonstrations of one domain in memory, and the native store they are read from."""

import contextlib
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import zarr

from align.data.columns import Column
from align.data.formats import Store
from align.data.store_chunks import ImageWriter, create_array
from align.domain import Domain
from align.errors import InputError
from align.files import atomic_path
from align.seeding import numpy_rng

KEYS = {"image": "img", "agent_pos": "state[:2]", "action": "action", "state": "state"}
"""Where a store keeps what; agent_pos is `data/agent_pos` in a store that has it."""
PROBED_EPISODES = 4
"""Held-out episodes of a domain that a probe needs; fewer leave no honest split."""


@dataclass
class Episodes:
    """Demonstrations of one domain: the frames of all episodes, one after the other.

    Attributes:
        agent_pos: Proprioception, (T, P) float32, in the store's units (Push-T: pusher position in px).
        action: Actions, (T, A) float32, in the store's units (Push-T: target pusher position in px).
        ends: Where each episode ends, exclusive, (E,) int64, increasing; the last is T.
        image: Camera images, (T, H, W, C) uint8, or None where there are none or none were asked for.
        state: Full state, (T, S) float32, or None where the store has none.
        attrs: Attributes of the store (domain, rate_hz, world, gap, seed).
        path: Where they were read from, for messages.
    """

    agent_pos: np.ndarray
    action: np.ndarray
    ends: np.ndarray
    image: np.ndarray | None = None
    state: np.ndarray | None = None
    attrs: dict = field(default_factory=dict)
    path: str = ""

    @property
    def n_episodes(self) -> int:
        """Number of episodes E."""
        return len(self.ends)

    @property
    def starts(self) -> np.ndarray:
        """Where each episode starts, (E,) int64."""
        return self.ends - self.lengths

    @property
    def lengths(self) -> np.ndarray:
        """Frames in each episode, (E,) int64."""
        return np.diff(self.ends, prepend=0)


def read_store(
    path: str | os.PathLike,
    keys: Mapping[str, str] | None = None,
    image_size: int | None = None,
    images: bool = True,
) -> Episodes:
    """Read a store of the Diffusion Policy layout: our own, or anyone's (see `align.data.formats`).

    Args:
        path: Folder or `.zip` file with a Zarr group of format 2 or 3.
        keys: Where to find what, laid over `KEYS`, e.g. `{"image": "camera0", "agent_pos": "robot[:3]"}`.
            Names refer to `data/`; a slice takes columns. "state" may be absent unless it is named here.
        image_size: Side in px of the square to which images are resized by area averaging; None keeps them.
        images: Whether to read images. False reads none, whether the store has them or not.

    Returns:
        The episodes; images as uint8 whatever the store holds.

    Raises:
        InputError: The store is missing, damaged, truncated, empty or inconsistent, or an argument is wrong.
    """
    unknown = sorted(set(keys or {}) - set(KEYS))
    if unknown:
        raise InputError(f"keys: unknown name {unknown[0]!r}; expected some of {', '.join(KEYS)}")
    if image_size is not None and image_size < 1:
        raise InputError(f"image_size: {image_size}; expected a positive integer or None")
    columns = {name: Column.parse(text) for name, text in {**KEYS, **(keys or {})}.items()}
    if columns["image"].start is not None or columns["image"].stop is not None:
        raise InputError(f"keys: image is {(keys or {})['image']!r}; expected a key without a slice")
    with contextlib.closing(Store(path)) as store:
        ends = store.episode_ends()
        total = int(ends[-1])
        if "agent_pos" not in (keys or {}) and store.has("agent_pos"):
            columns["agent_pos"] = Column("agent_pos")
        # The small arrays first: what is wrong with them is known before the images are decoded.
        vectors = {name: store.columns(columns[name], total) for name in ("action", "agent_pos")}
        if "state" in (keys or {}) or store.has(columns["state"].name):
            vectors["state"] = store.columns(columns["state"], total)
        if images and "image" not in (keys or {}) and not store.has(KEYS["image"]):
            raise InputError(
                f"store {store.path}: no key 'img' in data/; expected images, or a policy of n_image_steps=0"
            )
        if images:
            vectors["image"] = store.images(columns["image"].name, total, image_size)
        return Episodes(**vectors, ends=ends, attrs=store.attrs, path=str(store.path))


def write_store(
    path: str | os.PathLike,
    episodes: Iterable[Mapping],
    attrs: Mapping | None = None,
    overwrite: bool = False,
) -> int:
    """Write episodes, as they come, to a Zarr store of format 2; it appears whole or not at all.

    Args:
        path: The store to create.
        episodes: One mapping an episode. Arrays, (T, ...) with one T an episode, go to `data/<key>`, floats
            as float32; single numbers (a seed) to `meta/<key>`. Every episode has the same keys; `img`, if
            there are images, is uint8 (T, H, W, C).
        attrs: JSON attributes of the store: domain, rate_hz, world, gap, seed.
        overwrite: Replace a store that is at `path`. Nothing but a Zarr store is ever replaced.

    Returns:
        The number of episodes.

    Raises:
        InputError: There is something at `path` that may not be replaced, there are no episodes, or one is
            empty or does not fit the others.
    """
    path = Path(path).expanduser()
    if path.exists() and not (overwrite and ((path / ".zgroup").exists() or (path / "zarr.json").exists())):
        expected = "a Zarr store to replace" if overwrite else "a path that is free, or overwrite"
        raise InputError(f"path: {path} exists; expected {expected}")
    with atomic_path(path, replace=overwrite) as target:
        root = zarr.open_group(str(target), mode="w", zarr_format=2)
        root.attrs.update(attrs or {})
        data, meta = root.create_group("data"), root.create_group("meta")
        writer = None
        keys: list[str] = []
        lengths: list[int] = []
        rest: dict[str, list[np.ndarray]] = {}
        for n, episode in enumerate(episodes):
            arrays = {key: np.asarray(value) for key, value in episode.items()}
            keys = keys or sorted(arrays)
            if sorted(arrays) != keys:
                raise InputError(f"episodes[{n}]: keys {sorted(arrays)}; expected {keys} as before")
            lengths.append(_frames(n, arrays))
            if "img" in arrays:
                image = arrays.pop("img")
                writer = writer or ImageWriter(data, image)
                writer.append(image)
            for key, value in arrays.items():
                rest.setdefault(key, []).append(value)
        if not lengths:
            raise InputError(f"episodes: none to write to {path}; expected at least one")
        if writer is not None:
            writer.flush()
        for key, values in rest.items():
            if values[0].ndim:
                create_array(data, key, np.concatenate(values))
            else:
                create_array(meta, key, np.stack(values))
        create_array(meta, "episode_ends", np.cumsum(lengths, dtype=np.int64))
    return len(lengths)


def _frames(n: int, arrays: Mapping[str, np.ndarray]) -> int:
    """The number of frames T that all arrays of episode `n` share."""
    lengths = {
        key: len(arrays[key]) for key in sorted(arrays, key=lambda key: key != "img") if arrays[key].ndim
    }
    if not lengths or 0 in lengths.values():
        raise InputError(f"episodes[{n}]: has no frames; expected at least one")
    first = next(iter(lengths))
    for key, length in lengths.items():
        if length != lengths[first]:
            raise InputError(f"episodes[{n}]: {key} has {length} frames; {first} has {lengths[first]}")
    return lengths[first]


def check_compatible(sim: Episodes, real: Episodes) -> None:
    """Refuse two domains that one policy cannot be trained on.

    Raises:
        InputError: Action dimensions, agent_pos dimensions or image shapes differ, or one has no images.
    """
    if (sim.image is None) != (real.image is None):
        without = sim if sim.image is None else real
        raise InputError(f"image: none in {without.path}; expected images in both domains, or in neither")
    for name in ("action", "agent_pos", "image"):
        if getattr(sim, name) is None:
            continue
        ours, theirs = getattr(sim, name).shape[1:], getattr(real, name).shape[1:]
        if ours != theirs:
            hint = "; image_size resizes both" if name == "image" else ""
            raise InputError(
                f"{name}: shape {ours} a frame in sim ({sim.path}), {theirs} in real ({real.path});"
                f" expected the same{hint}"
            )


def check_roles(sim: Episodes, real: Episodes) -> list[str]:
    """Whether each store stands for what it says it is; what is worth a line, though it may be meant.

    Raises:
        InputError: Both are one store, or each says that it is the other domain.
    """
    if Path(sim.path).resolve() == Path(real.path).resolve():
        raise InputError(f"data.sim, data.real: both {sim.path}; expected two stores")
    says = {Domain.SIM: sim.attrs.get("domain"), Domain.REAL: real.attrs.get("domain")}
    if says == {Domain.SIM: Domain.REAL.label, Domain.REAL: Domain.SIM.label}:
        raise InputError(
            f"data.sim={sim.path} says of itself that it is real, and data.real={real.path} that it is sim; "
            "expected them the other way round"
        )
    labels = {domain.label for domain in Domain}
    notes = [
        f"data.{domain.label} says of itself that it is {label}"
        for domain, label in says.items()
        if label in labels and label != domain.label
    ]
    rates = {e.path: e.attrs.get("rate_hz") for e in (sim, real)}
    if None not in rates.values() and len(set(rates.values())) > 1:
        at = ", ".join(f"{path} at {rate:g} Hz" for path, rate in rates.items())
        raise InputError(f"rate_hz: {at}; expected one rate, as the steps of a policy last equally long")
    return notes


def split(
    episodes: Episodes, validation: int | float = 0.1, max_demos: int | None = None, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Split episodes into training and held-out validation.

    Validation is chosen first, from (seed) alone, so it is the same for every `max_demos`; the training
    episodes of a smaller `max_demos` are a subset of those of a larger one.

    Args:
        episodes: The episodes of one domain.
        validation: Held-out episodes: an integer counts them, a float is their share (at least one if > 0).
        max_demos: Train on at most so many episodes; None takes all that are left.
        seed: Seed of the permutation.

    Returns:
        Episode numbers for training and for validation, each increasing, int64.

    Raises:
        InputError: `validation` or `max_demos` is out of range, or nothing is left to train on.
    """
    n = episodes.n_episodes
    if isinstance(validation, bool) or not (
        validation >= 0 and (isinstance(validation, int) or validation < 1)
    ):
        raise InputError(f"validation: {validation}; expected a number of episodes or a share in [0, 1)")
    if max_demos is not None and max_demos < 1:
        raise InputError(f"max_demos: {max_demos}; expected a positive integer or None")
    held_out = validation if isinstance(validation, int) else max(round(validation * n), int(validation > 0))
    if held_out >= n:
        raise InputError(
            f"validation: {validation} holds out {held_out} of the {n} episodes of {episodes.path};"
            " expected at least one to be left for training"
        )
    order = numpy_rng(seed, "split").permutation(n)
    return np.sort(order[held_out:][:max_demos]), np.sort(order[:held_out])
