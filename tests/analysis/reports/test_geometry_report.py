import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_runs import write_run

from align.analysis.commands import probe
from align.analysis.figures import geometry as geometry_figure
from align.analysis.reports import arm_table
from align.analysis.reports.geometry import measure_run
from align.analysis.reports.probes.probe import probe_run
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.statistics.permutation import holm
from align.analysis.statistics.site_geometry import TESTS
from align.errors import InputError
from align.run.locks import LOCK

SITES = ("image", "observation", "denoiser")


@pytest.fixture(scope="module")
def probed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("probed") / "run"
    run = write_run(folder, {"lambda": 0.0, "seed": 0}, shift=6.0, episodes=6, windows=8)
    return run, probe_run(run)


@pytest.fixture
def run(tmp_path, probed):
    return Path(shutil.copytree(probed[0], tmp_path / "sweep" / "run"))


@pytest.fixture
def found(probed):
    """What `probe_run` returned for `run`."""
    return probed[1]


def add(run, **arrays):
    with np.load(run / "embeddings.npz") as archive:
        np.savez(run / "embeddings.npz", **dict(archive) | arrays)


def pair(run, sim, real):
    np.savez(run / "paired.npz", **{"sim/image": sim, "real/image": real})


def add_everything(run):
    rng = np.random.default_rng(0)
    action = rng.normal(size=(96, 8))
    add(run, action=action, chosen=action, agent_pos=action[:, :2], state=action[:, 2:])
    z = rng.normal(size=(12, 5))
    np.savez(run / "paired.npz", **{f"{world}/{site}": z for world in ("sim", "real") for site in SITES})


def test_a_run_with_everything_is_measured_whole_and_alike_twice(run, found):
    add_everything(run)
    (run / "config.yaml").write_text("model: {site: observation}\n")
    result = measure_run(run, found)
    assert result == json.loads((run / "geometry.json").read_text()) == measure_run(run, found)
    assert result["skipped"] == {} and result["aligned"] == "observation"
    assert set(result["sites"]) == set(SITES) and set(result["inputs"]) == {"agent_pos", "state", "action"}
    for site, numbers in result["sites"].items():
        accuracy = found["sites"][site]["accuracy"]["value"]
        assert numbers["a_distance"]["value"] == pytest.approx(4 * accuracy - 2)
        mmd2 = found["sites"][site]["mmd2"][
            "value"
        ]  # of another bandwidth: that of a test is blind to domains
        assert numbers["tests"]["mmd"]["statistic"] == pytest.approx(mmd2, rel=0.05, abs=0.01)
        assert numbers["cka"]["debiased"] == pytest.approx(1)
        assert set(numbers["actions"]) == {"sim", "real", "k"}
    for test in TESTS:
        tests = [numbers["tests"][test] for numbers in result["sites"].values()]
        assert [t["p_holm"] for t in tests] == holm([t["p_value"] for t in tests])
    assert result["sites"]["denoiser"]["tests"]["mmd"]["p_value"] < 0.05
    assert Image.open(run / "geometry.png").size[0] == 1020  # one column at 300 dpi


def test_what_is_missing_is_skipped_and_said(run, found, monkeypatch):
    monkeypatch.setattr(geometry_figure, "has_umap", lambda: False)
    result = measure_run(run, found, umap=True)
    assert set(result["skipped"]) == {"actions", "cka", "agent_pos", "state", "action", "umap"}
    assert "action, chosen" in result["skipped"]["actions"] and "not installed" in result["skipped"]["umap"]
    assert not {"actions", "cka"} & set(result["sites"]["image"]) and result["inputs"] == {}
    assert result["aligned"] is None


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda run: add(run, state=np.zeros((5, 2))), "state has 5 rows, expected 96"),
        (lambda run: add(run, action=np.full((96, 2), np.nan)), "action has NaN"),
        (lambda run: pair(run, np.zeros((4, 2)), np.ones((5, 2))), r"\(4, 2\) and real/image \(5, 2\)"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_in_one_line(run, found, damage, message):
    damage(run)
    with pytest.raises(InputError, match=message) as error:
        measure_run(run, found)
    assert "\n" not in str(error.value) and not (run / "geometry.json").exists()


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (
            lambda run: add(run, chosen=np.full((96, 2), np.nan)),
            "chosen has NaN or infinity in 96 of 96",
        ),
        (lambda run: add(run, chosen=np.float32(1)), r"chosen is float32 of shape \(\)"),
        (lambda run: add(run, state=np.full((96, 2), "x")), "state is <U1 of shape"),
        (lambda run: add(run, action=np.ones((96, 2, 2))), r"action of shape \(96, 2, 2\)"),
        (lambda run: add(run, store=np.full(5, "lab")), r"store is <U3 of shape \(5,\)"),
        (lambda run: add(run, **{"untrained/image": np.full((96, 3), 1e300)}), "image has numbers beyond 1e"),
        (lambda run: pair(run, np.float32(1), np.zeros((4, 2))), r"sim/image is float32 of shape \(\)"),
        (lambda run: pair(run, np.ones((0, 2)), np.ones((0, 2))), "four or more"),
        (lambda run: pair(run, np.ones(8), np.ones(8)), r"sim/image \(8,\) and real/image \(8,\)"),
        (lambda run: pair(run, np.ones((8, 2)), np.ones((8, 2)) * 1e300), "real/image has numbers beyond 1e"),
        (lambda run: pair(run, np.ones((8, 2)), np.full((8, 2), "x")), "real/image is <U1"),
        (lambda run: (run / "paired.npz").write_bytes(b"hello"), "paired.npz: cannot be read"),
    ],
)
def test_align_probe_writes_nothing_where_it_could_not_measure_all(run, damage, message, recwarn):
    damage(run)
    for file in ("probe.json", "probe.png", "probe_scores.csv"):
        (run / file).unlink()
    before = set(run.iterdir())
    with pytest.raises(InputError, match=message):
        probe(str(run))
    assert {path for path in run.iterdir() if path.name != LOCK} == before and not recwarn.list


def test_align_probe_measures_and_the_sweep_tells_the_aligned_site(run, capsys):
    (run / "config.yaml").write_text("model: {site: denoiser}\n")
    probe(str(run.parent))
    assert "image AUC" in capsys.readouterr().out
    numbers = json.loads((run / "geometry.json").read_text())["sites"]["denoiser"]
    sweep = Sweep(run.parent)
    row = sweep.frame.iloc[0]
    assert (
        row["geometry/aligned/mmd_p"] == row["geometry/denoiser/mmd_p"] == numbers["tests"]["mmd"]["p_value"]
    )
    assert row["geometry/aligned/mixing_low"] == numbers["mixing"]["mixing"]["low"]
    distance = Metric("geometry", "aligned", "a_distance")
    assert sweep.estimate(["run"], distance).interval.value == pytest.approx(numbers["a_distance"]["value"])
    table = (run.parent / "results.md").read_text()
    assert all(name in table for name in ("aligned: mixing", "MMD p"))
    (run / "geometry.json").unlink()  # as runs of older versions are
    arm_table.report(Sweep(run.parent))
    assert "aligned" not in (run.parent / "results.md").read_text()
