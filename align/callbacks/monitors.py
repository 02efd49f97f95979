"""Callbacks that watch a metric, as Lightning's EarlyStopping: refused where there is no such metric."""

from collections.abc import Iterable, Iterator

import pytorch_lightning as pl

from align.errors import InputError

ALWAYS = ("epoch", "step")
"""What Lightning counts among the metrics of a checkpoint."""
KNOWN = ("align", "pytorch_lightning", "lightning")
"""Packages whose callbacks log nothing that another may watch."""


def check_monitors(trainer: pl.Trainer, validated: Iterable[str]) -> None:
    """Refuse what watches a metric that no validation logs; what training logs is known when it does.

    Args:
        trainer: Lightning's, with its callbacks.
        validated: Names of the metrics of a validation.

    Raises:
        InputError: There is such a callback.
    """
    if any(type(callback).__module__.partition(".")[0] not in KNOWN for callback in trainer.callbacks):
        return  # one of a user's may log more
    known = {*validated, *ALWAYS}
    for callback, monitor in _watching(trainer):
        if monitor not in known and not monitor.startswith("train/"):
            raise _unknown(callback, monitor, [*sorted(validated), "train/..."])


def unknown_monitor(trainer: pl.Trainer, error: Exception) -> InputError | None:
    """What an error in training came of, if that is a callback which watches what nothing has logged."""
    for callback, monitor in _watching(trainer):
        if monitor not in trainer.callback_metrics and monitor in str(error):
            return _unknown(callback, monitor, sorted(trainer.callback_metrics))
    return None


def _watching(trainer: pl.Trainer) -> Iterator[tuple[pl.Callback, str]]:
    for callback in trainer.callbacks:
        monitor = getattr(callback, "monitor", None)
        if isinstance(monitor, str) and getattr(callback, "strict", True):
            yield callback, monitor


def _unknown(callback: pl.Callback, monitor: str, known: Iterable[str]) -> InputError:
    return InputError(
        f"trainer.callbacks: {type(callback).__name__}: monitor={monitor!r}: no such metric; expected one of "
        f"{', '.join(known) or 'none, as nothing was logged yet'}"
    )
