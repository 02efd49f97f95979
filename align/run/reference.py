"""A finished run without alignment, which others are held against while they train."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from align.domain import Domain
from align.errors import InputError
from align.files import check_kind
from align.run.config import run_config
from align.run.layout import CONFIG, SUMMARY
from align.run.place import at_its_place, first_difference, rewritten
from align.run.reading import reading

MAY_DIFFER = {
    "data": ("shuffle_seed", "images", "cache"),
    "model": ("alignment", "alignment_weight", "alignment_warmup", "weighting", "site", "seed", "probe_step"),
}
"""Options of no part in what a run is held against: how it aligns, its seed, where its images are kept."""
OF_TRAINING = ("max_steps", "precision", "gradient_clip_val", "gradient_clip_algorithm")
"""Of the trainer's options, those of a part in it."""
FEWEST = 2
"""Validations without which what learns from them never does."""


def check_reference(run: str, there: dict[str, Any], here: dict[str, Any]) -> None:
    """Refuse a run that is no reference for another: aligned itself, unfinished or trained otherwise.

    Its stores may lie elsewhere now, if they hold what they held.

    Args:
        run: Its directory.
        there: Its configuration.
        here: That of the other.

    Raises:
        InputError: It is none.
    """
    if not (Path(run) / SUMMARY).is_file():
        raise InputError(
            f"reference={run!r}: no finished run; expected the directory of one without alignment"
        )
    model = there["model"]
    if model["alignment_weight"] or model["weighting"]:
        raise InputError(
            f"reference={run!r}: aligns itself, with alignment_weight={model['alignment_weight']}, "
            f"weighting={model['weighting']}; expected a run with λ = 0"
        )
    there = at_its_place(run, there, here)
    if difference := first_difference(_compared(there), _compared(here)):
        raise InputError(f"reference={run!r}: is trained otherwise ({difference}); expected the same")
    if store := rewritten(run, here):
        raise InputError(f"reference={run!r}: was trained before {store} was written anew; train it again")


def check_validations(trainer: Mapping[str, Any]) -> None:
    """Refuse a training that is validated too seldom for a weighting that learns from it.

    Args:
        trainer: Options of Lightning's trainer.

    Raises:
        InputError: It is.
    """
    steps, interval = trainer["max_steps"], trainer["val_check_interval"]
    if interval and steps // interval < FEWEST:
        often, most, found = max(int(steps // 20), 1), int(steps // FEWEST), int(steps // interval)
        raise InputError(
            f"trainer.val_check_interval={interval}: {found} validation{'s' * (found != 1)} in {steps} "
            f"steps, at each of which λ takes a step; expected {often} or so, {most} at most"
        )


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    trainer = {name: config["trainer"].get(name) for name in OF_TRAINING}
    return {"trainer": trainer} | {
        part: {name: value for name, value in config[part].items() if name not in names}
        for part, names in MAY_DIFFER.items()
    }


def held_out_losses(run: str | os.PathLike, alpha: float) -> dict[int, float]:
    """The denoising loss on held-out episodes at each validation of a run, by the steps taken before it.

    Args:
        run: Its directory, with the events that it logged.
        alpha: Weight of the real loss; that of sim is 1 − α.

    Raises:
        InputError: There are none, or some are missing.
    """
    if not Path(run).is_dir():
        raise InputError(f"reference={str(run)!r}: no such directory; expected that of a finished run")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # late: seconds

    for file in Path(run).glob("*tfevents*"):
        check_kind(file)
    with reading(Path(run) / CONFIG, "a run of align fit"):
        events = EventAccumulator(str(run), size_guidance={"scalars": 0}).Reload()
        # Lightning logs a validation under the number of the step it follows, counted from 0.
        weight = {f"val/loss_{d.label}": {Domain.SIM: 1 - alpha, Domain.REAL: alpha}[d] for d in Domain}
        if not set(weight) <= set(events.Tags()["scalars"]):
            raise InputError(
                f"reference={str(run)!r}: no validation in its events; expected those of a training"
            )
        found = [{e.step + 1: w * e.value for e in events.Scalars(tag)} for tag, w in weight.items()]
        losses = {step: found[0][step] + found[1][step] for step in sorted(set(found[0]) & set(found[1]))}
        if lacking := sorted(_validated(run_config(run).get("trainer") or {}) - set(losses)):
            raise InputError(
                f"reference={str(run)!r}: its events lack the validation at step {lacking[0]}, and "
                f"{len(lacking) - 1} more (a file is damaged, or was cut short); expected all of them: copy "
                "or train it again"
            )
    return losses


def _validated(trainer: Mapping[str, Any]) -> set[int]:
    """The steps at which a finished run was validated, as far as its options say."""
    steps, interval = trainer.get("max_steps"), trainer.get("val_check_interval")
    if not isinstance(steps, int):
        return set()
    often = isinstance(interval, int) and interval > 0
    return {steps, *(range(interval, steps + 1, interval) if often else ())}
