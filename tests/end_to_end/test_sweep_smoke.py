"""The whole of `make sweep-lambda SCALE=smoke`, and two training steps at the published scale."""

import json
from pathlib import Path

import pandas as pd
import yaml
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from align.cli import main
from align.commands import demos
from align.domain import Domain
from align.experiments.grid import load_grid
from align.experiments.options import set_option
from align.worlds.pushing.gaps import Gap


def test_smoke_sweep_leaves_everything_a_reader_needs(tmp_path, capfd):
    out = tmp_path / "sweep"
    command = ["sweep", "experiments/lambda.yaml", "--scale", "smoke", "--out", str(out)]
    command += ["--data", str(tmp_path / "data")]
    assert main(command) == 0
    runs = sorted(p.parent for p in out.glob("*/point.json"))
    assert [json.loads((r / "point.json").read_text())["lambda"] for r in runs] == [0, 1]
    for run in runs:
        for name in (
            "config.yaml",
            "provenance.json",
            "checkpoints/last.ckpt",
            "embeddings.npz",
            "rollouts.csv",
            "rollouts.gif",
            "rollouts.png",
            "summary.json",
            "probe.json",
            "probe.png",
        ):
            assert (run / name).stat().st_size > 0, name
        trials = pd.read_csv(run / "rollouts.csv")
        assert set(trials["world"]) == {"real", "sim"}
        assert list(trials[trials["world"] == "real"]["seed"]) == list(
            trials[trials["world"] == "sim"]["seed"]
        )
        events = EventAccumulator(str(run)).Reload()
        assert {"train/denoise", "train/alignment", "val/mmd2"} <= set(events.Tags()["scalars"])
    aligned = EventAccumulator(str(runs[1])).Reload()
    assert "train/grad_ratio" in aligned.Tags()["scalars"]
    table = pd.read_csv(out / "results.csv")
    assert len(table) == 2 and table["missing"].isna().all()
    assert list(out.glob("lambda*.png"))

    capfd.readouterr()
    before = {p: p.stat().st_mtime_ns for p in out.rglob("last.ckpt")}
    assert main(command) == 0  # finished runs are skipped
    assert capfd.readouterr().out.count("skipped") >= 2
    assert before == {p: p.stat().st_mtime_ns for p in before}


def test_paper_scale_trains(tmp_path):
    run = load_grid("experiments/lambda.yaml", "paper").runs[-1]
    config = run.config
    for name, domain, gap in (("sim", Domain.SIM, Gap()), ("real", Domain.REAL, Gap(1.0, 1.0, 1.0))):
        path = str(tmp_path / f"{name}.zarr")
        demos(path, n=2, world=gap, domain=domain, size=128, jobs=1)
        set_option(config, f"data.{name}", path)
    worlds = config["trainer"]["callbacks"][0]["init_args"]
    worlds.update(trials=1, steps=8, film=0)
    for option, value in {
        "run": str(tmp_path / "run"),
        "data.validation": 1,
        "data.max_real": None,
        "data.batch_size": 8,
        "data.val_windows": 2,
        "embeddings": {"per_domain": 2},
        "trainer.max_steps": 2,
        "trainer.val_check_interval": 2,
    }.items():
        set_option(config, option, value)
    path = Path(tmp_path / "config.yaml")
    path.write_text(yaml.safe_dump(config))
    assert main(["fit", "--config", str(path)]) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["steps"] == 2 and summary["lambda"] == 10
