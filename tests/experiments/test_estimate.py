"""The time a sweep is expected to take."""

import json
import time

import pytest
import yaml
from threadpoolctl import threadpool_info, threadpool_limits

from align.errors import InputError
from align.experiments import step_times
from align.experiments.estimate import KINDS, Source, expected
from align.experiments.grid import Run, load_grid
from align.experiments.launch import Job
from align.experiments.measure import measure
from align.experiments.step_times import NOMINAL, Measured, kind, nominal, recall, remember
from align.experiments.sweep import sweep
from align.run.layout import SECONDS

CONFIG = {"model": {"policy": {"encoder": {"class_path": "E"}}}, "trainer": {"max_steps": 1000}}


def finished(path, training=100.0, steps=500, wall=None, **model):
    path.mkdir(parents=True)
    (path / "summary.json").write_text(json.dumps({"training_seconds": training, "steps": steps}))
    (path / "request.yaml").write_text(yaml.safe_dump(CONFIG | {"model": CONFIG["model"] | model}))
    if wall:
        (path / SECONDS).write_text(json.dumps({"fit": wall - 10, "probe": 10}))


@pytest.fixture
def runs():
    return [Run(f"run{i}", {}, CONFIG) for i in range(6)]


def test_nothing_measured_is_said(tmp_path, runs):
    finished(tmp_path / "other/a", noise_draws=3)
    (tmp_path / "other/b").mkdir()
    (tmp_path / "other/b/summary.json").write_text("{")
    assert "unknown" in expected(runs, tmp_path / "sweep", 2)
    assert expected([], tmp_path / "sweep", 2) == "nothing is left to run"


def test_step_times_of_siblings_are_scaled_by_steps_and_jobs(tmp_path, runs):
    for i, training in enumerate((90, 100, 900)):  # 0.2 s a step is the median
        finished(tmp_path / f"other/{i}", training)
    text = expected(runs, tmp_path / "sweep", 2)  # 6 runs x 1000 steps x 0.2 s / 2
    assert text.startswith("expected time: 10 min with 2") and "3 finished runs" in text
    assert "not timed" in text
    assert expected(runs, tmp_path / "sweep", 12).startswith("expected time: 3 min")  # no more than 6 help


def test_runs_that_were_trained_together_tell_nothing_of_one(tmp_path, runs):
    for i, training in enumerate((100, 800, 800)):
        finished(tmp_path / f"other/{i}", training)
    batch = tmp_path / "other/.together/1/together.json"
    batch.parent.mkdir(parents=True)
    batch.write_text(json.dumps({"runs": ["elsewhere/other/1", "elsewhere/other/2"]}))
    text = expected(runs, tmp_path / "sweep", 2)
    assert text.startswith("expected time: 10 min with 2") and "1 finished runs" in text


def test_rollouts_and_probes_count_where_they_were_timed(tmp_path, runs):
    finished(tmp_path / "sweep/x", wall=100 + 40)
    text = expected(runs, tmp_path / "sweep", 2)  # 3 x (200 + 40) s
    assert text.startswith("expected time: 12 min") and "not timed" not in text


def test_a_run_begun_has_less_left_and_other_kinds_are_told(tmp_path, runs):
    finished(tmp_path / "other/a")
    (tmp_path / "sweep/run0").mkdir(parents=True)
    (tmp_path / "sweep/run0/progress.json").write_text('{"step": 900}')
    other = Run("new", {}, {**CONFIG, "data": {"batch_size": 3}})
    text = expected([runs[0], other], tmp_path / "sweep", 1)  # 100 + 1000 steps of 0.2 s
    assert text.startswith("expected time: 4 min") and "1 runs are of another kind" in text


def test_a_run_that_says_no_steps_has_those_of_align_fit(tmp_path, runs):
    finished(tmp_path / "other/a")
    for trainer in ({}, {"trainer": {}}, {"trainer": {"max_epochs": 3}}):
        silent = Run("silent", {}, {k: v for k, v in CONFIG.items() if k != "trainer"} | trainer)
        text = expected([silent], tmp_path / "sweep", 1)  # 10,000 steps of 0.2 s
        assert text.startswith("expected time: 33 min")


@pytest.mark.parametrize("content", ["", "[1]", "{}", '{"step": null}', '{"step": 1e999}', '{"step": NaN}'])
def test_damaged_files_of_runs_are_unknown(tmp_path, runs, content):
    finished(tmp_path / "other/a")
    finished(tmp_path / "other/b")
    (tmp_path / "other/a" / SECONDS).write_text(content or "[")
    (tmp_path / "other/b/summary.json").write_text(content)
    (tmp_path / "sweep/run0").mkdir(parents=True)
    (tmp_path / "sweep/run0/progress.json").write_text(content)
    assert expected([runs[0]], tmp_path / "sweep", 1).startswith("expected time: 3 min")  # all 1000 steps
    assert Job("run0", tmp_path / "sweep/run0").progress() == {}
    assert Job("none", tmp_path / "none").progress() == {}


