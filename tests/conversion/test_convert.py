"""What is written in LeRobot's and robomimic's formats is what was read, and appears whole or not at all."""

import json
import os

import numpy as np
import pytest
import zarr

from align.cli import main
from align.conversion import lerobot, write_lerobot, write_robomimic
from align.conversion.command import convert
from align.conversion.statistics import QUANTILES
from align.conversion.video import VideoFile
from align.data.episodes import read_store, write_store
from align.data.readers import LeRobotDataset, RobomimicFile, check_reader, open_store
from align.errors import InputError

CAMERAS = ("image.top", "image.wrist")
LENGTHS = (7, 12, 5)


def arm(n, length, size=(64, 80)):
    """An episode of a 7-DoF arm with a gripper and two cameras whose frames differ from one another."""
    rng = np.random.default_rng(n)
    t = np.arange(length)[:, None, None, None]
    image = (
        60 + 10 * n + 5 * t + np.linspace(0, 40, size[1])[None, None, :, None] + np.zeros((1, size[0], 1, 3))
    )
    return {
        "action": rng.normal(size=(length, 8)).astype(np.float32),
        "agent_pos": rng.normal(size=(length, 8)).astype(np.float32),
        "image.top": image.astype(np.uint8),
        "image.wrist": (255 - image).astype(np.uint8),
    }


@pytest.fixture(scope="module")
def episodes():
    return [arm(n, length) for n, length in enumerate(LENGTHS)]


@pytest.fixture(scope="module")
def made(tmp_path_factory, episodes):
    """A store of each format, not to be changed."""
    root = tmp_path_factory.mktemp("made")
    write_lerobot(root / "lerobot", episodes, 20, names={"action": list("abcdefgh")})
    write_robomimic(root / "robomimic", episodes, 20)
    return {"lerobot": root / "lerobot", "robomimic": root / "robomimic"}


def joined(episodes, name):
    return np.concatenate([e[name] for e in episodes])


def assert_same(path, episodes, cameras=CAMERAS):
    read = read_store(path, images=cameras, keep="memory")
    np.testing.assert_array_equal(read.lengths, LENGTHS)
    np.testing.assert_array_equal(read.action, joined(episodes, "action"))
    np.testing.assert_array_equal(read.agent_pos, joined(episodes, "agent_pos"))
    for camera in cameras:
        np.testing.assert_array_equal(read.images[camera], joined(episodes, camera))
    return read


@pytest.mark.parametrize("source", ["lerobot", "robomimic"])
@pytest.mark.parametrize("format, kind", [("lerobot", LeRobotDataset), ("robomimic", RobomimicFile)])
def test_every_format_becomes_every_other(made, episodes, tmp_path, source, format, kind, capsys):
    out = tmp_path / "out"
    assert main(["convert", str(made[source]), str(out), "--format", format]) == 0
    assert "3 episodes; images: " in capsys.readouterr().out
    check_reader(kind, out)
    read = assert_same(out, episodes)
    assert read.attrs["rate_hz"] == 20 and set(read.codecs.values()) == {None}
    if source == format == "lerobot":
        assert open_store(out).names("action") == list("abcdefgh")


@pytest.mark.parametrize("formats", [("lerobot", "robomimic"), ("robomimic", "lerobot")])
def test_columns_keep_their_names_and_units(formats, tmp_path):
    rng, source = np.random.default_rng(0), str(tmp_path / "own.zarr")
    each = [dict.fromkeys(("action", "agent_pos", "state"), x) for x in rng.normal(size=(3, 9, 3))]
    write_store(source, each, {"rate_hz": 10})
    data = zarr.open_group(source)["data"]
    data["action"].attrs.update(names=["x", "y", "θ"], units=["m", "m", "rad"])
    data["agent_pos"].attrs.update(units="mm")
    keys = {"action": "action", "agent_pos": "agent_pos", "state": "state[:1] + action[2:]"}
    for format in formats:
        out = str(tmp_path / format)
        convert(source, out, format, keys)
        action, agent_pos, mixed = {
            "lerobot": ("action", "observation.state", "observation.environment_state"),
            "robomimic": ("actions", "agent_pos", "states"),
        }[format]
        store = open_store(out)
        assert store.names(action) == ["x", "y", "θ"] and store.units(action) == ["m", "m", "rad"]
        assert store.names(agent_pos) is None and store.units(agent_pos) == ["mm"] * 3
        assert store.names(mixed) is None and store.units(mixed) == ["", "rad"]
        source, keys = out, {"action": action, "agent_pos": agent_pos, "state": mixed}


