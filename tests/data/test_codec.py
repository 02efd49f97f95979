"""Images passed through the other domain's codec: they come out as its video would hold them."""

import io
import shutil
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from align import conversion
from align.data.episodes import read_store
from align.data.images import read_images
from align.data.plausibility import codec_gaps
from align.data.readers import RobomimicFile, open_store
from align.data.readers.encoding import Encoding
from align.data.readers.jpeg import jpeg_encoding, through_jpeg
from align.data.readers.reencoding import passed_through
from align.datamodule import CotrainingData
from align.domain import Domain
from align.errors import InputError
from align.inspection.differences import compare
from align.inspection.store import inspect_store
from align.networks import CameraEncoders, ConvEncoder
from align.policy import DiffusionPolicy

sys.path.insert(0, str(Path(__file__).parent / "readers"))
from writing import as_jpeg, demonstrations, write_lerobot_v3, write_robomimic

pytest.importorskip("av")
LENGTHS = [14, 23, 9, 16, 20, 12]
AV1 = {"crf": "30", "g": "2", "preset": "12"}
KEYS = {"image.top": "agentview_image", "image.wrist": "robot0_eye_in_hand_image"}


@pytest.fixture(scope="module")
def stores(tmp_path_factory):
    """The same demonstrations: images in HDF5, and a file of lerobot's own encoding for each episode."""
    folder = tmp_path_factory.mktemp("codec")
    episodes = list(demonstrations(6, LENGTHS, size=(32, 48)))
    grain = np.random.default_rng(0).integers(0, 40, (32, 48, 1), np.uint8)  # which costs a codec something
    for episode in episodes:
        episode["top"] = np.minimum(episode["top"], 215) + grain
    video = {"codec": "libsvtav1", "options": AV1}
    write_lerobot_v3(folder / "real", episodes, top="video", per_file=1, **video)
    return {"sim": write_robomimic(folder / "sim.hdf5", episodes, rate=30), "real": folder / "real"}


def data(stores, **arguments):
    cameras = {name: ConvEncoder(4, width=16, blocks=1) for name in ("top", "wrist")}
    policy = DiffusionPolicy(CameraEncoders(cameras), action_dim=8, agent_pos_dim=8, n_image_steps=1)
    arguments = {"sim_keys": KEYS, "validation": 1, **{k: str(v) for k, v in stores.items()}, **arguments}
    module = CotrainingData(**arguments)
    module.load(policy, 1)
    return module


def test_matched_images_are_those_of_the_video(stores, tmp_path):
    plain = data(stores, cache=str(tmp_path))
    told = [note for note in plain.notes if "codec alone" in note]
    assert len(told) == 2 and "data.sim_codec=match" in told[0], told
    matched = data(stores, cache=str(tmp_path), sim_codec="match", image_size=[16, 24])
    sim, real = (matched.train[domain].episodes for domain in Domain)
    assert not [note for note in matched.notes if note.startswith("warning: data.real: images")]
    assert str(sim.codecs["image.top"]) == "av1 (yuv420p, GOP 2, CRF 30 by default)"
    for camera, images in real.images.items():
        np.testing.assert_array_equal(sim.images[camera], images)
        assert np.abs(images.astype(int) - data_of(stores, camera)).max() > 1  # it is lossy
    entries = sorted(path.name for path in tmp_path.iterdir())
    again = data(stores, cache=str(tmp_path), sim_codec=Encoding(crf=30), image_size=[16, 24])
    assert np.array_equal(again.train[Domain.SIM].episodes.images["image.top"], sim.images["image.top"])
    assert len(list(tmp_path.iterdir())) == len(entries)
    worse = data(stores, cache=str(tmp_path), sim_codec=Encoding(crf=60), image_size=[16, 24])
    error = [np.abs(x.astype(int) - data_of(stores, "image.top")).mean() for x in (
        worse.train[Domain.SIM].episodes.images["image.top"], sim.images["image.top"])]  # fmt: skip
    assert error[0] > 2 * error[1]


@pytest.mark.parametrize("quality, sampling", [(80, "420"), (35, "444")])
def test_matched_images_are_those_of_a_camera_that_sends_jpeg(stores, tmp_path, quality, sampling):
    images = np.split(data_of(stores, "image.top", None).astype(np.uint8), np.cumsum(LENGTHS)[:-1])
    episodes = list(demonstrations(6, LENGTHS, size=(32, 48)))
    for episode, top in zip(episodes, images, strict=True):
        episode["top"] = top
    real = write_lerobot_v3(tmp_path / "real", episodes, wrist="image")
    as_jpeg(real, episodes, options=jpeg_options(quality, sampling))
    arguments = {"cache": str(tmp_path / "cache"), "image_size": [16, 24]}
    matched = data({"sim": stores["sim"], "real": real}, sim_codec="match", **arguments)
    sim, real = (matched.train[domain].episodes for domain in Domain)
    assert str(real.codecs["image.top"]) == f"jpeg (yuv{sampling}p, quality {quality})"
    assert sim.codecs == real.codecs and sim.codecs["image.wrist"] is None
    np.testing.assert_array_equal(sim.images["image.top"], real.images["image.top"])
    assert np.abs(sim.images["image.top"] - data_of(stores, "image.top")).max() > 1  # it is lossy


