"""What the configuration of a run says; nothing where it has none."""

import os
from pathlib import Path

import yaml


def run_config(run: str | os.PathLike) -> dict:
    """The `config.yaml` of a run, or of what was kept of a sweep."""
    path = Path(run) / "config.yaml"
    return (yaml.safe_load(path.read_text()) or {}) if path.is_file() else {}


def callback_options(run: str | os.PathLike) -> list[dict]:
    """Constructor arguments of each of a run's callbacks."""
    callbacks = run_config(run).get("trainer", {}).get("callbacks") or []
    return [callback.get("init_args") or {} for callback in callbacks]
