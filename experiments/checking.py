"""What the runs of a sweep would refuse, found before the sweep claims a directory or starts anything."""

import copy
import gc
import json
import os
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from align.command.fit_options import SECTIONS
from align.command.options import check_nulls
from align.command.parse_errors import fit_options, unknown_option
from align.command.signatures import signature
from align.errors import InputError, one_line
from align.experiments.options import number, training_steps
from align.run.layout import CONFIG
from align.run.reading import of_file

NUMBERS = {"int", "float", "None"}
REPORT_SECONDS = 5.0  # between two lines of progress
OF_OTHER_MACHINES = {"accelerator": "cpu", "devices": 1, "num_nodes": 1, "strategy": "auto", "plugins": None}
"""Options of the trainer for which a cluster's nodes may have what this machine has not."""


def check(configs: Mapping[str, Mapping[str, Any]], elsewhere: bool = False) -> None:
    """Parse and build each distinct configuration as `align fit` would, and try its policy on its stores.

    Nothing is trained and nothing written. Configurations that differ in the seed alone are one.

    Args:
        configs: By run, its options for `align fit`.
        elsewhere: Whether the runs are for other machines: then what they compute on is not tried.

    Raises:
        InputError: A run would be refused, or would not have the held-out episodes that its probe needs.
    """
    distinct: dict[str, str] = {}
    for name, config in configs.items():
        compared = {key: value for key, value in config.items() if key not in ("run", "seed_everything")}
        distinct.setdefault(json.dumps(compared, default=str), name)
    if not distinct:
        return
    from align.experiments.dry_fit import DryFit  # late, as it takes seconds

    checked = DryFit()
    last = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, without_slurm():
        for i, name in enumerate(distinct.values()):
            if time.monotonic() - last > REPORT_SECONDS:
                last = time.monotonic()
                print(f"  checking configurations: {i} of {len(distinct)}", flush=True)
            config = copy.deepcopy(dict(configs[name]))
            config["run"] = f"{folder}/run"
            if elsewhere:
                config["trainer"] = dict(config.get("trainer") or {}) | OF_OTHER_MACHINES
                if str(config["trainer"].get("precision")).startswith("16"):
                    del config["trainer"]["precision"]
            path = Path(folder) / CONFIG
            path.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
            try:
                checked(str(path))
            except InputError as error:
                raise InputError(f"{name}: {one_line(error)}") from None
    del checked
    gc.collect()  # a sweep lives for hours, and has no use for the data that were tried


def check_names(configs: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse what can be seen at once: options that there are not, and texts where numbers belong.

    It imports nothing that takes seconds, so that a dry run finds them, and a sweep before it makes
    demonstrations.

    Args:
        configs: By run, its options for `align fit`.

    Raises:
        InputError: There is such an option.
    """
    options = fit_options()
    known = {".".join(name.split(".")[:depth]) for name in options for depth in (1, 2)}
    types = {f"{name}.{a.name}": a.type for name, path in SECTIONS.items() for a in signature(path).arguments}
    for run, config in configs.items():
        found = {str(key): None for key in config}
        for section in (name for name in SECTIONS if isinstance(config.get(name), Mapping)):
            found |= {f"{section}.{key}": value for key, value in config[section].items()}
        with of_file(run):
            check_nulls(dict(config))
            for name, value in found.items():
                if name not in known:
                    raise InputError(unknown_option(name, options))
                if set(types.get(name, "").split(" | ")) <= NUMBERS:
                    number(name, value)
            training_steps(config)


@contextmanager
def without_slurm() -> Iterator[None]:
    """Without what SLURM says of the job that the sweep itself may be in: its runs are other jobs."""
    hidden = {name: os.environ.pop(name) for name in list(os.environ) if name.startswith("SLURM_")}
    try:
        yield
    finally:
        os.environ.update(hidden)
