"""What `align inspect` says of stores: numbers against what was written, and commands that run."""

import json
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import zarr

from align.cli import main
from align.data.episodes import write_store
from align.experiments.grid import load_grid
from align.policy import DiffusionPolicy

sys.path.insert(0, str(Path(__file__).parents[1] / "data/readers"))
from writing import demonstrations, write_lerobot_v3, write_robomimic

LENGTHS = (30, 42, 35, 29, 33, 40, 31, 36)


def arm(rng=0):
    """Two cameras, a gripper, an angle that wraps and a joint that never moves."""
    for episode in demonstrations(8, LENGTHS):
        n = len(episode["action"])
        episode["action"][:, 7] = episode["action"][:, 7] > 0
        episode["action"][:, 3] = (np.arange(n) * 0.2 + np.pi) % (2 * np.pi) - np.pi
        episode["state"][:, 6] = 0.5
        yield episode


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("inspected")
    return {
        "lerobot": write_lerobot_v3(root / "real", arm()),
        "robomimic": write_robomimic(root / "sim.hdf5", demonstrations(8, LENGTHS)),
    }


def inspected(capsys, *arguments, status=0):
    assert main(["inspect", *map(str, arguments), "--json"]) == status
    return json.loads(capsys.readouterr().out)


def test_numbers_are_those_that_were_written(made, capsys):
    found = inspected(capsys, made["lerobot"])["stores"][0]
    written = np.concatenate([e["action"] for e in arm()])
    action = next(a for a in found["arrays"] if a["name"] == "action")
    np.testing.assert_allclose(action["low"], written.min(0))
    np.testing.assert_allclose(action["high"], written.max(0))
    assert (action["binary"], action["constant"], action["wraps"]) == ([7], [], {"3": "2π"})
    assert found["lengths"] == list(LENGTHS) and found["rate_hz"] == 30 and found["faults"] == []
    state = next(a for a in found["arrays"] if a["name"] == "observation.state")
    assert state["constant"] == [6]
    top, wrist = found["cameras"]
    assert top["shape"] == [24, 32, 3] and (top["codec"], wrist["codec"]) == (None, "h264")
    first = next(arm())["top"][:4]
    np.testing.assert_allclose(top["mean"], first.mean((0, 1, 2)), atol=0.06)
    assert found["taken"] == {
        "action": "action",
        "agent_pos": "observation.state",
        "image.top": "observation.images.top",
        "image.wrist": "observation.images.wrist",
    }


def test_gaps_in_time_and_a_rate_that_only_timestamps_tell(tmp_path, capsys):
    def episode(n):
        times = 100 * n + np.arange(20) / 15
        times[12:] += 2.5 if n == 3 else 0
        return {"robot_eef_pose": np.eye(20, 6), "action": np.eye(20, 6), "timestamp": times}

    write_store(tmp_path / "robot.zarr", map(episode, range(6)))
    found = inspected(capsys, tmp_path / "robot.zarr")["stores"][0]
    assert found["rate_hz"] == pytest.approx(15, rel=1e-3) and found["rate_from"] == "timestamps"
    assert found["gaps"]["count"] == 1 and (found["gaps"]["episode"], found["gaps"]["step"]) == (3, 12)
    assert found["gaps"]["longest"] == pytest.approx(2.5 + 1 / 15, rel=1e-3)


def test_what_is_wrong_with_a_part_leaves_the_rest(made, tmp_path, capsys):
    dropped = write_lerobot_v3(tmp_path / "dropped", arm(), drop=(5, 9))
    found = inspected(capsys, dropped, status=1)["stores"][0]
    assert any("has 70 frames; its episodes need 72" in fault for fault in found["faults"])  # 30 + 42
    assert len(found["arrays"]) == 2
    store = tmp_path / "nan.zarr"
    write_store(store, [{"agent_pos": np.eye(9, 2), "action": np.full((9, 2), np.nan)}] * 5)
    found = inspected(capsys, store, status=1)["stores"][0]
    assert "NaN" in found["faults"][0] and [a["name"] for a in found["arrays"]] == ["agent_pos"]
    assert main(["inspect", str(tmp_path / "nowhere")]) == 2
    assert main(["inspect", "a", "b", "c"]) == 2


def test_two_stores_side_by_side(made, capsys):
    keys = {"image.top": "agentview_image", "image.wrist": "robot0_eye_in_hand_image"}
    given = ["--sim_keys", json.dumps(keys)]
    found = inspected(capsys, made["robomimic"], made["lerobot"], *given)
    assert any("20 Hz" in line and "30 Hz" in line for line in found["warned"])
    assert all("data.rate_hz" in command for command in found["commands"])
    sim = np.concatenate([e["action"] for e in demonstrations(8, LENGTHS)])
    real = np.concatenate([e["action"] for e in arm()])
    gripper = found["columns"]["action"][7]
    assert gripper["kinds"] == [None, "binary"]
    outside = np.mean((sim[:, 7] < real[:, 7].min()) | (sim[:, 7] > real[:, 7].max()))
    assert gripper["sim_outside"] == pytest.approx(outside) and gripper["real_outside"] == 0
    assert any("image.wrist" in line and "h264" in line for line in found["warned"])
    assert found["options"]["model.policy.encoder"]["class_path"] == "align.networks.CameraEncoders"
    main(["inspect", str(made["robomimic"]), str(made["lerobot"])])
    shown = capsys.readouterr().out
    assert "no camera has one name in all stores" in shown and "binary in real alone" in shown
    assert len(shown.splitlines()) < 60