def test_a_zarr_store_without_a_rate(episodes, tmp_path, capsys):
    store, out = str(tmp_path / "own.zarr"), str(tmp_path / "out")
    keys = {"action": "action", "agent_pos": "agent_pos", "img": "image.top"}
    write_store(store, [{k: e[name] for k, name in keys.items()} | {"state": e["action"]} for e in episodes])
    assert main(["convert", store, out, "--format", "lerobot"]) == 2
    assert "does not say its own; expected --rate" in capsys.readouterr().err
    assert main(["convert", store, out, "--format", "lerobot", "--rate", "10", "--task", "push it"]) == 0
    assert set(open_store(out).vectors()) == {"action", "observation.state"}, (
        "no state that was not asked for"
    )
    np.testing.assert_array_equal(read_store(out, images=True).image, joined(episodes, "image.top"))
    file = str(tmp_path / "x.hdf5")
    given = '{state: "state[1:3]", image.front: img}'
    assert main(["convert", store, file, "--format", "robomimic", "--keys", given]) == 0
    read = read_store(file, {"state": "states"}, images=("image.front",))
    np.testing.assert_array_equal(read.state, joined(episodes, "action")[:, 1:3])
    assert "rate_hz" not in read.attrs


@pytest.mark.skipif(not hasattr(os, "sched_getscheduler"), reason="Linux only")
def test_nothing_is_scheduled_before_others_once_a_video_is_begun(tmp_path):
    video = VideoFile(tmp_path / "top.mp4", (64, 64, 3), 10, "av1", 30)
    for _ in range(3):
        video.append(np.zeros((1, 64, 64, 3), np.uint8))
        assert os.sched_getscheduler(0) == os.SCHED_OTHER
    video.close()
    assert os.sched_getscheduler(0) == os.SCHED_OTHER


@pytest.mark.parametrize("codec", ["av1", "h264"])
def test_video_is_as_near_as_its_codec_and_says_so(made, episodes, tmp_path, codec, monkeypatch):
    monkeypatch.setattr(lerobot, "VIDEO_MB", 0)  # a file an episode, from the second on
    monkeypatch.setattr(lerobot, "DATA_MB", 0)
    out = str(tmp_path / "out")
    options = ["--format", "lerobot", "--codec", codec, "--crf", "20"]
    assert main(["convert", str(made["robomimic"]), out, *options]) == 0
    assert len(list((tmp_path / "out/data").rglob("*.parquet"))) == 3
    check_reader(LeRobotDataset, out)
    read = read_store(out, images=CAMERAS, keep="memory")
    encoding = read.codecs["image.top"]
    assert (encoding.codec, encoding.crf, encoding.gop) == (codec, 20, 2)
    for camera in CAMERAS:  # a frame in another's place is 5 off in every pixel
        assert np.abs(read.images[camera].astype(int) - joined(episodes, camera)).mean() < 2
    for format in ("lerobot", "robomimic"):  # without loss from here on, but what was lost stays lost
        again = str(tmp_path / format)
        assert main(["convert", out, again, "--format", format]) == 0
        copy = read_store(again, images=CAMERAS, keep="memory")
        assert {name: e.values() for name, e in copy.codecs.items()} == {
            name: e.values() for name, e in read.codecs.items()
        }
        np.testing.assert_array_equal(copy.images["image.top"], read.images["image.top"])


def test_statistics_are_numpys(made, episodes):
    stats = json.loads((made["lerobot"] / "meta/stats.json").read_text())
    images = joined(episodes, "image.top") / 255
    for feature, values, axes in (
        ("action", joined(episodes, "action").astype(float), 0),
        ("observation.images.top", images, (0, 1, 2)),
    ):
        found = {name: np.ravel(value) for name, value in stats[feature].items()}
        for name in ("min", "max", "mean", "std"):
            np.testing.assert_allclose(
                found[name], getattr(np, name)(values, axis=axes), rtol=1e-6, atol=1e-9
            )
        for name, q in QUANTILES.items():
            expected = np.quantile(values, q, axis=axes, method="linear")
            np.testing.assert_allclose(found[name], expected, atol=1 / 255 if axes else 1e-9)
        assert found["count"] == sum(LENGTHS)
    assert np.shape(stats["observation.images.top"]["mean"]) == (3, 1, 1)


