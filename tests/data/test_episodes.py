import dataclasses
import json
import shutil

import numpy as np
import pytest
import zarr

from align.data.compatibility import check_compatible, check_rates, check_roles
from align.data.episodes import read_store, write_store
from align.data.splits import split
from align.errors import InputError


def test_what_is_written_is_read(store, demonstrations):
    episodes = read_store(store)
    assert episodes.n_episodes == len(demonstrations)
    assert episodes.attrs == {"domain": "sim", "rate_hz": 10}
    for demo, start, end in zip(demonstrations, episodes.starts, episodes.ends, strict=True):
        np.testing.assert_array_equal(episodes.image[start:end], demo["img"])
        np.testing.assert_array_equal(episodes.action[start:end], demo["action"])
        np.testing.assert_array_equal(episodes.agent_pos[start:end], demo["state"][:, :2])
        np.testing.assert_array_equal(episodes.state[start:end], demo["state"])
    assert episodes.image.dtype == np.uint8 and episodes.action.dtype == np.float32


def test_layout_is_diffusion_policys(store, demonstrations):
    """Format 2, readable by any reader of it."""
    assert json.loads((store / ".zgroup").read_text())["zarr_format"] == 2
    described = json.loads((store / "data" / "img" / ".zarray").read_text())
    assert (described["zarr_format"], described["compressor"]["cname"]) == (2, "zstd")
    ends = zarr.open_group(str(store), mode="r")["meta/episode_ends"]
    assert ends.dtype == np.int64
    np.testing.assert_array_equal(ends[:], np.cumsum([len(d["img"]) for d in demonstrations]))


def test_images_of_many_chunks_survive(tmp_path, monkeypatch, demonstrations):
    monkeypatch.setattr("align.data.readers.store_chunks._CHUNK_BYTES", 7 * 12 * 12 * 3)
    monkeypatch.setattr("align.data.readers.zarr_store._BLOCK_BYTES", 15 * 12 * 12 * 3)
    path = tmp_path / "many.zarr"
    write_store(path, demonstrations)
    assert len(list((path / "data" / "img").glob("*.0.0.0"))) == 13  # 89 frames, 7 a chunk
    read = read_store(path).image
    np.testing.assert_array_equal(read, np.concatenate([d["img"] for d in demonstrations]))


def test_blank_episodes_leave_no_gap(tmp_path):
    """Zarr omits chunks of zeros by default, which could not be told from chunks that were lost."""
    blank = {"img": np.zeros((9, 4, 4, 3), np.uint8), "state": np.zeros((9, 5)), "action": np.zeros((9, 2))}
    write_store(tmp_path / "blank.zarr", [blank])
    assert not read_store(tmp_path / "blank.zarr").image.any()


def test_numbers_of_an_episode_go_to_meta(tmp_path, demonstrations):
    write_store(tmp_path / "a.zarr", [{**d, "seed": 7 + i} for i, d in enumerate(demonstrations)])
    np.testing.assert_array_equal(zarr.open_group(str(tmp_path / "a.zarr"))["meta/seed"][:], 7 + np.arange(5))


def test_a_failed_write_leaves_nothing(tmp_path, demonstrations):
    def failing():
        yield demonstrations[0]
        raise RuntimeError("the simulator died")

    with pytest.raises(RuntimeError):
        write_store(tmp_path / "sim.zarr", failing())
    assert list(tmp_path.iterdir()) == []


def test_a_failed_overwrite_keeps_the_old_store(store):
    with pytest.raises(InputError, match="expected at least one"):
        write_store(store, [], overwrite=True)
    assert read_store(store).n_episodes == 5


def test_overwrite_replaces_stores_only(store, tmp_path, demonstrations):
    with pytest.raises(InputError, match="exists"):
        write_store(store, demonstrations)
    write_store(store, demonstrations[:1], overwrite=True)
    assert read_store(store).n_episodes == 1
    (tmp_path / "thesis").mkdir()
    with pytest.raises(InputError, match="expected a Zarr store"):
        write_store(tmp_path / "thesis", demonstrations, overwrite=True)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda d: d.update(action=d["action"][:-1]), "action has 4 frames; img has 5"),
        (lambda d: d.pop("action"), r"expected \['action', 'img', 'n_contacts', 'state'\]"),
        (lambda d: d.pop("img"), r"keys \['action', 'n_contacts', 'state'\]; expected"),
        (lambda d: d.update(seed=3), r"keys \['action', 'img', 'n_contacts', 'seed', 'state'\]; expected"),
        (lambda d: d.update(img=d["img"].astype(np.float32)), "expected uint8"),
        (lambda d: d.update(img=d["img"][:, :6]), r"expected uint8 frames \(12, 12, 3\)"),
        (lambda d: d.update({key: value[:0] for key, value in d.items()}), "has no frames"),
    ],
)
def test_inconsistent_demonstrations_are_refused(tmp_path, demonstrations, change, message):
    change(demonstrations[1])
    with pytest.raises(InputError, match=message):
        write_store(tmp_path / "sim.zarr", demonstrations)
    assert list(tmp_path.iterdir()) == []


def test_domains_must_fit(episodes):
    check_compatible(episodes, episodes)
    others = {name: {name: getattr(episodes, name)[..., :1]} for name in ("action", "agent_pos")}
    others["image"] = {"images": {"image": episodes.image[..., :1]}}
    for name, change in others.items():
        other = dataclasses.replace(episodes, **change)
        with pytest.raises(InputError, match=f"^{name}: .* expected the same"):
            check_compatible(episodes, other)


