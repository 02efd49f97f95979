"""What `align fit` would refuse, found without a run directory and without training."""

import json
from functools import partial

from align.command.fit_options import check_trains
from align.datamodule import CotrainingData
from align.errors import InputError
from align.fit import RunCLI, main


class DryFit:
    """Called with the path of a configuration, does all that `align fit` does before it trains.

    The data of one call are kept for the next, which mostly asks for the same.

    Raises:
        InputError: The run would be refused, or could not be probed.
    """

    def __init__(self):
        self.read: tuple[str, CotrainingData] | None = None

    def __call__(self, config: str) -> None:
        main(["fit", "--config", config], partial(_DryCLI, self))


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
        self.find_mistakes()
        self._dry.read = served, self.datamodule
        lacking = self.datamodule.too_few_to_probe(asked["embeddings"]["per_domain"])
        if lacking is not None:
            raise InputError(lacking)

    def fit(self, model, **kwargs) -> None:
        pass
