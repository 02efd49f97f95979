"""The logger of training: TensorBoard's, without what nobody looks at."""

from collections.abc import Mapping
from typing import Any

from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities import rank_zero_only


class StepLogger(TensorBoardLogger):
    """Logs against the step alone; the epoch that Lightning adds would be the first card that is shown.

    It leaves no `hparams.yaml`: `config.yaml` holds the options. Lightning's would hold nothing, and be cut
    short where a kill strikes meanwhile.
    """

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> Any:
        """Log all but the epoch."""
        kept = {name: value for name, value in metrics.items() if name != "epoch"}
        return super().log_metrics(kept, step) if kept else None

    @rank_zero_only
    def save(self) -> None:
        """Write what was logged."""
        self.experiment.flush()
