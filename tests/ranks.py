"""`align fit` on two processes that something else starts, as `torchrun` does.

They are forked from one that has imported everything: two new ones would take longer for that than a test
trains.
"""

import sys
from pathlib import Path

import pytest
from lightning_fabric.plugins.environments.lightning import find_free_network_port

sys.path.append(str(Path(__file__).with_name("torture")))

from forked import Forked

N_RANKS = 2


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