def test_its_commands_train(made, capsys, tmp_path, monkeypatch):
    other = write_robomimic(tmp_path / "real.hdf5", arm())
    sweep, fit = map(shlex.split, inspected(capsys, made["robomimic"], other)["commands"])
    grid = load_grid("lambda", "smoke", "own", [word.removeprefix("--set+=") for word in sweep[5:]])
    cameras = grid.runs[0].config["model"]["policy"]["encoder"]["init_args"]["cameras"]
    assert list(cameras) == ["agentview", "robot0_eye_in_hand"]
    monkeypatch.chdir(tmp_path)
    brief = ["--trainer.max_steps=2", "--trainer.val_check_interval=2", "--data.val_windows=8"]
    assert main([*fit[1:], *brief, "--data.batch_size=8", "--model.noise_draws=1"]) == 0
    policy = DiffusionPolicy.from_checkpoint("runs/mine")
    assert policy.action_dim == 8 and policy.cameras == ("image.agentview", "image.robot0_eye_in_hand")


def test_a_reader_that_has_seen_enough_is_no_fault(made):
    command = [sys.executable, "-m", "align.cli", "inspect", str(made["robomimic"])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_several_stores_of_a_domain_stand_beside_the_first_and_are_trained_on_together(capsys, tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name, high in (("sim", 1.0), ("one", 1.0), ("two", 2.0)):
        walk = high * rng.uniform(0, 1, (8, 40, 3)).astype(np.float32)
        paths.append(str(tmp_path / f"{name}.zarr"))
        episodes = ({"agent_pos": x[:-1], "action": x[1:]} for x in walk)
        write_store(paths[-1], episodes, {"rate_hz": 10, "domain": "sim" if name == "sim" else "real"})
    sim, one, two = paths
    real = f"[{one}, {two}]"
    found = inspected(capsys, sim, real)
    assert list(found["pairs"]) == ["real: one", "real: two"] and found["refused"] == found["warned"] == []
    outside = found["pairs"]["real: two"]["columns"]["action"][0]["real_outside"]
    assert 0.4 < outside < 0.6 and found["pairs"]["real: one"]["columns"]["action"][0]["real_outside"] < 0.05
    assert main(["inspect", sim, real]) == 0
    shown = capsys.readouterr().out
    assert "% of real: two outside sim: sim's range" in shown and "real: one  " in shown
    sweep, fit = map(shlex.split, found["commands"])
    grid = load_grid("lambda", "smoke", "own", [word.removeprefix("--set+=") for word in sweep[5:]])
    assert grid.runs[0].config["data"]["real"] == [one, two] == grid.runs[-1].config["data"]["real"]
    assert fit[fit.index("--data.real") + 1] == real
    write_store(two, ({"agent_pos": x, "action": x} for x in walk), {"rate_hz": 30}, overwrite=True)
    found = inspected(capsys, sim, real)
    assert "data.rate_hz=10" in found["warned"][0] and any("rate_hz=10" in c for c in found["commands"])


def test_units_are_told_where_they_are_stored(capsys, tmp_path):
    rng = np.random.default_rng(0)
    write_store(tmp_path / "a.zarr", ({"agent_pos": x, "action": x} for x in rng.normal(size=(6, 30, 2))))
    root = zarr.open_group(str(tmp_path / "a.zarr"))
    root["data/agent_pos"].attrs["units"], root["data/action"].attrs["units"] = ["m", "rad"], "mm"
    arrays = {a["name"]: a["units"] for a in inspected(capsys, tmp_path / "a.zarr")["stores"][0]["arrays"]}
    assert arrays == {"agent_pos": ["m", "rad"], "action": ["mm", "mm"]}
    main(["inspect", str(tmp_path / "a.zarr")])
    shown = capsys.readouterr().out
    assert "in m, rad" in shown and "in mm" in shown
    root["data/action"].attrs["units"] = ["mm"]
    assert inspected(capsys, tmp_path / "a.zarr")["stores"][0]["arrays"][0]["units"] is None


def test_a_world_that_cannot_be_drawn_is_a_fault(capsys, tmp_path):
    """Training refuses it."""
    walks = np.random.default_rng(0).normal(size=(6, 30, 2))
    attrs = {"world": {"look": {"table": "red"}}}
    write_store(tmp_path / "a.zarr", ({"agent_pos": x, "action": x} for x in walks), attrs)
    (fault,) = inspected(capsys, tmp_path / "a.zarr", status=1)["stores"][0]["faults"]
    assert fault.startswith("attribute world: ")