@pytest.fixture
def blind(tmp_path, demonstrations):
    """A store without images, whose agent_pos is stored as such."""
    path = tmp_path / "blind.zarr"
    rows = [{"agent_pos": d["state"][:, :4], "action": d["action"]} for d in demonstrations]
    write_store(path, rows, {"domain": "sim"})
    return path


def test_a_store_without_images(blind, store, demonstrations):
    episodes = read_store(blind, images=False)
    assert episodes.image is None and episodes.state is None
    np.testing.assert_array_equal(episodes.ends, np.cumsum([len(d["action"]) for d in demonstrations]))
    expected = np.concatenate([d["state"][:, :4] for d in demonstrations])
    np.testing.assert_array_equal(episodes.agent_pos, expected)
    with pytest.raises(InputError, match=r"no key 'img' in data/; .* expected images, or .* n_image_steps=0"):
        read_store(blind)
    with pytest.raises(InputError, match=f"image: none in {blind}; expected images in both"):
        check_compatible(read_store(store), episodes)
    check_compatible(episodes, episodes)


def test_images_that_are_not_asked_for_are_not_touched(store):
    shutil.rmtree(store / "data" / "img")
    (store / "data" / "img").mkdir()
    (store / "data" / "img" / ".zarray").write_text("{")
    assert read_store(store, images=False).image is None


def test_frames_of_an_episode_without_images_must_agree(tmp_path):
    uneven = {"agent_pos": np.zeros((5, 2)), "action": np.zeros((4, 2))}
    with pytest.raises(InputError, match="action has 4 frames; agent_pos has 5"):
        write_store(tmp_path / "uneven.zarr", [uneven])
    with pytest.raises(InputError, match="has no frames"):
        write_store(tmp_path / "uneven.zarr", [{"seed": 3}])


def many(episodes, n):
    return dataclasses.replace(episodes, ends=np.arange(1, n + 1))


def test_split_is_nested_and_held_out(episodes):
    episodes = many(episodes, 50)
    everything, held_out = split(episodes, 0.2, None, seed=3)
    assert len(held_out) == 10
    assert sorted([*everything, *held_out]) == list(range(50))
    previous: set = set()
    for max_demos in (1, 5, 17, 40):
        train, validation = split(episodes, 10, max_demos, seed=3)
        np.testing.assert_array_equal(validation, held_out)
        assert previous <= set(train) <= set(everything) and len(train) == max_demos
        previous = set(train)
    assert list(split(episodes, 10, seed=4)[1]) != list(held_out)


def test_a_small_share_holds_out_what_a_probe_needs_or_a_third(episodes):
    held_out = {n: len(split(many(episodes, n), 0.1)[1]) for n in (2, 3, 7, 11, 12, 16, 40, 60)}
    assert held_out == {2: 1, 3: 1, 7: 2, 11: 3, 12: 4, 16: 4, 40: 4, 60: 6}
    assert len(split(many(episodes, 3), 0.0)[1]) == len(split(many(episodes, 3), 0)[1]) == 0


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"validation": -1}, "validation: -1"),
        ({"validation": 1.0}, "validation: 1.0"),
        ({"validation": float("nan")}, "validation: nan"),
        ({"validation": 5}, "holds out 5 of the 5"),
        ({"max_demos": 0}, "max_demos=0 of .* expected 1 to"),
        ({"max_demos": 99}, "max_demos=99 of .* episodes are left to train on"),
    ],
)
def test_impossible_splits(episodes, arguments, message):
    with pytest.raises(InputError, match=message):
        split(episodes, **arguments)


@pytest.mark.parametrize("key", ["img", "state", "action"])
def test_no_damaged_byte_goes_unnoticed(key, store):
    """Chunks keep their length; wherever a byte of the compressed values is changed, the store is refused."""
    rng = np.random.default_rng(0)
    chunk = next(p for p in (store / "data" / key).iterdir() if not p.name.startswith("."))
    good = chunk.read_bytes()
    for at in rng.integers(16, len(good), 40):  # behind Blosc's header
        chunk.write_bytes(good[:at] + bytes([good[at] ^ 0xFF]) + good[at + 1 :])
        with pytest.raises(InputError, match=f"data/{key}"):
            read_store(store)
    chunk.write_bytes(good)
    read_store(store)


def _said(episodes, path, **attrs):
    return dataclasses.replace(episodes, path=path, attrs=attrs)


def test_stores_stand_for_what_they_say(episodes):
    sim, real = _said(episodes, "a", domain="sim"), _said(episodes, "b", domain="real")
    assert check_roles(sim, real) == []
    assert check_roles(_said(episodes, "a"), _said(episodes, "b", domain="lab")) == []
    with pytest.raises(InputError, match="a says of itself that it is real"):
        check_roles(_said(episodes, "a", domain="real"), _said(episodes, "b", domain="sim"))
    (note,) = check_roles(sim, _said(episodes, "b", domain="sim"))
    assert note.startswith("warning: data.real=b says of itself that it is sim")
    with pytest.raises(InputError, match=r"both .*a; expected two"):
        check_roles(sim, _said(episodes, "./a", domain="real"))


def test_one_rate_for_both(episodes):
    at = {rate: _said(episodes, f"at {rate}", rate_hz=rate) for rate in (10, 30)}
    with pytest.raises(InputError, match=r"at 10 at 10 Hz, at 30 at 30 Hz.*data\.rate_hz=10 leaves"):
        check_rates(at[10], at[30])
    check_rates(at[10], _said(episodes, "unsaid"))
