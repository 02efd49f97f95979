"""Times of runs that this machine remembers, and what they should be where it remembers none."""

import contextlib
import hashlib
import json
import platform
import time
from collections.abc import Iterable, Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple

import numpy as np
from threadpoolctl import threadpool_limits

from align.errors import InputError
from align.experiments.options import get_option
from align.files import user_cache, write_json
from align.run.locks import locked
from align.run.reading import read_json, reading

TELLING = (
    *(f"model.policy.{name}" for name in ("encoder", "denoiser", "n_image_steps", "horizon", "crop")),
    "model.noise_draws",
    "model.alignment",
    "data.batch_size",
    "data.image_size",
    "trainer.accelerator",
)
"""Options that the time of a step depends on."""

_CONV, _MLP = "ConvEncoder(blocks=2, features=64, width=32)", "ConditionalMLP(blocks="
NOMINAL: dict[tuple[str, str, int, int], float] = {
    (_CONV, f"{_MLP}2, horizon=8, width=256)", 16, 2): 0.0281,
    (_CONV, f"{_MLP}2, horizon=8, width=256)", 64, 8): 0.0621,
    ("None", f"{_MLP}3, frequencies=4, horizon=16, width=64)", 64, 2): 0.0118,
    ("None", f"{_MLP}3, frequencies=4, horizon=16, width=192)", 128, 2): 0.0221,
    ("None", f"{_MLP}3, frequencies=3, horizon=16, width=64)", 64, 2): 0.0121,
    ("None", f"{_MLP}3, frequencies=3, horizon=16, width=256)", 128, 2): 0.0297,
}
"""Seconds of a step without alignment, by encoder, denoiser, batch size and noise draws, on one thread of a
machine whose `probe` took `NOMINAL_PROBE`."""
NOMINAL_PROBE = 0.0043

REMEMBERED = "step_times.json"


class Measured(NamedTuple):
    """Times of one run, in seconds."""

    step: float
    rest: float | None  # everything but the training: rollouts, embeddings, probes; None if not recorded


def telling(config: Mapping[str, Any]) -> dict[str, Any]:
    """What of a configuration the time of a step depends on."""
    return {option: get_option(config, option) for option in TELLING}


def recall(config: Mapping[str, Any]) -> Measured | None:
    """The times that this machine remembers of such a run, with these versions."""
    with contextlib.suppress(InputError):
        path = user_cache() / REMEMBERED
        with reading(path):
            found = read_json(path).get(_key(config))
            return None if found is None else Measured(*(None if x is None else float(x) for x in found))
    return None


def remember(found: Iterable[tuple[Mapping[str, Any], Measured]]) -> None:
    """Keep the times of runs, by their configurations; what cannot be kept is measured again another time."""
    times = {_key(config): list(measured) for config, measured in found}
    if not times:
        return
    with contextlib.suppress(InputError, OSError), locked(user_cache(), "step times", wait=True):
        path = user_cache() / REMEMBERED
        try:
            known = read_json(path)
        except InputError:  # there is none, or it was damaged
            known = {}
        write_json(path, known | times)


def _key(config: Mapping[str, Any]) -> str:
    """Hash of the options, the machine and the versions."""
    machine = [platform.node(), platform.machine(), platform.python_version()]
    told = json.dumps([telling(config), machine, _version("torch"), _version("align-robotics")], default=str)
    return hashlib.blake2b(told.encode(), digest_size=12).hexdigest()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def nominal(config: Mapping[str, Any]) -> Measured | None:
    """The times of such a run on another machine, scaled by how fast this one multiplies matrices."""
    seconds = NOMINAL.get(kind(config))
    return None if seconds is None else Measured(seconds * probe() / NOMINAL_PROBE, None)


def kind(config: Mapping[str, Any]) -> tuple[str, str, int, int]:
    """Key of `NOMINAL`."""
    parts = (_written(get_option(config, f"model.policy.{name}")) for name in ("encoder", "denoiser"))
    return (*parts, get_option(config, "data.batch_size") or 64, get_option(config, "model.noise_draws") or 1)


def _written(component: Any) -> str:
    given = (component.get("init_args") or {}) if isinstance(component, Mapping) else None
    if not isinstance(given, Mapping):
        return str(component)
    arguments = (f"{name}={value}" for name, value in sorted(given.items()))
    return f"{str(component.get('class_path')).rpartition('.')[2]}({', '.join(arguments)})"


def probe() -> float:
    """CPU seconds of some products of matrices on one thread, the fastest of a few tries.

    Several threads would wait for each other where others work on this machine, and that counts as theirs.
    """
    a = np.linspace(-1, 1, 256 * 256, dtype=np.float32).reshape(256, 256)
    times = []
    with threadpool_limits(1):
        for _ in range(5):
            started = time.process_time()
            for _ in range(20):
                a @ a
            times.append(time.process_time() - started)
    return max(min(times), 1e-6)
