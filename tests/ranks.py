"""`align fit` on two processes that something else starts, as `torchrun` does.

They are forked from one that has imported everything: two new ones would take longer for that than a test
trains.
"""

import json
import sys
from pathlib import Path

import pytest
import pytorch_lightning as pl
from lightning_fabric.plugins.environments.lightning import find_free_network_port

sys.path.append(str(Path(__file__).with_name("torture")))

from forked import Forked

N_RANKS = 2


class EachRank(pl.Callback):
    """Writes what a process saw by itself into `rank-N.json` of the run.

    That is `denoise`, its own loss at each step; `held_out`, its own held-out losses; and `multiplier`, that
    of the weighting after the last step.
    """

    def setup(self, trainer, module, stage):
        self.seen = {"denoise": [], "held_out": [], "multiplier": None}
        log, see = module._log_terms, module._see_held_out

        def log_terms(terms, batch):
            self.seen["denoise"].append(float(terms.denoise))
            log(terms, batch)

        def see_held_out(losses):
            self.seen["held_out"].append([float(loss) for loss in losses])
            see(losses)

        module._log_terms, module._see_held_out = log_terms, see_held_out

    def on_train_end(self, trainer, module):
        if hasattr(module.weighting, "log_multiplier"):
            self.seen["multiplier"] = float(module.weighting.log_multiplier)
        path = Path(trainer.default_root_dir, f"rank-{trainer.global_rank}.json")
        path.write_text(json.dumps(self.seen))


def seen(run: str | Path) -> list[dict]:
    """What each of the processes saw that trained a run with `EachRank`."""
    return [json.loads(Path(run, f"rank-{rank}.json").read_text()) for rank in range(N_RANKS)]


def fit(config: str) -> None:
    """Trains a configuration that asks for two devices; fails with what the processes said."""
    folder, logs, ranks = Path(config).parent, [], []
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MASTER_ADDR", "127.0.0.1")
        patch.setenv("MASTER_PORT", str(find_free_network_port()))
        for rank in range(N_RANKS):
            patch.setenv("LOCAL_RANK", str(rank))
            logs.append(folder / f"rank-{rank}.txt")
            ranks.append(Forked(folder, ["fit", "--config", config], logs[-1]))
    statuses = [rank.wait() for rank in ranks]
    assert statuses == [0] * N_RANKS, "\n".join(log.read_text()[-2000:] for log in logs)
