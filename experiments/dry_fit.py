"""What `align fit` would refuse, found without a run directory and without training."""

import contextvars
import gc
import json
from functools import partial
from pathlib import Path

from align.command.fit_options import check_trains
from align.datamodule import CotrainingData
from align.errors import InputError
from align.fit import RunCLI, main
from align.run.place import holds_the_same


class DryFit:
    """Called with the path of a configuration, does all that `align fit` does before it trains.

    The data of one call are kept for the next, which mostly asks for the same.

    Raises:
        InputError: The run would be refused, or could not be probed.
    """

    def __init__(self):
        self.read: tuple[str, CotrainingData] | None = None

    def __call__(self, config: str) -> None:
        # Its context is where jsonargparse keeps the last parser, and with it all that it made.
        contextvars.copy_context().run(main, ["fit", "--config", config], partial(_DryCLI, self))


def is_same(run: Path, config: Path, after_the_same: bool = False) -> bool:
    """Whether a finished run is what `align fit` would make of a configuration, defaults included.

    Its stores must hold what they did; a run that goes on from another is the same as none.

    Args:
        run: The run directory.
        config: Path of the configuration; where it says that the run is to be does not matter.
        after_the_same: Whether what both go on from is known to be the same, and named by neither.

    Raises:
        InputError: The configuration would be refused.
    """
    found: list[bool] = []
    main(["fit", "--config", str(config)], partial(_ComparingCLI, run, found, after_the_same))
    return found == [True]


def completed(config: Path) -> dict:
    """A configuration with all defaults, as `align fit` would record it.

    Raises:
        InputError: It would be refused.
    """
    found: list[dict] = []
    main(["fit", "--config", str(config)], partial(_CompletingCLI, found))
    return found[0]


class _CompletingCLI(RunCLI):
    """Tells its configuration, and does nothing."""

    def __init__(self, found: list[dict], *args, **kwargs):
        self._found = found
        super().__init__(*args, **kwargs)

    def before_fit(self) -> None:
        self._found.append(self.resolved())

    def fit(self, model, **kwargs) -> None:
        pass


class _ComparingCLI(RunCLI):
    """Finds whether another run has its configuration, and does nothing."""

    def __init__(self, other: Path, found: list[bool], after_the_same: bool, *args, **kwargs):
        self._other, self._found, self._after_the_same = other, found, after_the_same
        super().__init__(*args, **kwargs)

    def before_fit(self) -> None:
        asked = self.resolved()
        difference = self.difference(self._other, asked)
        goes_on = asked["model"]["initial"] is not None or self.model.weighting.refers
        may_be = self._after_the_same or not goes_on
        self._found.append(difference is None and may_be and holds_the_same(self._other, asked))

    def fit(self, model, **kwargs) -> None:
        pass


class _DryCLI(RunCLI):
    def __init__(self, dry: DryFit, *args, **kwargs):
        self._dry = dry
        super().__init__(*args, **kwargs)

    def before_fit(self) -> None:
        check_trains(self.config[self.subcommand], self.trainer)
        asked = self.resolved()
        model = asked["model"]
        served = [model[name] for name in ("policy", "noise_draws", "ambient", "auxiliary")]
        served = json.dumps([asked["data"], *served])
        if self._dry.read is not None and self._dry.read[0] == served:
            self.datamodule = self._dry.read[1]
        else:
            self._dry.read = None  # let go of before others are read
            gc.collect()  # they are gigabytes, and in the circles of references that a trainer leaves behind
        self.find_mistakes()
        self._dry.read = served, self.datamodule
        lacking = self.datamodule.too_few_to_probe(asked["embeddings"]["per_domain"])
        if lacking is not None:
            raise InputError(lacking)

    def fit(self, model, **kwargs) -> None:
        pass
