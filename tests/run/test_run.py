"""A run directory: what is finished, which folders are runs, what its configuration says."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from align.errors import InputError
from align.files import TEMPORARY
from align.run import layout
from align.run.config import aligned_site, fit_config, run_config
from align.run.layout import (
    CONFIG,
    EMBEDDINGS,
    EVENTS,
    LAUNCHED,
    POINT,
    PROBE,
    ROLLOUTS,
    SUMMARY,
    holding,
    runs,
)
from align.run.locks import locked
from align.run.state import is_finished, is_fitted, missing
from align.run.tidying import tidy


def _write(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).write_text("{}")


def test_a_run_is_finished_when_it_is_fitted_evaluated_and_probed(tmp_path):
    _write(tmp_path, POINT)
    assert missing(tmp_path) == [SUMMARY, ROLLOUTS, PROBE] and not is_fitted(tmp_path)
    _write(tmp_path, SUMMARY, ROLLOUTS)
    assert is_fitted(tmp_path) and not is_finished(tmp_path)
    _write(tmp_path, PROBE)
    assert not missing(tmp_path) and not is_finished(tmp_path)  # killed before the rest of the probe's files
    (tmp_path / EVENTS).touch()
    assert is_finished(tmp_path)


def test_what_was_half_written_is_removed_unless_somebody_is_at_work(tmp_path):
    left = tmp_path / f"{TEMPORARY}probe.json.left"
    left.mkdir()
    for folder in (tmp_path, tmp_path / LAUNCHED):
        with locked(folder, "run"):
            tidy(tmp_path)
        assert left.exists()
    tidy(tmp_path)
    assert not left.exists()


@pytest.mark.parametrize("worlds, lacks", [({}, []), ({"real": {"visual": 1}}, [ROLLOUTS])])
def test_rollouts_are_expected_where_the_configuration_names_worlds(tmp_path, worlds, lacks):
    _write(tmp_path, POINT, SUMMARY, PROBE)
    callback = {"class_path": "align.callbacks.Rollouts", "init_args": {"worlds": worlds}}
    (tmp_path / CONFIG).write_text(yaml.safe_dump({"trainer": {"callbacks": [callback]}}))
    assert missing(tmp_path) == lacks


def test_hidden_folders_and_reports_are_no_runs(tmp_path):
    for name in ("b", "a", ".aside", "report", "figures"):
        _write(tmp_path / name, EMBEDDINGS)
    _write(tmp_path / ".submitit" / "c", EMBEDDINGS)
    _write(tmp_path, "results.csv")
    assert [run.name for run in runs(tmp_path)] == ["a", "b"]
    assert holding(tmp_path, EMBEDDINGS) == [tmp_path / "a", tmp_path / "b"]
    assert holding(tmp_path / "a", EMBEDDINGS) == [tmp_path / "a"], "a run is found by its own path, too"


def test_a_configuration_is_read_in_one_way(tmp_path):
    assert run_config(tmp_path) == {} and aligned_site(tmp_path) is None
    with pytest.raises(InputError, match="expected a run directory"):
        fit_config(tmp_path)
    (tmp_path / CONFIG).write_text("model: {site: denoiser}\nmake: analysis.annotation.annotate\n")
    assert aligned_site(tmp_path) == "denoiser"
    assert run_config(tmp_path)["make"] == "align.analysis.reports.annotation.annotate", "what moved is found"
    with pytest.raises(InputError, match="data, seed_everything"):
        fit_config(tmp_path)
    for broken in ("a: [", "- 1"):
        (tmp_path / CONFIG).write_text(broken)
        with pytest.raises(InputError, match=str(tmp_path / CONFIG)):
            run_config(tmp_path)


def test_no_two_files_share_a_name():
    names = [value for name, value in vars(layout).items() if name.isupper()]
    assert len(names) == len(set(names)) > 20


def test_no_other_module_names_the_files_of_a_run():
    names = {value for name, value in vars(layout).items() if name.isupper() and "." in value.strip(".")}
    for folder in ("align", "analysis", "experiments"):
        for path in Path(folder).rglob("*.py"):
            found = {n.value for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Constant)}
            assert path == Path(layout.__file__).relative_to(Path.cwd()) or not found & names, path


def test_reports_read_runs_without_torch():
    modules = ("layout", "config", "state", "moved", "provenance", "paths", "trials")
    code = (
        "import sys, "
        + ", ".join(f"align.run.{name}" for name in modules)
        + "; print('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "False\n"
