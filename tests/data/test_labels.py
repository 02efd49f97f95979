"""What stores call columns and measure them in: what contradicts is refused, another spelling is told."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from align.cli import main
from align.data.compatibility import check_compatible, naming_notes
from align.data.episodes import read_store, write_store
from align.data.labels import Labels, check_labels
from align.data.readers.zarr_store import ZarrStore
from align.errors import InputError
from align.inspection.store import columns_of, inspect_store
from align.inspection.words import store_text

sys.path.insert(0, str(Path(__file__).parent / "readers"))
from writing import demonstrations, write_lerobot_v3


def written(path, names=None, units=None, action="action"):
    rng = np.random.default_rng(0)
    write_store(path, ({"agent_pos": x, "action": x} for x in rng.normal(size=(6, 30, 3)).cumsum(1)))
    attrs = zarr.open_group(str(path))["data/" + action].attrs
    attrs.update({k: v for k, v in (("names", names), ("units", units)) if v is not None})
    return path


def both(tmp_path, first, second, keys=None):
    stores = [
        written(tmp_path / f"{n}.zarr", **given) for n, given in zip("ab", (first, second), strict=True)
    ]
    a = read_store(stores[0], images=False)
    return a, read_store(stores[1], keys, images=False)


@pytest.mark.parametrize(
    ("ours", "theirs", "columns"),
    [
        (["x", "y", "z"], ["y", "x", "z"], r"\[0, 1\]"),
        (["x", "y", "z"], ["Z", "X", "Y"], r"\[0, 1, 2\]"),
        (["x", "y", "gripper"], ["y", "x", "finger"], r"\[0, 1\]"),
    ],
)
def test_the_same_names_in_another_order_are_refused(tmp_path, ours, theirs, columns):
    stores = both(tmp_path, {"names": ours}, {"names": theirs})
    with pytest.raises(InputError, match=rf"action: columns {columns} of sim \(.*a.zarr\) and real .*b.zarr"):
        check_compatible(*stores)


def test_keys_bring_columns_into_one_order(tmp_path):
    keys = {"action": "action[1:2] + action[:1] + action[2:]"}
    stores = both(tmp_path, {"names": ["x", "y", "z"]}, {"names": ["y", "x", "z"]}, keys)
    assert stores[1].labels["action"].names == ("x", "y", "z")
    check_compatible(*stores)
    assert naming_notes(*stores) == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (["joint_0", "joint_1", "joint_2"], ["joint_1", "joint_2", "joint_3"]),
        (["shoulder", "elbow", "wrist"], ["a", "b", "c"]),
        (["motor", "motor", "x"], ["x", "motor", "motor"]),
    ],
)
def test_another_spelling_is_a_note(tmp_path, ours, theirs):
    stores = both(tmp_path, {"names": ours}, {"names": theirs})
    check_compatible(*stores)
    (note,) = naming_notes(*stores)
    assert note.startswith("note: columns of action are called") and f"{stores[1].path}" in note


def test_case_and_what_one_store_does_not_say_are_nothing(tmp_path):
    for theirs in (["X", "y_", "Z"], None, ["one", "too", "many", "few"]):
        stores = both(tmp_path / str(theirs), {"names": ["x", "y", "z"]}, {"names": theirs})
        check_compatible(*stores)
        assert naming_notes(*stores) == []


@pytest.mark.parametrize(
    ("ours", "theirs", "differ"),
    [
        ("m", "mm", True),
        (["m", "m", "rad"], ["m", "m", "degrees"], True),
        ("m/s", "mm per s", True),
        ("m", "Metres", False),
        ("m/s", "meters per second", False),
        ("rad", None, False),
        ("rad", "", False),
    ],
)
def test_units_that_differ_are_refused(tmp_path, ours, theirs, differ):
    stores = both(tmp_path, {"units": ours}, {"units": theirs})
    if not differ:
        check_compatible(*stores)
        return
    with pytest.raises(InputError, match="by their own word; expected one unit"):
        check_compatible(*stores)


def test_radians_of_what_is_in_degrees_are_refused(tmp_path):
    path = written(tmp_path / "a.zarr", units="deg")
    assert read_store(path, {"action": "degrees(action)"}, images=False).action.shape == (180, 6)
    with pytest.raises(InputError, match=r"radians\(action\): the store says that it is in deg"):
        read_store(path, {"action": "radians(action)"}, images=False)


def test_no_cycle_is_found_twice_or_for_ever():
    """Names that lead into a cycle, and not out of it, as those that one store has twice."""
    a, b = (Labels(names, (None,) * 4) for names in (("a", "b", "c", "d"), ("b", "c", "b", "a")))
    check_labels("action", "both", a, b)


def test_names_that_a_reader_of_ones_own_has_too_few_of_are_left_aside(tmp_path, monkeypatch):
    path = written(tmp_path / "a.zarr", names=["x", "y", "z"])
    monkeypatch.setattr(ZarrStore, "names", lambda self, vector: ["x", "y"])
    found = inspect_store(path)
    assert [a.names for a in found.arrays] == [None, None] and "[2]" in store_text(found)
    assert list(columns_of(found, "action")) == ["[0]", "[1]", "[2]"]


def test_lerobot_names_are_compared_and_inspected(tmp_path, capsys):
    for name, order in (("sim", [0, 1, 2]), ("real", [1, 0, 2])):
        root = write_lerobot_v3(tmp_path / name, demonstrations(6, (30,) * 6, action_dim=3), "image", "image")
        info = json.loads((root / "meta/info.json").read_text())
        info["features"]["action"]["names"] = {f"pos.{'xyz'[n]}": k for k, n in enumerate(order)}
        info["features"]["observation.state"]["names"] = {"motors": ["p", "q", "r" if name == "sim" else "s"]}
        (root / "meta/info.json").write_text(json.dumps(info))
    assert main(["inspect", str(tmp_path / "sim"), str(tmp_path / "real")]) == 1
    shown = capsys.readouterr().out
    assert "pos.x / pos.y" in shown and "r / s" in shown and "refused: action: columns [0, 1]" in shown
    assert "are called r in" in " ".join(shown.split())