def test_what_never_ran_here_is_tried_a_run_a_kind(tmp_path, runs):
    tried = []

    def measure(run):
        tried.append(run.name)
        return Measured(0.1, 20.0)

    others = [Run(f"other{i}", {}, {**CONFIG, "data": {"batch_size": i}}) for i in range(KINDS)]
    sources = [Source(measure, "tried here", KINDS)]
    text = expected([*runs, *others], tmp_path / "sweep", 3, sources)  # 9 x (100 + 20) s / 3
    assert text.startswith("expected time: 6 min with 3") and "at a time, tried here" in text
    assert tried == ["run0", "other0", "other1"] and "1 runs are of another kind" in text
    finished(tmp_path / "other/a")
    expected(runs, tmp_path / "sweep", 3, sources)
    assert len(tried) == 3  # what is finished tells more

    def refuse(run):
        raise InputError("model.lr: unknown")

    text = expected(runs, tmp_path / "new/sweep", 3, [Source(refuse, "tried here", KINDS)])
    assert text.endswith("none of the runs can be tried: model.lr: unknown")


def test_each_run_is_of_the_first_source_that_knows_it(tmp_path, runs):
    finished(tmp_path / "other/a")  # .2 s a step
    others = [Run(f"other{i}", {}, {**CONFIG, "data": {"batch_size": i}}) for i in range(2)]
    first = Source(lambda run: Measured(1.0, None) if run.name == "other0" else None, "first")
    second = Source(lambda run: Measured(2.0, None), "second")
    text = expected([runs[0], *others], tmp_path / "sweep", 1, [first, second])  # 1000 x (.2 + 1 + 2) s
    assert text.startswith("expected time: 53 min") and "finished runs" in text and "first; second" in text


def test_times_are_remembered_by_what_they_depend_on(monkeypatch):
    config = {**CONFIG, "data": {"batch_size": 77}}
    assert recall(config) is None
    remember([(config, Measured(0.25, None)), (CONFIG, Measured(0.5, 3.0))])
    assert recall(config) == (0.25, None) and recall(CONFIG) == (0.5, 3.0)
    assert recall({**config, "trainer": {"max_steps": 9}}) == (0.25, None), "how many there are is no matter"
    assert recall({**config, "data": {"batch_size": 78}}) is None
    monkeypatch.setattr(step_times, "_version", lambda package: "another")
    assert recall(config) is None
    monkeypatch.undo()
    path = step_times.user_cache() / step_times.REMEMBERED
    for damaged in ("{", "[]", path.read_text().replace("0.25", '"x"')):
        path.write_text(damaged)
        assert recall(config) is None
    remember([(config, Measured(0.125, None))])
    assert recall(config) == (0.125, None), "what is damaged is written anew"


def test_times_of_another_machine_are_scaled_by_the_speed_of_this_one(monkeypatch):
    config = load_grid("lambda", "laptop").runs[-1].config
    monkeypatch.setattr(step_times, "probe", lambda: 3 * step_times.NOMINAL_PROBE)
    assert nominal(config) == (pytest.approx(3 * NOMINAL[kind(config)]), None)
    assert nominal(CONFIG) is None


def test_the_speed_of_this_machine_is_that_of_one_thread(monkeypatch):
    """Others wait for their turn where it is busy, and their waiting counts as work."""
    seen, clock = [], time.process_time

    def asked():
        seen.append({p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"})
        return clock()

    monkeypatch.setattr(step_times.time, "process_time", asked)
    with threadpool_limits(2, user_api="blas"):
        assert 0 < step_times.probe() < 1
        assert {2} == {p["num_threads"] for p in threadpool_info() if p["user_api"] == "blas"}
    assert seen and all(threads == {1} for threads in seen)


@pytest.mark.parametrize("grid", ["lambda", "ambient", "ambient_arm"])
def test_a_dry_run_trains_nothing_unless_told_to(grid, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("align.experiments.measure.measure", lambda *_: Measured(1.0, 2.0))
    for options in ({"scale": "smoke"}, {"scale": "laptop"}):
        assert sweep(grid, out=str(tmp_path / "out"), dry_run=True, **options) == 0
        assert "estimated from another machine's times" in capsys.readouterr().out
    assert not (tmp_path / "cache").exists()
    assert sweep(grid, out=str(tmp_path / "out"), dry_run=True, measure=True) == 0
    assert "tried here just now" in capsys.readouterr().out
    assert sweep(grid, out=str(tmp_path / "out"), dry_run=True) == 0
    assert "remembers" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["lambda", "ambient"])
def test_a_run_is_tried_for_a_moment(name):
    """Steps and rollouts are timed, whatever else would have to be made for the run before."""
    config = load_grid(name, "smoke").runs[-1].config
    if name == "ambient":
        config["trainer"]["callbacks"] = []  # their world needs Drake
    found = measure(config, 64)
    assert 0 < found.step < 60 and (found.rest > 0) == (name == "lambda")
