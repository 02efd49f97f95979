"""Of which regime a sweep is: the settings that all its runs have, whatever its axes change."""

import os
from collections.abc import Mapping
from pathlib import Path

from align.run.config import run_config
from align.run.layout import POINT


def of_regime(sweep: str | os.PathLike, settings: Mapping[str, object]) -> bool:
    """Whether a sweep's runs had these settings, by the configuration of its first run or the one kept of it.

    Args:
        sweep: The sweep, or what `align keep` kept of it.
        settings: Values by their path in a configuration, as for `setting`.
    """
    points = sorted(Path(sweep).glob(f"*/{POINT}"))
    config = run_config(points[0].parent if points else sweep)
    return all(setting(config, name) == value for name, value in settings.items())


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
