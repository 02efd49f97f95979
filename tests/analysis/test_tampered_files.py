"""Files of a run or a sweep that are not as they were written: one line names the file, and no traceback."""

import json
import re
import shutil
import struct
import zipfile

import numpy as np
import pytest
from PIL import Image
from synthetic_runs import write_probe, write_run

from align.analysis.commands import report_sweep
from align.analysis.dashboard import check_shown
from align.analysis.dashboard import write_run as write_dashboard
from align.analysis.reports.geometry import measure_run
from align.analysis.reports.probes.probe import load_embeddings, probe_run
from align.analysis.reports.probes.task_probe import task_probe_run
from align.analysis.reports.sweep import Sweep
from align.errors import InputError

pytestmark = pytest.mark.usefixtures("unlaid")
JSON = (
    b"",
    b"{",
    b"[]",
    b"7",
    b"null",
    b'"x"',
    b"\xff\xfe\x00\x01",
    b'{"sites": 3}',
    b'{"sites": {"image": []}}',
    b'{"sites": {"image": {"auc": 0.5}}}',
    b'{"sites": {"image": {"auc": {"value": "x", "low": 0, "high": 1}}}}',
    b'{"value": NaN}',
    b'{"runs": 3, "reference": 4}',
    b'{"runs": [{}], "reference": {}}',
    b'{"a/b": 1}',
)
CSV = (
    b"",
    b"\n",
    b"\xff\xfe\x00\x01" * 50,
    b"world,seed\nreal,1\n",
    b"world,trial,seed,score,success\nreal,0,1,5,1\n",
    b"world,trial,seed,score,success\nreal,0,1,-1,1\n",
    b"world,trial,seed,score,success\nreal,0,1,.5,1\nreal,0,1,.5,1\n",
    b"world,trial,seed,score,success\nreal,0,1,.5,1\nreal,1,2,.",
    b"world,trial,seed,success,score\nreal,0,1,1,.5\nreal,1,2,0,.2",
    b"world,trial,seed,score,success\nreal,0,1,.5\nreal,1,2,.5,1\n",
    b"world,trial,seed,score,success\nreal,0,1,half,1\n",
    b"world,trial,seed,score,success\nreal,0,,.5,1\n",
    b"world,trial,seed,score,success\nreal,0,1,nan,1\nreal,1,2,.5,1\n",
    b"world,trial,seed,score,success\n",
)


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A sweep of two runs, with probes."""
    folder = tmp_path_factory.mktemp("whole") / "sweep"
    for i, weight in enumerate((0.0, 1.0)):
        run = write_run(folder / f"lambda={weight}", {"lambda": weight, "seed": 0}, seed=i)
        write_probe(run)
    return folder


@pytest.fixture
def sweep(whole, tmp_path):
    """A copy of it, to tamper with."""
    return shutil.copytree(whole, tmp_path / "sweep")


def _one_line(call, *arguments) -> bool:
    """Whether the call refuses in one line."""
    try:
        call(*arguments)
    except InputError as error:
        assert "\n" not in str(error) and len(str(error)) < 500, error
        return True
    return False


@pytest.mark.parametrize(
    "name", ["point.json", "summary.json", "probe.json", "task_probe.json", "geometry.json"]
)
def test_tampered_json_of_a_run(name, sweep):
    path = sweep / "lambda=1.0" / name
    refused = 0
    for content in JSON if "probe" in name else JSON[:8]:  # what is accepted is drawn, which takes time
        path.write_bytes(content)
        try:
            report_sweep(sweep)
        except InputError as error:
            refused += 1
            assert name in str(error) and "\n" not in str(error), error
    assert refused >= 7


@pytest.mark.parametrize(
    "name", ["grid.json", *(f"lambda=1.0/{n}" for n in ("point.json", "summary.json", "geometry.json"))]
)
def test_what_is_no_file_is_not_taken_for_an_absent_one(name, sweep):
    _in_the_place_of(sweep / name, sweep)


def test_nor_is_what_stands_for_trials_and_their_paths(sweep):
    run = sweep / "lambda=1.0"
    _in_the_place_of(run / "paths.npz", sweep)
    for name in ("rollouts.csv", "embeddings.npz"):
        content = (run / name).read_bytes()
        _in_the_place_of(run / name, sweep)
        (run / name).write_bytes(content)


def _in_the_place_of(path, sweep) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)
    with pytest.raises(InputError, match=path.name):
        Sweep(sweep)
    path.unlink()
    path.mkdir()
    with pytest.raises(InputError, match=path.name):
        Sweep(sweep)
    path.rmdir()


def test_a_configuration_whose_worlds_are_none_is_named(sweep):
    callbacks = [{"init_args": {"worlds": 10**30}}]
    (sweep / "lambda=1.0/config.yaml").write_text(json.dumps({"trainer": {"callbacks": callbacks}}))
    with pytest.raises(InputError, match=r"config\.yaml"):
        Sweep(sweep)


def test_tampered_grid(sweep):
    for content in (*JSON[:7], JSON[12], JSON[13]):
        (sweep / "grid.json").write_bytes(content)
        with pytest.raises(InputError, match=r"grid\.json"):
            report_sweep(sweep)


def test_tampered_trials(sweep):
    for content in CSV:
        (sweep / "lambda=1.0/rollouts.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"rollouts\.csv") as error:
            report_sweep(sweep)
        assert "\n" not in str(error.value), error.value


def test_truncated_trials_are_not_averaged(sweep):
    """A table cut off anywhere but at the end of a line, or between two worlds, is refused."""
    path = sweep / "lambda=1.0/rollouts.csv"
    text = path.read_text()
    for end in np.linspace(60, len(text) - 2, 15).astype(int):
        path.write_text(text[:end])
        complete = text[end] == "\n" or text[end - 1] == "\n"
        last = text[:end].rpartition(",")[2].replace(".", "", 1)  # a number that was cut is a number
        assert _one_line(report_sweep, sweep) or complete or last.isdigit(), text[end - 40 : end]


def _archive(arrays: dict) -> dict[str, bytes]:
    """Ways to damage an archive of arrays, by name."""
    import io

    def packed(**changed) -> bytes:
        stream = io.BytesIO()
        np.savez(stream, **{k: v for k, v in (arrays | changed).items() if v is not None})
        return stream.getvalue()

    good = packed()
    huge = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(good)) as source, zipfile.ZipFile(huge, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "image.npy":  # declares terabytes
                header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (400, 999999999), }"
                header += b" " * (118 - len(header) - 1) + b"\n"
                content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
            target.writestr(name, content)
    n = len(arrays["domain"])
    nan = arrays["image"].copy()
    nan[3, 0] = np.nan
    return {
        "empty": b"",
        "text": b"hello",
        "truncated": good[: len(good) // 2],
        "short": good[:-30],
        "huge": huge.getvalue(),
        "no domain": packed(domain=None),
        "no sites": packed(image=None, observation=None, denoiser=None),
        "another length": packed(image=arrays["image"][:-1]),
        "NaN": packed(image=nan),
        "complex": packed(image=arrays["image"] * 1j),
        "text array": packed(image=np.full(n, "x")),
        "fractional domain": packed(domain=arrays["domain"] + 0.5),
        "third domain": packed(domain=arrays["domain"] * 2),
        "complex domain": packed(domain=arrays["domain"] * 1j),
        "domain of two axes": packed(domain=arrays["domain"][:, None]),
        "fractional episode": packed(episode=arrays["episode"] + 0.25),
        "scalar": packed(image=np.float32(1)),
        "NaN episode": packed(episode=np.full(n, np.nan)),
    }


def test_tampered_embeddings(sweep):
    path = sweep / "lambda=1.0/embeddings.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    for what, content in _archive(arrays).items():
        path.write_bytes(content)
        for call in (load_embeddings, probe_run, task_probe_run, write_dashboard):
            assert _one_line(call, path.parent), (what, call)


def test_objects_in_arrays_are_refused_without_loading_them(sweep):
    path = sweep / "lambda=1.0/embeddings.npz"
    with np.load(path) as archive:
        np.savez(path, **dict(archive) | {"image": np.array([{"a": 1}] * 400, dtype=object)})
    with pytest.raises(InputError, match="declares object"):
        load_embeddings(path.parent)


def test_tampered_pairs(sweep):
    run = sweep / "lambda=1.0"
    result = probe_run(run)
    rng = np.random.default_rng(0)
    arrays = {f"{d}/image": rng.normal(size=(50, 32)).astype(np.float32) for d in ("sim", "real")}
    arrays |= {"episode": np.arange(50) // 10, "domain": np.zeros(50), "image": arrays["sim/image"]}
    for what in ("empty", "text", "truncated", "short", "huge"):
        (run / "paired.npz").write_bytes(_archive(arrays)[what])
        assert _one_line(measure_run, run, result), what
    json.dumps(result)


def test_damaged_bytes_of_compressed_arrays_give_no_traceback(sweep):
    path = sweep / "lambda=1.0/embeddings.npz"
    np.savez_compressed(path, **np.load(path))
    good = path.read_bytes()
    for at in np.random.default_rng(0).integers(60, len(good) // 2, 40):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x55]) + good[at + 1 :])
        _one_line(load_embeddings, path.parent)  # or it is read: not every byte matters
    path.write_bytes(good)
    load_embeddings(path.parent)


def test_nested_json_is_refused(sweep):
    (sweep / "grid.json").write_text("[" * 200_000)
    with pytest.raises(InputError, match=r"grid\.json"):
        report_sweep(sweep)


@pytest.mark.parametrize("name", ["rollouts.png", "rollouts.csv", "summary.json"])
def test_what_a_dashboard_takes_from_training_is_read_before_anything_is_written(name, sweep):
    run = sweep / "lambda=1.0"
    Image.new("RGB", (8, 8)).save(run / "rollouts.png")
    check_shown(run)
    whole = (run / name).read_bytes()
    huge = [b'{"steps": 1%s}' % (b"0" * 30)] if name == "summary.json" else []
    for content in (b"", b"hello", whole[: len(whole) // 2], *huge):
        (run / name).write_bytes(content)
        with pytest.raises(InputError, match=re.escape(str(run / name))):
            check_shown(run)
    (run / name).unlink()
    check_shown(run)  # it may be absent
    (run / name).symlink_to(name)
    with pytest.raises(InputError, match=re.escape(name)):
        check_shown(run)


def test_damaged_scores_of_a_probe_are_told(sweep):
    run = sweep / "lambda=1.0"
    for content in (b"", b"site,domain\nimage,0\n", b"site,domain,probability\nimage,0,much\n"):
        (run / "probe_scores.csv").write_bytes(content)
        with pytest.raises(InputError, match=r"probe_scores\.csv"):
            write_dashboard(run)
