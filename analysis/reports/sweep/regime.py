"""Of which regime a sweep is: settings that its runs have in common, whatever else its axes change."""

import os
from collections.abc import Mapping
from pathlib import Path

from align.analysis.reports.sweep.kept import has_tables, kept_frame, made
from align.run.config import run_config
from align.run.layout import POINT

KEPT = {"trainer.max_steps": "summary/steps"}
"""Settings that are kept of every run, by their columns of the table of runs."""


def of_regime(sweep: str | os.PathLike, settings: Mapping[str, object]) -> bool:
    """Whether a sweep's runs had these settings, as far as that is known.

    Every run that has begun must have had them, and every one of which only results were kept. Of a sweep
    that was kept before that was told of each, one run's configuration alone is there, and decides by itself;
    of the others only the training steps that they made are known, and must be the regime's. What else an
    axis changed there goes unnoticed.

    Args:
        sweep: The sweep, or what `align keep` kept of it.
        settings: Values by their path in a configuration, as for `setting`.

    Raises:
        InputError: A configuration, or what was kept, is damaged.
    """
    runs = [point.parent for point in sorted(Path(sweep).glob(f"*/{POINT}"))]
    told = [how["config"] for name, how in made(sweep).items() if not (Path(sweep) / name).is_dir()]
    there = runs or ([] if told else [Path(sweep)])
    configs = told + [config for run in there if (config := run_config(run))] or [{}]
    if any(setting(config, name) != value for config in configs for name, value in settings.items()):
        return False
    frame = kept_frame(sweep) if has_tables(sweep) else {}
    known = {name: column for name, column in KEPT.items() if name in settings and column in frame}
    return all((frame[column].dropna() == settings[name]).all() for name, column in known.items())


def setting(config: object, name: str) -> object:
    """What a configuration sets; None where it sets nothing.

    Args:
        config: A configuration of `align fit`.
        name: The path to it, as model.policy.crop or trainer.callbacks.0.steps: no `init_args` is needed.
    """
    for key in name.split("."):
        if isinstance(config, dict) and key not in config:
            config = config.get("init_args")
        if isinstance(config, dict):
            config = config.get(key)
        elif isinstance(config, list) and key.isdigit() and int(key) < len(config):
            config = config[int(key)]
        else:
            return None
    return config
