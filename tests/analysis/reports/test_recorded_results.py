"""What the repository keeps under `results/` is read by today's code, and comes out as it was recorded."""

import shlex
from glob import glob
from pathlib import Path

import pytest

from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.kept import TRIALS, is_sweep
from align.cli import main
from align.errors import InputError

RESULTS = Path(__file__).parents[3] / "results"
KEPT = [path for path in sorted(RESULTS.iterdir()) if is_sweep(path)]


@pytest.mark.parametrize("name", ["mechanism", "select"])
def test_what_rests_on_several_recorded_sweeps_is_what_they_give(name, tmp_path, monkeypatch):
    monkeypatch.chdir(RESULTS.parent)
    program, *words = shlex.split((RESULTS / name / "command.txt").read_text())
    assert program == "align" and words[-2:] == ["--out", f"results/{name}"]
    options = [path for word in words[:-1] for path in (sorted(glob(word)) if "*" in word else [word])]
    assert main([*options, str(tmp_path)]) == 0
    for path in (*tmp_path.glob("*.csv"), *tmp_path.glob("*.md")):
        recorded = (RESULTS / name / path.name).read_text()
        assert path.read_text() == recorded, "a sweep was recorded anew: make recorded"


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
