"""Gated arms in the report of a sweep: the level they were gated at, and the annotation it is from."""

import json

import pytest
import yaml
from synthetic_runs import write_run

from align.analysis.reports import arm_table
from align.analysis.reports.gating import report
from align.analysis.reports.sweep import Sweep


@pytest.fixture
def gated(tmp_path):
    """Writes a sweep whose last runs were gated by annotations of these names; returns its path."""

    def write(*names: str):
        write_run(tmp_path / "sweep/co-training", {"arm": "co-training", "seed": 0}, episodes=4, windows=4)
        for name in names:
            run = write_run(tmp_path / f"sweep/{name}", {"arm": name, "seed": 0}, episodes=4, windows=4)
            gating = {"annotation": str(tmp_path / f"{name}.npz")}
            (run / "config.yaml").write_text(yaml.safe_dump({"data": {"gating": gating}}))
            summary = json.loads((run / "summary.json").read_text())
            (run / "summary.json").write_text(json.dumps(summary | {"sigma_min": 0.625}))
            for suffix in ("png", "json"):
                (tmp_path / f"{name}.{suffix}").write_text(f"{name} {suffix}")
        return tmp_path / "sweep"

    return write


def test_the_reports_of_annotations_are_part_of_a_sweep_s(gated, tmp_path):
    path = gated("a")
    assert report(Sweep(path)) == [path / "annotation.png", path / "annotation.json"]
    assert (path / "annotation.png").read_text() == "a png"
    assert (path / "annotation.json").read_text() == "a json"
    (tmp_path / "a.png").unlink()
    assert report(Sweep(path)) == [path / "annotation.json"]


def test_several_annotations_keep_their_names_and_none_leaves_nothing(gated):
    path = gated("a", "b")
    names = [written.name for written in report(Sweep(path))]
    assert names == [f"annotation_{n}.{suffix}" for n in "ab" for suffix in ("png", "json")]
    for name in "ab":
        (path / f"{name}/config.yaml").write_text(yaml.safe_dump({"data": {"gating": None}}))
    assert report(Sweep(path)) == []


@pytest.mark.parametrize("data", [None, {"gating": 3}, {"gating": {"annotation": [1]}}, {"gating": {}}])
def test_a_configuration_that_names_no_annotation_is_of_none(data, gated):
    path = gated("a")
    (path / "a/config.yaml").write_text(yaml.safe_dump({"data": data}))
    assert report(Sweep(path)) == []


def test_an_annotation_lies_where_the_run_says_wherever_its_report_is_made(gated, tmp_path, monkeypatch):
    path = gated("a")
    recorded = {"run": "sweep/a", "data": {"gating": {"annotation": "notes/a.npz"}}}
    (path / "a/config.yaml").write_text(yaml.safe_dump(recorded))
    (tmp_path / "notes").mkdir()
    for name in ("a.npz", "a.json"):
        (tmp_path / "notes" / name).write_text("of it")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert report(Sweep(path)) == [path / "annotation.json"]


def test_tables_tell_the_level_of_gated_arms_only(gated):
    path = gated("a")
    arm_table.report(Sweep(path))
    rows = [line.split(" | ") for line in (path / "results.md").read_text().splitlines() if "|" in line]
    rows = rows[next(i for i, row in enumerate(rows) if "σ_min" in row) :]  # behind the short table
    column = rows[0].index("σ_min")
    assert {row[0].strip("| "): row[column] for row in rows[2:]} == {"a": "0.625", "co-training": "—"}
    assert "σ_min: noise level" in (path / "results.md").read_text()
    for run in ("co-training", "a"):
        summary = json.loads((path / run / "summary.json").read_text())
        summary.pop("sigma_min", None)
        (path / run / "summary.json").write_text(json.dumps(summary))
    arm_table.report(Sweep(path))
    assert "σ_min" not in (path / "results.md").read_text()
