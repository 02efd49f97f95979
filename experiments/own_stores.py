"""What a configuration can take from two stores of one's own, so that nobody has to look it up.

A base lists the options under `from_stores`. Those that are given, there or by `--set`, stay as they are.
"""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import numpy as np

from align.checkpoints.trust import named_class, trusting
from align.data.episodes import PROBED_EPISODES, Episodes, check_compatible, read_store
from align.data.keys import find_keys
from align.data.readers import Reader, open_store
from align.data.refusals import Refusals
from align.domain import Domain
from align.errors import InputError
from align.experiments.options import check_keys, get_option, set_option

LARGEST_IMAGE = 96  # px; a small encoder on a CPU sees enough in it, and trains in minutes
SECONDS_AHEAD = 1.6  # that a policy predicts, where stores tell their rate
HORIZONS = (8, 16, 24, 32)  # what a U-Net of three resolutions can halve
HELD_OUT, MOST_HELD_OUT = 0.2, 20  # share of the episodes, and how many at most
FEW = 8  # below so many a probe says little: then it is a third, if that is less


@dataclass(frozen=True)
class _Store:
    episodes: Episodes
    image: tuple[int, int, int] | None  # (H, W, C)


def fill_in(config: dict[str, Any], options: list[str]) -> dict[str, Any]:
    """Set what the stores of a configuration say; returns what was set.

    Args:
        config: Options of `align fit`, with the paths of both stores; changed in place.
        options: Those that may be set, of those below.

    Raises:
        InputError: A store cannot be used; all reasons in one line.
    """
    given = {option for option in options if get_option(config, option, ...) is not ...}
    stores, refusals = {}, Refusals()
    for domain in Domain:
        with refusals.collected():
            stores[domain] = _read(config["data"], domain.label)
    if not refusals:
        with refusals.collected():
            check_compatible(*(stores[domain].episodes for domain in Domain))
    refusals.tell()
    blind = get_option(config, "model.policy.n_image_steps") == 0
    found = _found(stores, blind)
    check_keys(dict.fromkeys(options), list(found), "from_stores")
    taken = {option: found[option] for option in options if option not in given}
    for option, value in taken.items():
        set_option(config, option, value)
    _fit_horizon(config)
    return taken


def _read(data: Mapping[str, Any], domain: str) -> _Store:
    path, keys, reader = data[domain], data.get(f"{domain}_keys"), data.get("reader")
    if isinstance(reader, str):
        with trusting([reader.partition(".")[0]]):  # who names it here has it at hand
            reader = named_class(reader, Reader)
    refusals, read = Refusals(), {}
    with refusals.collected():
        read["episodes"] = read_store(path, keys, images=False, reader=reader)
    with refusals.collected(), closing(open_store(path, reader)) as store:
        if "image" in (keys or {}) or store.cameras():
            camera = find_keys(store, keys, ["image"]).cameras["image"]
            if camera not in store.cameras():
                there = ", ".join(store.cameras()) or "none"
                raise InputError(f"store {store.path}: {store.label(camera)} is no camera; it has {there}")
            read["image"] = store.cameras()[camera].shape
    refusals.tell()
    return _Store(read["episodes"], read.get("image"))


def _found(stores: Mapping[Domain, _Store], blind: bool) -> dict[str, Any]:
    """Everything that can be taken from two stores, by option."""
    episodes = [store.episodes for store in stores.values()]
    images = [store.image for store in stores.values() if store.image is not None]
    if len(images) == 1 and not blind:
        without = next(s.episodes.path for s in stores.values() if s.image is None)
        raise InputError(
            f"image: none in {without}; expected images in both stores, or model.policy.n_image_steps=0"
        )
    if len({shape[2] for shape in images}) > 1 and not blind:
        raise InputError(f"image: {images[0][2]} channels in sim, {images[1][2]} in real; expected the same")
    fewest = min(e.n_episodes for e in episodes)
    if fewest <= PROBED_EPISODES:
        there = ", ".join(f"{e.n_episodes} episodes in {e.path}" for e in episodes)
        raise InputError(
            f"data.sim, data.real: {there}; expected more than {PROBED_EPISODES} in each: so many are held "
            "out for the probe"
        )
    horizon = _horizon(episodes)
    seen = bool(images) and not blind
    return {
        "model.policy.action_dim": episodes[0].action.shape[1],
        "model.policy.agent_pos_dim": episodes[0].agent_pos.shape[1],
        "model.policy.n_image_steps": 1 if seen else 0,
        "model.policy.encoder": _encoder(images[0][2]) if seen else None,
        "model.policy.horizon": horizon,
        "model.policy.n_action_steps": horizon // 2,
        "model.policy.relative_actions": all(map(_are_targets, episodes)),
        "model.site": "image" if seen else "denoiser",
        "data.image_size": _image_size(images) if seen else None,
        "data.validation": max(
            min(round(HELD_OUT * fewest), MOST_HELD_OUT), min(FEW, fewest // 3), PROBED_EPISODES
        ),
    }


def _encoder(channels: int) -> dict[str, Any]:
    arguments = {"features": 64, "width": 32, "blocks": 2, "in_channels": channels}
    return {"class_path": "align.networks.ConvEncoder", "init_args": arguments}


def _image_size(images: list[tuple[int, int, int]]) -> int | list[int] | None:
    """(H, W) to resize to, in the proportions of both; the side of a square where these differ.

    None where all images are alike and small.
    """
    height, width, _ = min(images)
    scale = min(1.0, LARGEST_IMAGE / max(height, width))
    if any(h * width != w * height for h, w, _ in images):
        return min(LARGEST_IMAGE, *(side for shape in images for side in shape[:2]))
    alike = len({shape[:2] for shape in images}) == 1
    return None if alike and scale == 1 else [round(height * scale), round(width * scale)]


def _horizon(episodes: list[Episodes]) -> int:
    """Steps to predict: so many seconds where the rate is known, and at most half an ordinary episode."""
    rates = [e.attrs.get("rate_hz") for e in episodes]
    known = [rate for rate in rates if isinstance(rate, int | float)]
    wanted = min(known) * SECONDS_AHEAD if known else 16
    wanted = min(wanted, min(float(np.median(e.lengths)) for e in episodes) / 2)
    return max((h for h in HORIZONS if h <= wanted), default=HORIZONS[0])


def _are_targets(episodes: Episodes) -> bool:
    """Whether actions are positions to go to: they then stay close to the first columns of agent_pos."""
    action = episodes.action.astype(np.float64)
    if action.shape[1] > episodes.agent_pos.shape[1]:
        return False
    left = action - episodes.agent_pos[:, : action.shape[1]]
    return bool((left.var(0) <= 0.5 * action.var(0)).all())


def _fit_horizon(config: dict[str, Any]) -> None:
    """Tell a denoiser that is made for one horizon the policy's."""
    denoiser = get_option(config, "model.policy.denoiser")
    if isinstance(denoiser, Mapping) and str(denoiser.get("class_path")).endswith("ConditionalMLP"):
        arguments = denoiser.setdefault("init_args", {})
        arguments.setdefault("horizon", get_option(config, "model.policy.horizon"))
