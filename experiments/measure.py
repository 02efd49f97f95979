"""How long runs take that never ran here: a few training steps of one, and a little of its rollouts."""

import copy
import tempfile
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import yaml

from align.callbacks import Rollouts
from align.data.writing import write_store
from align.experiments.options import get_option, set_option
from align.experiments.step_times import Measured
from align.fit import RunCLI, main
from align.rollout import rollout
from align.run.layout import CONFIG
from align.seeding import numpy_rng
from align.worlds.make import make_worlds

WARM_UP, STEPS, SECONDS = 2, 12, 8.0  # steps that do not count, steps at most, seconds at most
TRIALS = 8  # of a rollout, to be scaled up
LEFT_OUT = dict.fromkeys(
    ("data.gating", "model.ambient", "data.pairing", "model.initial", "model.auxiliary", "model.weighting")
)
"""Options for which more would have to be made or trained before."""


def measure(config: Mapping[str, Any], size: int) -> Measured:
    """Times of a run with this configuration, on random demonstrations.

    Args:
        config: Its options for `align fit`; its stores need not exist.
        size: Side in pixels of the images, if the configuration resizes none.

    Raises:
        InputError: Such a run would be refused.
    """
    with tempfile.TemporaryDirectory() as folder:
        changed = copy.deepcopy(dict(config))
        for name in ("sim", "real"):
            _write_random(f"{folder}/{name}.zarr", config, get_option(config, "data.image_size") or size)
            set_option(changed, f"data.{name}", f"{folder}/{name}.zarr")
            changed["data"].pop(f"{name}_keys", None)
        steps = {"trainer.max_steps": STEPS, "trainer.limit_val_batches": 0, "data.validation": 1}
        every = {"data.max_sim": None, "data.max_real": None}
        for option, value in {"run": f"{folder}/run", **every, **LEFT_OUT, **steps}.items():
            set_option(changed, option, value)
        path = Path(folder) / CONFIG
        path.write_text(yaml.safe_dump(changed), encoding="utf-8")
        found: list[Measured] = []
        main(["fit", "--config", str(path)], partial(_Timing, found))
        return found[0]


def _write_random(path: str, config: Mapping[str, Any], size: int | list[int]) -> None:
    policy = get_option(config, "model.policy", {})
    length, rng = 4 * policy.get("horizon", 16), numpy_rng(0, "measure")
    made = {
        "agent_pos": rng.uniform(100, 400, (length, policy.get("agent_pos_dim", 2))),
        "action": rng.uniform(100, 400, (length, policy.get("action_dim", 2))),
        "state": rng.uniform(100, 400, (length, 5)),
    }
    if policy.get("n_image_steps", 2):
        channels = get_option(policy, "encoder.init_args.in_channels") or 3
        height, width = (size, size) if isinstance(size, int) else size
        made["img"] = rng.integers(0, 256, (length, height, width, channels), dtype=np.uint8)
    write_store(path, [made] * 4)


class _Clock(pl.Callback):
    """The time of each step; ends training after some."""

    def __init__(self):
        self.times: list[float] = []

    def on_train_batch_end(self, trainer: pl.Trainer, *_) -> None:
        self.times.append(time.perf_counter())
        elapsed = self.times[-1] - self.times[0]
        trainer.should_stop = trainer.should_stop or (len(self.times) > WARM_UP and elapsed > SECONDS)

    @property
    def step(self) -> float:
        """Seconds a step."""
        counted = self.times[min(WARM_UP, len(self.times) - 1) - 1 :]
        return float(np.median(np.diff(counted)))


class _Timing(RunCLI):
    """Trains for a moment, in no run directory to speak of."""

    def __init__(self, found: list[Measured], *args, **kwargs):
        self._found = found
        super().__init__(*args, **kwargs)

    def before_fit(self) -> None:
        pass

    def fit(self, model, **kwargs) -> None:
        clock = _Clock()
        rollouts = [callback for callback in self.trainer.callbacks if isinstance(callback, Rollouts)]
        self.trainer.callbacks, self.trainer.loggers = [clock], []
        self.trainer.fit(model, **kwargs)
        model.policy.image_shape.zero_()  # of random images, that of the worlds may be another
        self._found.append(
            Measured(clock.step, sum(map(partial(_time_rollouts, model.policy.eval()), rollouts)))
        )


def _time_rollouts(policy, callback: Rollouts) -> float:
    seconds = 0.0
    trials = min(TRIALS, callback.trials)
    for name, world in callback.worlds.items():
        worlds = make_worlds(world, callback.size, callback.difficulty)
        started = time.perf_counter()
        rollout(policy, worlds, range(trials), min(policy.n_action_steps, callback.steps), name)
        chunks = -(-callback.steps // policy.n_action_steps)
        seconds += (time.perf_counter() - started) * chunks * callback.trials / trials
    return seconds
