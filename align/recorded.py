"""What a finished run's `config.yaml` says: its data, its seed, its options of embeddings."""

import os
from pathlib import Path

import yaml

from align.datamodule import CotrainingData
from align.errors import InputError
from align.policy import DiffusionPolicy


class Recorded:
    """The recorded configuration of a run.

    Args:
        run: Run directory.

    Raises:
        InputError: It holds no configuration that `align fit` wrote.
    """

    def __init__(self, run: str | os.PathLike):
        path = Path(run) / "config.yaml"
        if not path.is_file():
            raise InputError(f"run={str(run)!r}: expected a run directory holding config.yaml")
        self.config = yaml.safe_load(path.read_text())
        absent = {"data", "model", "seed_everything"} - set(
            self.config if isinstance(self.config, dict) else ()
        )
        if absent:
            raise InputError(
                f"{path}: expected a configuration of align fit, with {', '.join(sorted(absent))}"
            )

    @property
    def seed(self) -> int:
        """Seed of the training."""
        return int(self.config["seed_everything"])

    @property
    def probe_step(self) -> int:
        """Diffusion step at which the denoiser is read."""
        return self.config["model"]["probe_step"]

    @property
    def embeddings(self) -> dict:
        """Options of the callback `Embeddings`; those that did not exist yet have their defaults."""
        return dict(self.config.get("embeddings") or {})

    def data(self, policy: DiffusionPolicy) -> CotrainingData:
        """The run's data with its split, read for `policy`; how training drew its batches is left out.

        Raises:
            InputError: The demonstrations are gone or no longer fit.
        """
        options = {k: v for k, v in self.config["data"].items() if k not in ("pairing", "gating")}
        data = CotrainingData(**options)
        data.read(policy)
        return data
