"""The smoke scale of `make sweep-ambient` and `make sweep-ambient-pushing`, with fewer steps and trials."""

import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import yaml

from align.cli import main

MISSING = [m for m in ("pydrake", "ompl") if importlib.util.find_spec(m) is None]
PLANNING = pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed (pip install -e '.[planning]' in a checkout)"
)
CALLBACK = "trainer.callbacks.0.init_args"


def _sweep(name: str, out: Path, data: Path, *more: str) -> pd.DataFrame:
    command = [
        "sweep",
        f"experiments/{name}.yaml",
        "--scale",
        "smoke",
        "--out",
        str(out),
        "--data",
        str(data),
    ]
    fewer = [f"{CALLBACK}.trials=4", f"{CALLBACK}.film=1", "embeddings.per_domain=40", *more]
    for option in ("trainer.max_steps=20", "trainer.val_check_interval=10", *fewer):
        command.append(f"--set+={option}")
    assert main(command) == 0
    table = pd.read_csv(out / "results.csv").set_index("run")
    assert table["missing"].isna().all()
    return table


@PLANNING
def test_smoke_sweep_of_the_maze(tmp_path):
    out = tmp_path / "sweep"
    fewer = (f"{CALLBACK}.steps=80", "embeddings.sites=[observation]")
    table = _sweep("ambient", out, tmp_path / "data", *fewer)
    assert list(table["arm"].sort_values()) == ["ambient-.35", "co-training", "gated-per-sample", "gcs-only"]
    levels = table.set_index("arm")["summary/sigma_min"]
    assert levels["ambient-.35"] == pytest.approx(0.35) and levels[["gcs-only", "co-training"]].isna().all()
    assert "plans_maze.md" in {path.name for path in out.iterdir()}
    assert "GCS plans (reference) of 10 queries" in (out / "plans_maze.md").read_text()


def test_smoke_sweep_of_pushing(tmp_path):
    out = tmp_path / "sweep"
    fewer = (f"{CALLBACK}.steps=20", "embeddings.sites=[image]")
    table = _sweep("ambient_pushing", out, tmp_path / "data", *fewer)
    arms = {(arm, weight) for arm, weight in zip(table["arm"], table["lambda"], strict=True)}
    unaligned = {(arm, 0.0) for arm in ("real-only", "co-training", "gated-annotated")}
    assert arms == unaligned | {("gated-per-sample", 0.1)}, "gating runs with alignment, too"
    run = out / table.index[table["arm"] == "gated-per-sample"][0]
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert (
        Path(config["data"]["gating"]["annotation"]).is_file() and config["model"]["alignment_weight"] == 0.1
    )
    assert (out / "annotation.png").stat().st_size > 0