@pytest.mark.parametrize("write", [lambda *a, **k: write_lerobot(*a, fps=20, **k), write_robomimic])
def test_what_is_there_is_kept_until_the_new_is_whole(episodes, tmp_path, write):
    out = tmp_path / "out"
    write(out, episodes)

    def breaks(where):
        yield arm(9, 7)
        if where == "between":
            raise KeyboardInterrupt

        def frames():
            yield arm(9, 7)["image.top"][:2]
            raise InputError("the store is damaged")

        yield arm(9, 7) | {"image.top": frames()}

    for where, error in (("between", KeyboardInterrupt), ("within", InputError)):
        with pytest.raises(error):
            write(out, breaks(where), overwrite=True)
        assert_same(out, episodes)
        assert [p.name for p in tmp_path.iterdir() if p.name != ".align-cache"] == ["out"]
    with pytest.raises(InputError, match="exists; expected a path that is free, or overwrite"):
        write(out, episodes)
    assert write(out, [arm(9, 7)], overwrite=True) == 1
    assert read_store(out, images=False).n_episodes == 1
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("x")
    for foreign in (mine, mine / "thesis.txt"):
        with pytest.raises(InputError, match=r"exists; expected an? (HDF5 file|LeRobotDataset) to replace"):
            write(foreign, episodes, overwrite=True)
    assert (mine / "thesis.txt").read_text() == "x"


@pytest.mark.parametrize("write", [lambda *a: write_lerobot(*a, fps=20), write_robomimic])
@pytest.mark.parametrize(
    "change, message",
    [
        ({"action": np.zeros((7, 3))}, r"episodes\[1\]: has {'action': 3, .*; expected {'action': 8"),
        ({"agent_pos": np.zeros((6, 8))}, r"episodes\[1\]: agent_pos has 6 frames; action has 7"),
        ({"agent_pos": np.full((7, 8), np.nan)}, "agent_pos holds NaN or infinity"),
        ({"agent_pos": np.zeros(7)}, r"agent_pos is float64 of shape \(7,\); expected numbers \(T, D\)"),
        ({"image.top": np.zeros((6, 64, 80, 3), np.uint8)}, "image.top has 6 frames; action has 7"),
        ({"image.top": np.zeros((8, 64, 80, 3), np.uint8)}, "image.top has more frames; action has 7"),
        ({"image.top": np.zeros((7, 60, 80, 3), np.uint8)}, r"with frames of \(64, 80, 3\)"),
        ({"image.top": np.zeros((7, 64, 80, 3))}, "image.top is float64 .*expected uint8"),
        ({"../up": np.zeros((7, 1))}, r"the name '../up'; expected letters"),
        (None, "none to write to"),
    ],
)
def test_episodes_that_do_not_fit_are_one_line(tmp_path, write, change, message):
    given = [] if change is None else [arm(0, 7), arm(1, 7) | change]
    with pytest.raises(InputError, match=message) as error:
        write(tmp_path / "out", given)
    assert "\n" not in str(error.value) and not list(tmp_path.iterdir())


def test_what_cannot_be_converted_is_one_line(made, tmp_path, capsys):
    def refused(out, *options, store=made["robomimic"], format="lerobot"):
        assert main(["convert", str(store), str(out), "--format", format, *options]) == 2
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and not (tmp_path / "out").exists()
        return error

    out = tmp_path / "out"
    assert "lies in the store" in refused(made["lerobot"] / "meta/more", store=made["lerobot"])
    assert "the store says 20 Hz" in refused(out, "--rate", "10")
    assert "crf=60: expected a whole number in [0, 51]" in refused(out, "--codec", "h264", "--crf", "60")
    assert "image.front is 'fron', no camera of" in refused(out, "--keys", "{image.front: fron}")
    odd = tmp_path / "odd"
    write_robomimic(odd, [arm(0, 4, size=(63, 81))], 20.5)
    assert "fps=20.5: expected a whole number" in refused(out, store=odd)
    write_robomimic(odd, [arm(0, 4, size=(63, 81))], 20, overwrite=True)
    assert "cannot be encoded" in refused(out, "--codec", "h264", store=odd)
    grey = arm(0, 4) | {"image.top": np.zeros((4, 64, 80, 1), np.uint8)}
    write_robomimic(odd, [grey], 20, overwrite=True)
    assert "has 1 channels; LeRobot takes 3" in refused(out, store=odd)
    with pytest.raises(InputError, match="names: action has 2; expected 8, a column each"):
        write_lerobot(out, [arm(0, 4)], 20, names={"action": ["x", "y"]})


