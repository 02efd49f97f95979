"""What the repository keeps under `results/` is read by today's code, and comes out as it was recorded."""

from pathlib import Path

import pytest

from align.analysis.reports import mechanism
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.kept import TRIALS
from align.errors import InputError

RESULTS = Path(__file__).parents[3] / "results"
KEPT = sorted(path.parent for path in RESULTS.glob("*/results.csv"))
OF = (
    "plateau",
    "alpha",
    "gap",
    "methods",
)


def test_the_mechanism_is_what_was_recorded(tmp_path):
    assert str(list(OF)).replace("'", "") in (RESULTS / "mechanism/command.txt").read_text()
    mechanism.report([RESULTS / name for name in OF], tmp_path, None)
    for name in ("mechanism.csv", "mechanism.md", "mechanism_runs.csv"):
        assert (tmp_path / name).read_bytes() == (RESULTS / "mechanism" / name).read_bytes(), name


@pytest.mark.parametrize("path", KEPT, ids=lambda p: p.name)
def test_a_kept_sweep_is_read_and_says_what_it_cannot_give(path):
    sweep = Sweep(path)
    assert len(sweep.arms()) > 1 and not len(sweep.incomplete)
    arm, metric = sweep.arms()[0], Metric("rollout", sweep.target, "score")
    if (path / TRIALS).exists():
        assert sweep.difference(arm.runs, arm.runs, metric).value == 0
        return
    with pytest.raises(InputError, match="holds no trials"):
        sweep.difference(arm.runs, arm.runs, metric)
