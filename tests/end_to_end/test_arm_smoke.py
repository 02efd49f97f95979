"""`make sweep-ambient-arm SCALE=smoke` with one arm, fewer plans and coarser regions."""

import dataclasses
import importlib.util
from importlib import metadata
from pathlib import Path

import pandas as pd
import pytest
import yaml

from align.cli import main
from align.data.episodes import read_store
from align.run.paths import read_paths
from align.worlds.planning import arm_regions
from align.worlds.planning.arm import ArmSpec, arm

MISSING = [m for m in ("pydrake", "ompl") if importlib.util.find_spec(m) is None]
MISSING += {"example-robot-data"} - {d.metadata["Name"] for d in metadata.distributions()}


@pytest.mark.skipif(
    bool(MISSING), reason=f"{', '.join(MISSING)} not installed (pip install -e '.[planning]' in a checkout)"
)
def test_smoke_sweep_of_the_arm(tmp_path, monkeypatch, capfd):
    make, folder = arm_regions.make, Path("experiments")
    coarse = {"epsilon": 0.1, "delta": 0.2, "particles": 100}
    monkeypatch.setattr(arm_regions, "make", lambda spec, how: make(spec, dataclasses.replace(how, **coarse)))
    grid = yaml.safe_load((folder / "ambient_arm.yaml").read_text())
    base = yaml.safe_load((folder / grid["base"]).read_text())
    grid["scales"]["smoke"]["axes"]["arm"]["keep"] = ["gated-per-sample"]
    grid["reference"] = {"arm": "gated-per-sample"}
    for store in ("data.sim", "data.real"):
        base["scales"]["smoke"]["demos"][store]["n"] = 8
    for name, content in {"ambient_arm.yaml": grid, grid["base"]: base}.items():
        (tmp_path / name).write_text(yaml.safe_dump(content, sort_keys=False))

    out, data = tmp_path / "sweep", tmp_path / "data"
    command = ["sweep", str(tmp_path / "ambient_arm.yaml"), "--scale", "smoke", "--jobs", "1"]
    command += ["--set+", "embeddings.sites=[observation]"]
    assert main([*command, "--out", str(out), "--data", str(data)]) == 0
    (run,) = (path.parent for path in out.glob("*/point.json"))
    config = yaml.safe_load((run / "config.yaml").read_text())
    stores = {domain: read_store(config["data"][domain], images=False) for domain in ("sim", "real")}
    assert {d: s.attrs["planner"] for d, s in stores.items()} == {"sim": "rrt-connect", "real": "gcs"}
    assert Path(config["data"]["gating"]["annotation"]).is_file()
    assert len(list(data.glob("*/arm-*.npz"))) == 1, "regions in a folder that sweeps share"
    trials, paths = pd.read_csv(run / "rollouts.csv"), read_paths(run / "paths.npz")["shelves"]
    assert len(trials[trials["world"] == "shelves"]) == len(paths) == 10
    assert all(arm(ArmSpec()).free(path).all() for path in paths.values()), (
        "a collision ends a path before it"
    )
    assert (out / "paths_shelves.png").stat().st_size > 0 and (run / "rollouts.png").stat().st_size > 0
    assert pd.read_csv(out / "results.csv")["missing"].isna().all()
    capfd.readouterr()
    assert main([*command, "--out", str(out), "--data", str(data)]) == 0
    printed = capfd.readouterr().out
    assert "skipped" in printed and "making" not in printed, "regions, plans and annotation are made once"