def test_a_jpeg_that_cannot_be_made_again_says_no_quality():
    image = np.random.default_rng(0).integers(0, 255, (24, 40, 3), np.uint8)
    for channels in (1, 3):
        encoded = cv2.imencode(".jpg", image[..., :channels], jpeg_options(61, "422"))[1].tobytes()
        found, pixels = jpeg_encoding(encoded), "yuv422p" if channels == 3 else None
        assert found == Encoding("jpeg", pixels, quality=61)
        decoded = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED).reshape(
            24, 40, channels
        )
        np.testing.assert_array_equal(
            through_jpeg(image[..., :channels][..., ::-1], found), decoded[..., ::-1]
        )
    own_sampling = cv2.imencode(".jpg", image, jpeg_options(61, "411"))[1].tobytes()
    own_tables = io.BytesIO()
    Image.fromarray(image).save(own_tables, "JPEG", qtables=[[7] * 64, [9] * 64])
    rgb = io.BytesIO()
    Image.fromarray(image).save(rgb, "JPEG", quality=61, keep_rgb=True)
    huge = bytearray(own_sampling)
    at = huge.index(b"\xff\xc0") + 5
    huge[at : at + 4] = b"\x75\x30\x75\x30"  # 30,000 × 30,000 px
    damaged = [own_sampling[:n] for n in range(0, len(own_sampling), 7)]
    for content in (
        own_sampling,
        own_tables.getvalue(),
        rgb.getvalue(),
        bytes(huge),
        b"\xff\xd8\xff",
        *damaged,
    ):
        assert jpeg_encoding(content) == Encoding("jpeg")


def test_who_keeps_images_that_were_jpeg_keeps_at_which_scale(tmp_path):
    jpeg, images = Encoding("jpeg", "yuv420p", quality=30), np.zeros((5, 64, 96, 3), np.uint8)
    episode = {"action": np.zeros((5, 2)), "agent_pos": np.zeros((5, 2)), "image.top": images}
    conversion.write_lerobot(tmp_path / "lerobot", [episode], 30, encodings={"image.top": jpeg})
    conversion.write_robomimic(tmp_path / "robomimic.hdf5", [episode], 30, encodings={"image.top": jpeg})
    for name, camera in (("lerobot", "observation.images.top"), ("robomimic.hdf5", "top_image")):
        found = open_store(tmp_path / name).encoding(camera)
        assert found == jpeg and found.size == (64, 96)


@pytest.mark.parametrize("wrist, suggested", [("png", "sim"), ("jpeg", "sim"), ("own", None)])
def test_inspect_suggests_what_training_takes(stores, tmp_path, wrist, suggested):
    episodes = list(demonstrations(6, LENGTHS, size=(32, 48)))
    real = write_lerobot_v3(tmp_path / "real", episodes, wrist="image")
    as_jpeg(real, episodes, options=jpeg_options(80, "420"))
    if wrist != "png":
        as_jpeg(real, episodes, "wrist", jpeg_options(80, "420" if wrist == "jpeg" else "411"))
    found = compare(inspect_store(stores["sim"], KEYS), inspect_store(real))
    assert found.lossless == suggested


def test_tables_of_several_qualities_have_none(tmp_path):
    episodes = list(demonstrations(6, LENGTHS, size=(32, 48)))
    real = write_lerobot_v3(tmp_path / "real", episodes, wrist="image")
    as_jpeg(real, episodes, options=jpeg_options(80, "420"))
    assert open_store(real).encoding("observation.images.top") == Encoding("jpeg", "yuv420p", quality=80)
    last = tmp_path / "last"
    shutil.copytree(real, last)
    as_jpeg(real, episodes, options=jpeg_options(20, "420"))
    file = sorted(real.glob("data/*/*.parquet"))[-1]
    shutil.copy(file, last / file.relative_to(real))
    assert open_store(last).encoding("observation.images.top") == Encoding("jpeg", "yuv420p")


def jpeg_options(quality, sampling):
    factor = getattr(cv2, f"IMWRITE_JPEG_SAMPLING_FACTOR_{sampling}")
    return [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, factor]


def data_of(stores, camera, size=(16, 24)):
    return read_store(stores["sim"], KEYS, size, images=[camera]).images[camera].astype(int)


