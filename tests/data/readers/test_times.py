"""What stores say of their rate is held to their timestamps, in training as in inspection."""

import json

import numpy as np
import pytest
from damaging import change_tables
from writing import demonstrations, write_lerobot_v3

from align.cli import main
from align.conversion.robomimic import write_robomimic
from align.data.compatibility import check_rates
from align.data.episodes import read_store, write_store
from align.data.readers.times import look_at
from align.errors import InputError
from align.inspection.differences import compare
from align.inspection.store import inspect_store

ENDS = np.array([40, 80, 120])


def walks(n=6, seed=0):
    return np.random.default_rng(seed).normal(size=(n, 40, 2)).cumsum(1)


def written(path, times=None, attrs=None, n=6):
    made = ({"agent_pos": x, "action": x} | ({} if times is None else {"timestamp": times}) for x in walks(n))
    write_store(path, made, attrs or {})
    return path


def both(path):
    """What training and inspection say of a store: a refusal, or notes."""
    found = inspect_store(path)
    try:
        return read_store(path, images=False).notes, found
    except InputError as error:
        return str(error), found


def test_a_rate_that_timestamps_contradict_is_refused(tmp_path):
    lerobot = write_lerobot_v3(tmp_path / "v3", demonstrations(), wrist="image")
    assert both(lerobot)[0] == []
    info = json.loads((lerobot / "meta/info.json").read_text())
    (lerobot / "meta/info.json").write_text(json.dumps(info | {"fps": 10}))
    zarr = written(tmp_path / "a.zarr", np.arange(40) / 30, {"rate_hz": 10})
    for path in (lerobot, zarr):
        said, found = both(path)
        assert "its rate is 10 Hz, its timestamps go on by 30 Hz" in said and str(path) in said
        assert any("timestamps go on by 30 Hz" in fault for fault in found.faults)
        assert main(["inspect", str(path)]) == 1


@pytest.mark.parametrize("kind", ["exact", "off", "coarse", "bursts", "gap"])
def test_clocks_that_agree_are_taken(tmp_path, kind):
    """Coarse floats of the time of day, and frames that come in twos, move the median alone."""
    even = np.arange(40) / 30
    times = {
        "exact": even,
        "off": even * 1.04,
        "coarse": np.round(even * 64) / 64,
        "bursts": even + np.tile([0, 0.02], 20),
        "gap": even + (np.arange(40) > 20) * 9,
    }[kind]
    notes, found = both(written(tmp_path / "a.zarr", times, {"rate_hz": 30}))
    assert found.faults == [] and found.rate_hz == 30 and found.rate_from == "stored"
    assert (found.gaps is not None) == (kind in ("gap", "bursts"))
    if kind == "gap":
        (note,) = notes
        assert note.startswith("warning: store") and "does not go on by one frame 6 times" in note
        assert "by 9.03 s, before step 21 of episode 0" in note


def test_gaps_of_a_lerobot_table_are_told(tmp_path):
    root = write_lerobot_v3(tmp_path / "v3", demonstrations(), "image", "image")
    change_tables(root, lambda rows: rows | {"timestamp": [t + (t > 0.15) for t in rows["timestamp"]]})
    notes, found = both(root)
    assert len(notes) == 1 and "does not go on" in notes[0] and found.gaps is not None


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (np.arange(40) * 33_333_333, "by 3.33e+07 a frame, which can hardly be seconds"),
        (np.arange(40) * 33.3, "by 33.3 a frame, which can hardly be seconds"),
        (np.full(40, 1.7e9), "hardly go on"),
        (np.full(40, np.nan), "not all numbers"),
    ],
)
@pytest.mark.parametrize("rate", [None, 30])
def test_times_that_tell_nothing_are_left_aside(tmp_path, times, said, rate):
    notes, found = both(written(tmp_path / "a.zarr", times, {"rate_hz": rate} if rate else {}))
    assert len(notes) == 1 and said in notes[0] and found.faults == []
    assert found.rate_hz == rate and any(said in note for note in found.notes)


def test_a_slow_rate_keeps_its_digits():
    found = look_at(np.arange(120) * 3.3, ENDS)
    assert found.rate_hz == pytest.approx(1 / 3.3, rel=2e-4) and found.gaps is None
    assert look_at(np.arange(120) * 13.0, ENDS, 1 / 13).rate_hz == pytest.approx(1 / 13, rel=2e-4)


def test_what_training_refuses_of_rates_inspection_does(tmp_path):
    stored = written(tmp_path / "stored.zarr", attrs={"rate_hz": 10})
    timed = written(tmp_path / "timed.zarr", np.arange(40) / 15)
    other = written(tmp_path / "other.zarr", np.arange(40) / 30)
    for sim, real, rate in ((stored, timed, 10), (timed, other, 15)):
        with pytest.raises(InputError, match="expected one rate"):
            check_rates(*(read_store(path, images=False) for path in (sim, real)))
        found = compare(*(inspect_store(path) for path in (sim, real)))
        assert any("expected one rate" in line for line in found.warned + found.refused)
        assert found.rate_hz == rate


@pytest.mark.parametrize(
    ("attrs", "said"),
    [
        ({"domain": ["real", "v2"]}, "its attribute domain is "),
        ({"rate_hz": "ten"}, "its attribute rate_hz is "),
    ],
)
def test_attributes_of_another_type_are_a_line(tmp_path, attrs, said):
    path = written(tmp_path / "a.zarr", attrs=attrs)
    refusal, found = both(path)
    assert said in refusal and any(said in fault for fault in found.faults)
    assert main(["inspect", str(path), str(written(tmp_path / "b.zarr"))]) == 1


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("real", "real"),
        ("Real", "real"),
        (np.bytes_("SIM"), "sim"),
        ("kitchen", None),
        (np.array([1, 2]), None),
    ],
)
def test_a_robomimic_file_says_its_domain_as_other_stores_do(said, taken, tmp_path, capsys):
    h5py = pytest.importorskip("h5py")
    rng = np.random.default_rng(0)
    episodes = [{name: rng.normal(size=(9, 2)) for name in ("action", "agent_pos")} for _ in range(3)]
    path = tmp_path / "a.hdf5"
    write_robomimic(path, episodes, 10)
    with h5py.File(path, "a") as file:
        file["data"].attrs["domain"] = said
    found = inspect_store(str(path))
    assert found.domain == taken
    notes = [note for note in (*found.notes, *found.faults) if "its attribute domain is" in note]
    assert len(notes) == (taken is None) and all("sim" in note and "real" in note for note in notes)
