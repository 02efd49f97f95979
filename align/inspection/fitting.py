"""What a configuration can take from two stores: sizes, horizon, cameras and the like."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from align.data.compatibility import rate_of
from align.data.episodes import Episodes
from align.data.splits import PROBED_EPISODES
from align.errors import InputError
from align.inspection.store import kind_of

LARGEST_IMAGE = 96  # px; a small encoder on a CPU sees enough in it, and trains in minutes
SECONDS_AHEAD = 1.6  # that a policy predicts, where stores tell their rate
HORIZONS = (8, 16, 24, 32)  # what a U-Net of three resolutions can halve
HELD_OUT, MOST_HELD_OUT = 0.2, 20  # share of the episodes, and how many at most
FEW = 8  # below so many a probe says little: then it is a third, if that is less


IMAGE_OPTIONS = ("model.policy.n_image_steps", "model.policy.encoder", "model.site", "data.image_size")
"""Those of the options that follow from the cameras."""
Shape = tuple[int, int, int]
"""(H, W, C) of a camera's images."""


@dataclass(frozen=True)
class Seen:
    """What of a store options follow from.

    Attributes:
        episodes: Its demonstrations; images are not needed.
        cameras: Shapes of the images by the policy's name of the camera, "image" or "image.NAME".
    """

    episodes: Episodes
    cameras: dict[str, Shape] = field(default_factory=dict)


def fitting_options(stores: Mapping[str, Seen], blind: bool = False) -> dict[str, Any]:
    """Everything that can be taken from the stores of both domains, by option of `align fit`.

    Args:
        stores: By what options call each ("sim", "real[0]"), with the same cameras.
        blind: Whether the policy is one without images.

    Raises:
        InputError: No policy fits all; says why.
    """
    episodes = [store.episodes for store in stores.values()]
    without = [s.episodes.path for s in stores.values() if not s.cameras]
    if 0 < len(without) < len(stores) and not blind:
        raise InputError(
            f"image: none in {', '.join(without)}; expected images in all stores, or "
            "model.policy.n_image_steps=0"
        )
    cameras = {} if without or blind else next(iter(stores.values())).cameras
    images = [store.cameras[name] for store in stores.values() for name in cameras]
    for name in cameras:
        channels = {label: store.cameras[name][2] for label, store in stores.items()}
        if len(set(channels.values())) > 1:
            told = ", ".join(
                f"{n} {'channels ' * (not k)}in {d}" for k, (d, n) in enumerate(channels.items())
            )
            raise InputError(f"{name}: {told}; expected the same")
    fewest = min(e.n_episodes for e in episodes)
    if fewest <= PROBED_EPISODES:
        there = ", ".join(dict.fromkeys(f"{e.n_episodes} episodes in {e.path}" for e in episodes))
        raise InputError(
            f"data.sim, data.real: {there}; expected more than {PROBED_EPISODES} in each: so many are held "
            "out for the probe"
        )
    horizon = _horizon(episodes)
    seen = bool(images)
    return {
        "model.policy.action_dim": episodes[0].action.shape[1],
        "model.policy.agent_pos_dim": episodes[0].agent_pos.shape[1],
        "model.policy.n_image_steps": 1 if seen else 0,
        "model.policy.encoder": _encoder(cameras) if seen else None,
        "model.policy.horizon": horizon,
        "model.policy.n_action_steps": horizon // 2,
        "model.policy.relative_actions": relative_actions(episodes),
        "model.site": "image" if seen else "denoiser",
        "data.image_size": _image_size(images) if seen else None,
        "data.validation": max(
            min(round(HELD_OUT * fewest), MOST_HELD_OUT), min(FEW, fewest // 3), PROBED_EPISODES
        ),
    }


def _encoder(cameras: Mapping[str, Shape]) -> dict[str, Any]:
    """A small encoder of the only camera, or one of each."""
    each = {
        name.removeprefix("image."): {
            "class_path": "align.networks.ConvEncoder",
            "init_args": {"features": 64, "width": 32, "blocks": 2, "in_channels": shape[2]},
        }
        for name, shape in cameras.items()
    }
    if list(cameras) == ["image"]:
        return each["image"]
    return {"class_path": "align.networks.CameraEncoders", "init_args": {"cameras": each}}


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
    known = [rate for e in episodes if (rate := rate_of(e))]
    wanted = min(known) * SECONDS_AHEAD if known else 16
    wanted = min(wanted, min(float(np.median(e.lengths)) for e in episodes) / 2)
    return max((h for h in HORIZONS if h <= wanted), default=HORIZONS[0])


def target_columns(episodes: Episodes) -> list[int]:
    """Actions that are positions to go to: they stay close to the entries of agent_pos of their number."""
    action, position = (x.astype(np.float64) for x in (episodes.action, episodes.agent_pos))
    n = min(action.shape[1], position.shape[1])
    left = action[:, :n] - position[:, :n]
    return np.flatnonzero(left.var(0) <= 0.5 * action[:, :n].var(0)).tolist()


def relative_actions(episodes: Sequence[Episodes]) -> bool | list[int]:
    """Whether actions of all stores are targets, or which of them: the others, as a gripper, are absolute.

    One that opens or closes is absolute also where its state is known, from which it differs but for moments.
    """
    columns = set.intersection(*(set(target_columns(e)) for e in episodes))
    columns = {c for c in columns if all(kind_of(e.action[:, c]) != "binary" for e in episodes)}
    if len(columns) == episodes[0].action.shape[1]:
        return True
    moving = [c for c in sorted(columns) if all(np.ptp(e.action[:, c]) > 0 for e in episodes)]
    return moving or False
