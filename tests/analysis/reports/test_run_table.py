"""Runs as rows of a table: what is read of them, and what is refused."""

import json

import pandas as pd
import pytest

from align.analysis.reports.everything import report
from align.analysis.reports.sweep.keep import keep
from align.analysis.reports.sweep.run_table import collect, recorded
from align.analysis.statistics.trials.counts import blaker
from align.errors import InputError


def test_collect_has_a_row_a_run_with_axes_counts_and_intervals(lambda_sweep):
    frame = collect(lambda_sweep)
    assert len(frame) == 6 and (frame["missing"] == "").all()
    row = frame.iloc[-1]
    assert row["lambda"] == 1.0 and row["seed"] == 1 and row["summary/steps"] == 100
    trials = pd.read_csv(lambda_sweep / row["run"] / "rollouts.csv").query("world == 'real'")
    count = trials["success_90"].sum()
    assert row["rollout/real/trials"] == 30 and row["rollout/real/success_90_count"] == count
    assert row["rollout/real/score"] == pytest.approx(trials["score"].mean())
    assert row["rollout/real/success_90_low"] == pytest.approx(blaker(count, 30).low)
    assert row["probe/image/auc"] == pytest.approx(0.6)


def test_what_is_no_run_has_no_row(lambda_sweep, tmp_path):
    rows = collect(lambda_sweep)["run"].tolist()
    for name in (".aside", "report", "figures"):
        (lambda_sweep / name).mkdir()
    assert collect(lambda_sweep)["run"].tolist() == rows
    with pytest.raises(InputError, match="sweep="):
        collect(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("summary.json", "{", r"summary\.json: cannot be read \(JSONDecodeError"),
        ("point.json", json.dumps({"data/alpha": 0.5}), r"point\.json: axis 'data/alpha'"),
        ("point.json", json.dumps({"run": 1}), r"point\.json: axis 'run'"),
        ("rollouts.csv", "world,seed,score\nsim,0,0.5\n", r"rollouts\.csv: columns \['success'\]"),
    ],
)
def test_a_file_that_cannot_be_read_is_named(lambda_sweep, name, text, message):
    (lambda_sweep / "lambda=0_seed=0" / name).write_text(text)
    with pytest.raises(InputError, match=message):
        collect(lambda_sweep)


def test_what_was_kept_is_read_as_it_was_collected(lambda_sweep, tmp_path_factory):
    tmp_path = tmp_path_factory.mktemp("results")
    report(lambda_sweep)
    keep(lambda_sweep, tmp_path / "kept", "align sweep lambda")
    found, expected = recorded(tmp_path / "kept"), collect(lambda_sweep)
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-5)