@pytest.mark.parametrize("format", ["lerobot", "robomimic"])
def test_tasks_are_carried_over(episodes, tmp_path, format):
    """Each row's own; robomimic's episodes have one each. What the command line says is of all."""
    blind = [{name: e[name] for name in ("action", "agent_pos")} for e in episodes]
    rows = np.repeat([1, 0, 1], LENGTHS)
    write_lerobot(tmp_path / "source", blind, 20, task=(["place it", "pick it up"], rows))
    options = [str(tmp_path / "source"), str(tmp_path / "out"), "--format", format]
    assert main(["convert", *options]) == 0
    for store in ("source", "out"):
        names, of = open_store(tmp_path / store).tasks()
        assert [names[k] for k in of] == [("place it", "pick it up")[k] for k in rows], store
    assert main(["convert", *options, "--overwrite=true", "--task", "sort it"]) == 0
    names, of = open_store(tmp_path / "out").tasks()
    assert names == ["sort it"] and len(of) == sum(LENGTHS) and not of.any()
    with pytest.raises(InputError, match="of 19 rows; expected one of each"):
        write_lerobot(tmp_path / "short", blind, 20, task=(["it"], np.zeros(19, int)))


def test_text_that_hdf5_cannot_keep_is_refused(tmp_path):
    blind = [{"action": np.eye(5, 2)}]
    with pytest.raises(InputError, match=r"task of /data/demo_0: 'a\\x00b' cannot be kept in HDF5 \("):
        write_robomimic(tmp_path / "task.hdf5", blind, 20, tasks=["a\0b"])
    with pytest.raises(InputError, match=r"names of /data/demo_0/actions: .* cannot be kept"):
        write_robomimic(tmp_path / "names.hdf5", blind, 20, names={"action": ["a\0", "b"]})
    assert not any(tmp_path.glob("*.hdf5"))


@pytest.mark.parametrize("format", ["lerobot", "robomimic"])
@pytest.mark.parametrize(("domain", "actions"), [("real", "deltas"), ("sim", "targets"), (None, None)])
def test_what_a_store_says_of_itself_is_carried_over(tmp_path, format, domain, actions):
    rng = np.random.default_rng(0)
    said = {"domain": domain, "actions": actions}
    said = {name: value for name, value in said.items() if value is not None}
    store, out = str(tmp_path / "own.zarr"), str(tmp_path / "out")
    walks = rng.normal(size=(4, 30, 2)).cumsum(1)
    write_store(store, ({"agent_pos": x, "action": x} for x in walks), said | {"rate_hz": 10})
    assert main(["convert", store, out, "--format", format]) == 0
    assert main(["convert", out, f"{out}2", "--format", "robomimic"]) == 0  # and on
    for path in (out, f"{out}2"):
        assert read_store(path, images=False).attrs == said | {"rate_hz": 10}


def test_a_rate_that_timestamps_contradict_is_not_written(tmp_path, capsys):
    store, out = str(tmp_path / "own.zarr"), str(tmp_path / "out")
    times = np.arange(30) / 30 + (np.arange(30) > 9)
    write_store(store, [{"agent_pos": np.eye(30, 2), "action": np.eye(30, 2), "timestamp": times}] * 2)
    assert main(["convert", store, out, "--rate", "10"]) == 2
    assert "rate=10: store" in (told := capsys.readouterr().err) and "its timestamps go on by 30 Hz" in told
    assert main(["convert", store, out]) == 2
    assert "expected --rate in Hz (its timestamps: 30)" in capsys.readouterr().err
    assert main(["convert", store, out, "--rate", "31"]) == 0
    assert "does not go on by one frame 2 times" in capsys.readouterr().out