@pytest.mark.parametrize(
    "codec, told", [("av1", {"gop": 4}), ("mpeg4", {"gop": 4}), ("jpeg", {"quality": 50})]
)
def test_a_decoding_that_goes_on_is_the_same(stores, codec, told):
    encoding = Encoding(codec, **told)
    store = open_store(stores["sim"])
    camera = KEYS["image.top"]
    whole = np.concatenate(list(passed_through(store, camera, encoding)))
    assert len(whole) == sum(LENGTHS)
    for start in (1, 14, 20, 93):
        rest = np.concatenate(list(passed_through(store, camera, encoding, start)))
        np.testing.assert_array_equal(rest, whole[start:])
    rows = np.arange(0, len(whole), 3)
    kept = read_images(store, camera, rows=rows, keep="memory", encoding=encoding)
    np.testing.assert_array_equal(kept, whole[rows])


def test_sides_may_be_odd_and_one_channel_is_enough(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "odd.npz"
    smooth = (60 + rng.random((9, 1, 1, 1)) * 40 + np.linspace(0, 90, 31)[:, None]).repeat(17, 1)
    np.savez(path, image=smooth.astype(np.uint8))

    class Npz(RobomimicFile):
        def __init__(self, path):
            self.path = path
            self.images = np.load(path)["image"]

        def episode_ends(self):
            return np.array([4, 9])

        def frames(self, camera, start=0):
            yield self.images[start:]

    for codec in ("h264", "hevc", "av1", "vp9", "mpeg4"):
        out = np.concatenate(list(passed_through(Npz(path), "x", Encoding(codec))))
        assert out.shape == smooth.shape and np.abs(out - smooth).mean() < 4, codec


def test_images_are_encoded_at_the_scale_of_the_video(stores):
    """A video of twice the size: what it is encoded at, its pixels being halved on the way to the policy."""
    store = open_store(stores["sim"])
    seen = []
    for size in ((32, 48), (64, 96), None):
        encoding = Encoding("av1", gop=2, crf=40).told(size=size)
        images = read_images(store, KEYS["image.top"], (16, 24), keep="memory", encoding=encoding)
        seen.append(np.abs(images.astype(int) - data_of(stores, "image.top")).mean())
    assert seen[1] < seen[0] and seen[2] == seen[0]


def test_codecs_that_differ_are_told(stores):
    sim, real = (read_store(stores[d], KEYS if d == "sim" else None, images=()) for d in ("sim", "real"))
    sim.codecs, real.codecs = {"image": Encoding("h264", crf=23)}, {"image": Encoding("h264", crf=30)}
    assert "CRF 23" in codec_gaps(sim, real)[0] and "CRF 30" in codec_gaps(sim, real)[0]
    real.codecs = {"image": Encoding("h264")}
    assert codec_gaps(sim, real) == []
    real.codecs = {"image": None}
    assert "data.real_codec=match" in codec_gaps(sim, real)[0]
    sim.codecs = {"image": Encoding("jpeg", quality=95)}
    assert "data.real_codec=match" in codec_gaps(sim, real)[0]
    real.codecs = {"image": Encoding("jpeg", quality=75)}
    assert "jpeg (quality 75)" in codec_gaps(sim, real)[0]
    sim.codecs, real.codecs = {"image": Encoding("jpeg")}, {"image": None}
    (note,) = codec_gaps(sim, real)
    assert "went through jpeg" in note and "match" not in note, "its quality is not told"


@pytest.mark.parametrize(
    "options, message",
    [
        ({"sim_codec": "match", "real_codec": "match"}, "expected it of one"),
        ({"real_codec": "match"}, r"data.real_codec=match: images of .*sim.hdf5 went through no codec"),
        ({"sim_codec": Encoding("h263")}, "codec='h263': images of .* expected one of h264, hevc"),
        (
            {"sim_codec": Encoding("jpeg")},
            "quality is not told.*expected it, as in {codec: jpeg, quality: 95}",
        ),
        ({"sim_codec": Encoding("jpeg", quality=9, gop=2)}, "gop=2 with codec=jpeg: expected it of video"),
        ({"sim_codec": Encoding("jpeg", "yuv410p", quality=9)}, "pix_fmt='yuv410p': expected of jpeg one of"),
        ({"sim_codec": Encoding("h264", quality=9)}, "quality=9 with codec=h264: expected it of jpeg"),
        ({"sim_codec": Encoding("av1", pix_fmt="rgb5000")}, r"cannot be encoded as av1 \(rgb5000"),
    ],
)
def test_wrong_codecs(stores, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        data(stores, cache=str(tmp_path), **options)
    with pytest.raises(InputError, match="a name of ffmpeg's"):
        Encoding("h264:threads=1")
