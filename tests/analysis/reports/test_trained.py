"""What is told of how the runs of a sweep were trained: with what, how long, how many at once."""

import json
import os
from itertools import product

import pytest

from align.analysis.reports.sweep.trained import UNKNOWN, took, trained_with
from align.errors import InputError

HOUR = 3600.0


def run(folder, name, begun=0.0, minutes=6.0, steps=1000, training=300.0, copied=0.0, **provenance):
    """A finished run that began some seconds after the others could; `copied` so long after its end."""
    path = folder / name
    path.mkdir()
    begin = 1_000_000_000 + begun
    (path / "summary.json").write_text(json.dumps({"training_seconds": training, "steps": steps}))
    (path / "seconds.json").write_text(json.dumps({"fit": minutes * 60 - 20, "probe": 20}))
    (path / f"events.out.tfevents.{begin + 3:.0f}.host.17.0").touch()
    (path / "events.out.tfevents.report").touch()
    end = begin + minutes * 60 + copied
    os.utime(path / "seconds.json", (end, end))
    if provenance:
        (path / "provenance.json").write_text(json.dumps(provenance))
    return path


def test_commits_machines_versions_and_stores_are_counted(tmp_path):
    made = [("a", "x86_64", "1", "s"), ("b", "arm64", "1", "s"), ("b", "x86_64", "2", "t")]
    runs = [
        run(
            tmp_path,
            f"{n}",
            commit=commit,
            machine=machine,
            python="3.11.7",
            versions={"torch": torch},
            data={"sim": {"path": f"{n}.zarr", "hash": store}},
        )
        for n, (commit, machine, torch, store) in enumerate(made)
    ]
    runs += [run(tmp_path, "outside", commit=None, machine="arm64"), run(tmp_path, "older")]
    found = trained_with(runs)
    assert found["runs"] == 5
    assert found["commit"] == {"b": 2, UNKNOWN: 2, "a": 1} and next(iter(found["commit"])) == "b"
    assert found["machine"] == {"x86_64": 2, "arm64": 2, UNKNOWN: 1}
    assert found["processor"] == {UNKNOWN: 5} and found["python"] == {"3.11.7": 3, UNKNOWN: 2}
    assert found["versions"] == {"torch": {"1": 2, UNKNOWN: 2, "2": 1}}
    assert found["data"] == {"sim": {"s": 2, UNKNOWN: 2, "t": 1}}


@pytest.mark.parametrize("damaged", ["[", '{"data": [1]}', '{"versions": 3}'])
def test_damaged_provenance_is_a_line(tmp_path, damaged):
    one = run(tmp_path, "one", commit="a")
    (one / "provenance.json").write_text(damaged)
    with pytest.raises(InputError, match=r"provenance\.json"):
        trained_with([one])


def test_times_are_those_of_the_runs(tmp_path):
    runs = [run(tmp_path, f"{n}", minutes=m, training=30.0 * m) for n, m in enumerate((6, 7, 11))]
    found = took(runs)
    assert found["minutes_a_run"] == {"median": 7, "least": 6, "most": 11}
    assert found["ms_a_step"] == {"median": 210, "least": 180, "most": 330}
    assert found["runs"]["1"] == {"minutes": 7, "ms_a_step": 210, "steps": 1000, "at_once": 3}


def test_how_many_ran_at_once_follows_from_when_they_did(tmp_path):
    """Two at a time, each pair after the last; then one by itself."""
    runs = [run(tmp_path, f"{pair}{k}", 400.0 * pair + 20 * k) for pair, k in product((0, 1, 2), (0, 1))]
    runs.append(run(tmp_path, "last", HOUR))
    found = took(runs)
    assert found["at_once"] == 2 and found["runs"]["last"]["at_once"] == 1
    assert found["minutes_for_each"] == 3
    assert {found["runs"][r.name]["at_once"] for r in runs[:-1]} == {2}
    by_brute_force = [
        max(
            sum(b <= t < b + 360 for b in (0, 20, 400, 420, 800, 820, HOUR))
            for t in range(int(begin), int(begin) + 360)
        )
        for begin in (0, 420, HOUR)
    ]
    assert by_brute_force == [found["runs"][name]["at_once"] for name in ("00", "11", "last")]


def test_what_is_not_known_of_times_is_not_told(tmp_path):
    runs = [run(tmp_path, "one"), run(tmp_path, "copied", copied=HOUR)]
    found = took(runs)
    assert found["at_once"] is None and found["runs"]["one"]["at_once"] is None  # and how many ran beside it
    assert found["minutes_a_run"]["median"] == 6 and found["minutes_for_each"] is None
    (runs[1] / "seconds.json").unlink()  # as of a run that was interrupted
    found = took(runs)
    assert list(found["runs"]) == ["one"] and found["at_once"] is None
    (runs[0] / "seconds.json").write_text('{"fit": 1}')  # less than its training
    assert took(runs) is None
