"""A sweep on the user's own stores, without a world: everything in it is of held-out episodes."""

import json

import numpy as np
import pandas as pd
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from align.cli import main


def test_arms_are_compared_on_held_out_episodes(make_store, tmp_path, capsys):
    out = tmp_path / "sweep"
    options = [f"data.{name}={make_store(name, 12, seed=i)}" for i, name in enumerate(("sim", "real"))]
    options += ["trainer.max_steps=6", "trainer.val_check_interval=4", "embeddings.sites=[image]"]
    command = ["sweep", "lambda", "--base", "own", "--scale", "smoke", "--out", str(out)]
    assert main([*command, *(f"--set+={option}" for option in options)]) == 0
    assert "from the stores: model.policy.action_dim=2" in capsys.readouterr().out
    table = pd.read_csv(out / "results.csv")
    assert table["missing"].isna().all() and not any(c.startswith("rollout/") for c in table)
    text = (out / "results.md").read_text()
    for title in ("real: action error", "sim: denoising loss", "real: action error − lambda=0", "image: AUC"):
        assert f" {title} |" in text
    assert "Incomplete" not in text and (out / "lambda.png").is_file()

    runs = [out / f"lambda={x},seed=0" for x in (0, 1)]
    episodes = []
    for run in runs:
        kept = np.load(run / "embeddings.npz")
        real = kept["domain"] == 1
        by = pd.Series(kept["action_error"][real]).groupby(kept["episode"][real]).mean()
        episodes.append(by)
        row = table.set_index("run").loc[run.name]
        assert row["held_out/real/action_error"] == pytest.approx(by.mean(), rel=1e-4)
        summary = json.loads((run / "summary.json").read_text())
        assert row["held_out/real/denoising_loss"] == pytest.approx(summary["val_loss_real"], rel=0.5)
        scalars = EventAccumulator(str(run)).Reload()
        assert "final/held_out/real/action_error" in scalars.Tags()["scalars"]
    arms = pd.read_csv(out / "arms.csv").set_index(["arm", "metric"])
    paired = arms.loc[("lambda=1", "held_out/real/action_error")]
    assert paired["difference"] == pytest.approx((episodes[1] - episodes[0]).mean(), abs=1e-4)
    assert paired["difference_low"] <= paired["difference"] <= paired["difference_high"]
