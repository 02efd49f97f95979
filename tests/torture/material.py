"""What the cases are tried on: small stores, a run, a sweep, configurations and grids, good and bad.

All paths are relative, so that the folder may be copied.
"""

import contextlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import numpy as np
import yaml
import zarr
from random_episodes import random_episode
from synthetic_runs import write_probe, write_run
from tiny_config import DATA, MODEL, TRAINER

from align.cli import main
from align.data.episodes import write_store
from align.run.paths import write_paths
from align.seeding import numpy_rng
from align.worlds.pushing.gaps import Gap

ALL = os.environ.get("ALIGN_TORTURE") == "all"
"""Whether all cases are asked for, not only a sample of them."""
FIT = {
    "run": "run",
    "model": {**MODEL, "alignment_weight": 0.5, "alignment": {"class_path": "align.alignment.MMD"}},
    "data": {**DATA, "sim": "sim.zarr", "real": "real.zarr", "validation": 4},
    "trainer": {
        **TRAINER,
        "max_steps": 8,
        "log_every_n_steps": 3,
        "callbacks": [
            {
                "class_path": "align.callbacks.Rollouts",
                "init_args": {"worlds": {"sim": {}}, "size": 16, "trials": 2, "steps": 2, "film": 1},
            }
        ],
    },
    "checkpoint": {"every": 2},
    "embeddings": {"per_domain": 40, "paired": 10},
}
"""The smallest configuration that trains, is evaluated and can be probed."""
BASE = {
    "demos": {},
    "config": {key: value for key, value in FIT.items() if key != "run"},
    "scales": {"laptop": {}, "smoke": {}},
}
GRID = {
    "title": "two",
    "base": "base.yaml",
    "axes": {"lambda": {"option": "model.alignment_weight", "values": [0, 1]}},
}


def write_stores(folder: Path) -> None:
    """`sim.zarr` and `real.zarr` of random episodes."""
    for name, n in (("sim", 8), ("real", 6)):
        rng = numpy_rng(0, name)
        attributes = {"domain": name, "rate_hz": 10, "world": asdict(Gap().world())}
        write_store(folder / f"{name}.zarr", (random_episode(rng) for _ in range(n)), attributes)


def make_material(folder: Path) -> Path:
    """All of it, below `folder`."""
    write_stores(folder)
    _write_yaml(folder / "fit.yaml", FIT)
    _write_yaml(folder / "base.yaml", BASE)
    _write_yaml(folder / "grid.yaml", GRID)
    with contextlib.chdir(folder):
        assert main(["fit", "--config", "fit.yaml"]) == 0
        small = "{max_steps: 4, every: 2, folds: 2, levels: 3, width: 8, blocks: 1}"
        options = ["--out", "annotation.npz", "--crop_lengths", "[]", "--classifier", small]
        assert main(["annotate", "--config", "fit.yaml", *options]) == 0
    for i, weight in enumerate((0.0, 0.1, 0.5, 1.0, 2.0)):
        run = write_run(folder / f"sweep/lambda={weight}", {"lambda": weight, "seed": 0}, seed=i, episodes=4)
        write_probe(run)
        (run / "task_probe.json").write_text(json.dumps({"level": 0.95, "seed": 0, "sites": {}}))
        steps = [numpy_rng(i, "path").normal(size=(9, 2)).cumsum(axis=0) for _ in range(30)]
        write_paths(run / "paths.npz", range(1000, 1030), {"sim": steps, "real": steps})
    record = {"title": "two", "reference": {}, "runs": [f"lambda={w}" for w in (0.0, 0.1, 0.5, 1.0, 2.0)]}
    (folder / "sweep/grid.json").write_text(json.dumps(record))
    shutil.copytree(folder / "sweep", folder / "reported")
    shutil.copy(folder / "run/rollouts.csv", folder / "reported/results.csv")
    (folder / "bad").mkdir()
    for name, change in STORES.items():
        shutil.copytree(folder / "real.zarr", path := folder / f"bad/{name}.zarr")
        change(path)
    for name, change in GRIDS.items():
        _write_yaml(folder / f"bad/{name}.yaml", {**GRID, "base": "../base.yaml", **change})
    for name, change in BASES.items():
        _write_yaml(folder / f"bad/{name}.yaml", {**BASE, **change})
        _write_yaml(folder / f"bad/over_{name}.yaml", {**GRID, "base": f"{name}.yaml"})
    for name, text in TEXTS.items():
        (folder / "bad" / name).write_bytes(text)
    (folder / "trials.csv").write_text(TRIALS)
    (folder / "empty").mkdir()
    (folder / "file").write_text("")
    return folder


def _write_yaml(path: Path, content: object) -> None:
    path.write_text(yaml.safe_dump(content, sort_keys=False))


def _array(name: str, change: Callable[[np.ndarray], object]) -> Callable[[Path], None]:
    """Puts another array in the place of one."""

    def apply(path: Path) -> None:
        root = zarr.open_group(str(path), mode="r+")
        value = np.asarray(change(np.asarray(root[name])))
        attributes = {"chunks": value.shape} if value.size else {}
        del root[name]
        root.create_array(
            name, data=value, config={"write_empty_chunks": True}, compressors=None, **attributes
        )

    return apply


def _without(name: str) -> Callable[[Path], None]:
    return lambda path: shutil.rmtree(path / name)


def _header(name: str, **changes: object) -> Callable[[Path], None]:
    """Changes what an array says of itself."""

    def apply(path: Path) -> None:
        file = path / name / ".zarray"
        file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))

    return apply


def _attribute(**changes: object) -> Callable[[Path], None]:
    def apply(path: Path) -> None:
        zarr.open_group(str(path), mode="r+").attrs.update(changes)

    return apply


def _chunk(name: str, change: Callable[[bytes], bytes | None]) -> Callable[[Path], None]:
    """Changes the first chunk's bytes; None removes it."""

    def apply(path: Path) -> None:
        file = next(f for f in sorted((path / name).iterdir()) if not f.name.startswith("."))
        content = change(file.read_bytes())
        file.unlink() if content is None else file.write_bytes(content)

    return apply


def _replaced(content: bytes | None) -> Callable[[Path], None]:
    """A file, or an empty folder, in the store's place."""

    def apply(path: Path) -> None:
        shutil.rmtree(path)
        path.mkdir() if content is None else path.write_bytes(content)

    return apply


def _loop(path: Path) -> None:
    shutil.rmtree(path)
    os.symlink(path.name, path)


def _with(at: object, value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(array: np.ndarray) -> np.ndarray:
        array[at] = value
        return array

    return change


STORES: dict[str, Callable[[Path], None]] = {
    "nan_action": _array("data/action", _with((3, 0), np.nan)),
    "inf_action": _array("data/action", _with((3, 0), np.inf)),
    "huge_action": _array("data/action", _with((3, 0), 1e38)),
    "nan_state": _array("data/state", _with((3, 0), np.nan)),
    "one_row_action": _array("data/action", lambda a: a[:1]),
    "short_action": _array("data/action", lambda a: a[:-1]),
    "long_action": _array("data/action", lambda a: np.concatenate([a, a])),
    "flat_action": _array("data/action", lambda a: a[:, 0]),
    "deep_action": _array("data/action", lambda a: a[:, :, None]),
    "no_column_action": _array("data/action", lambda a: a[:, :0]),
    "wide_action": _array("data/action", lambda a: np.concatenate([a, a], axis=1)),
    "complex_action": _array("data/action", lambda a: a.astype(np.complex64)),
    "boolean_action": _array("data/action", lambda a: a > 200),
    "narrow_state": _array("data/state", lambda a: a[:, :1]),
    "no_action": _without("data/action"),
    "no_state": _without("data/state"),
    "no_image": _without("data/img"),
    "no_data": _without("data"),
    "no_meta": _without("meta"),
    "no_ends": _without("meta/episode_ends"),
    "empty_ends": _array("meta/episode_ends", lambda a: a[:0]),
    "equal_ends": _array("meta/episode_ends", _with(1, 20)),
    "falling_ends": _array("meta/episode_ends", lambda a: a[::-1].copy()),
    "negative_ends": _array("meta/episode_ends", _with(0, -20)),
    "late_ends": _array("meta/episode_ends", _with(-1, 10_000)),
    "early_ends": _array("meta/episode_ends", _with(-1, 110)),
    "float_ends": _array("meta/episode_ends", lambda a: a.astype(float)),
    "two_axes_ends": _array("meta/episode_ends", lambda a: a[:, None]),
    "huge_ends": _array("meta/episode_ends", _with(-1, 2**62)),
    "flat_images": _array("data/img", lambda a: a.reshape(len(a), -1)),
    "grey_images": _array("data/img", lambda a: a[..., :1]),
    "two_channel_images": _array("data/img", lambda a: a[..., :2]),
    "rgba_images": _array("data/img", lambda a: np.concatenate([a, a[..., :1]], axis=-1)),
    "wide_images": _array("data/img", lambda a: np.concatenate([a, a], axis=2)),
    "other_size_images": _array("data/img", lambda a: a[:, :12, :12]),
    "no_pixel_images": _array("data/img", lambda a: a[:, :0]),
    "nan_images": _array("data/img", lambda a: _with((3, 0, 0, 0), np.nan)(a.astype(np.float32))),
    "bright_images": _array("data/img", lambda a: a.astype(np.float32) * 10),
    "dark_images": _array("data/img", lambda a: a.astype(np.float32) - 300),
    "complex_images": _array("data/img", lambda a: a.astype(np.complex64)),
    "few_images": _array("data/img", lambda a: a[:-5]),
    "missing_chunk": _chunk("data/action", lambda b: None),
    "missing_image_chunk": _chunk("data/img", lambda b: None),
    "cut_chunk": _chunk("data/action", lambda b: b[: len(b) // 2]),
    "empty_chunk": _chunk("data/img", lambda b: b""),
    "flipped_chunk": _chunk("data/action", lambda b: b[:40] + bytes([b[40] ^ 1]) + b[41:]),
    "random_chunk": _chunk("data/img", lambda b: b[:16] + bytes(len(b) - 16)),
    "huge_shape": _header("data/img", shape=[10**9, 1000, 1000, 3]),
    "negative_shape": _header("data/action", shape=[-1, 2]),
    "unknown_codec": _header("data/action", compressor={"id": "no_such"}),
    "unknown_dtype": _header("data/action", dtype="<f3"),
    "object_dtype": _header("data/action", dtype="|O"),
    "unknown_format": _header("data/action", zarr_format=9),
    "one_episode": _array("meta/episode_ends", lambda a: a[-1:]),
    "other_rate": _attribute(rate_hz=30),
    "text_rate": _attribute(rate_hz="fast"),
    "negative_rate": _attribute(rate_hz=-10),
    "nan_world": _attribute(world={"look": {"noise": float("nan")}}),
    "text_world": _attribute(world={"look": {"table": "red"}}),
    "text_file": _replaced(b"hello"),
    "empty_file": _replaced(b""),
    "empty_zip": _replaced(b"PK\x05\x06" + bytes(18)),
    "cut_zip": _replaced(b"PK\x03\x04" + bytes(40)),
    "empty_folder": _replaced(None),
    "loop": _loop,
}
"""By name, what is done to a good store to make a bad one."""

AXIS = {"option": "model.alignment_weight", "values": [0, 1]}
GRIDS: dict[str, dict] = {
    "no_title": {"title": None},
    "number_title": {"title": 3},
    "no_axes": {"axes": {}},
    "list_axes": {"axes": ["lambda"]},
    "text_axes": {"axes": "lambda"},
    "text_axis": {"axes": {"lambda": "many"}},
    "no_values": {"axes": {"lambda": {"option": "model.alignment_weight"}}},
    "empty_values": {"axes": {"lambda": {**AXIS, "values": []}}},
    "text_values": {"axes": {"lambda": {**AXIS, "values": "0, 1"}}},
    "number_values": {"axes": {"lambda": {**AXIS, "values": 3}}},
    "nested_values": {"axes": {"lambda": {**AXIS, "values": [[0], [1]]}}},
    "twice_values": {"axes": {"lambda": {**AXIS, "values": [0, 0]}}},
    "equal_values": {"axes": {"lambda": {**AXIS, "values": [1, 1.0]}}},
    "nan_values": {"axes": {"lambda": {**AXIS, "values": [0, float("nan")]}}},
    "unknown_axis_key": {"axes": {"lambda": {**AXIS, "vales": [3]}}},
    "number_option": {"axes": {"lambda": {**AXIS, "option": 3}}},
    "climbing_axis": {"axes": {"../../x": AXIS}},
    "slash_axis": {"axes": {"a/b": AXIS}},
    "empty_axis": {"axes": {"": AXIS}},
    "reserved_axis": {"axes": {"run": AXIS}},
    "equals_axis": {"axes": {"a=b": AXIS}},
    "slash_arm": {"axes": {"arm": {"values": {"a/b": {"model.alignment_weight": 0}, "c": {}}}}},
    "list_arm": {"axes": {"arm": {"values": {"a": ["model.alignment_weight"], "b": {}}}}},
    "number_arm": {"axes": {"arm": {"values": {"a": 3}}}},
    "unknown_only": {"axes": {"arm": {"values": {"a": {"only": {"lamda": [0]}}}}, "lambda": AXIS}},
    "text_only": {"axes": {"arm": {"values": {"a": {"only": "lambda"}}}, "lambda": AXIS}},
    "never_only": {"axes": {"arm": {"values": {"a": {"only": {"lambda": [7]}}}}, "lambda": AXIS}},
    "unknown_keep": {"axes": {"lambda": {**AXIS, "keep": [9]}}},
    "text_keep": {"axes": {"lambda": {**AXIS, "keep": "all"}}},
    "unknown_key": {"scale": {"laptop": {}}},
    "config_at_scale": {"scales": {"laptop": {"config": {"model": {"lr_warmup": 9}}}}},
    "unknown_scale_axis": {"scales": {"laptop": {"axes": {"lamda": {"values": [0]}}}}},
    "unknown_scale": {"scales": {"laptoop": {"axes": {"lambda": {"values": [0]}}}}},
    "list_scales": {"scales": ["laptop"]},
    "unknown_reference": {"reference": {"lambda": 9}},
    "text_reference": {"reference": "lambda=0"},
    "unknown_reference_axis": {"reference": {"lamda": 0}},
    "no_base": {"base": None},
    "number_base": {"base": 3},
    "unknown_base": {"base": "nowhere.yaml"},
    "base_is_grid": {"base": "no_title.yaml"},
    "misspelt_option": {"axes": {"lambda": {**AXIS, "option": "model.alignment_wieght"}}},
    "misspelt_demos": {"axes": {"level": {"values": {"a": {"demos.data.reel.n": 3}}}}},
    "through_a_number": {"axes": {"level": {"values": {"a": {"model.lr_warmup.x": 3}}}}},
    "bad_value": {"axes": {"lambda": {**AXIS, "values": [0, "much"]}}},
    "after_nothing": {"axes": {"arm": {"values": {"a": {"model.initial": {"after": {"arm": "z"}}}}}}},
    "after_itself": {"axes": {"arm": {"values": {"a": {"model.initial": {"after": {"arm": "a"}}}}}}},
    "huge": {"axes": {c: {"option": f"model.{c}", "values": list(range(1000))} for c in "abc"}},
}
"""By name, what is other in a bad grid."""
BASES: dict[str, dict] = {
    "base_itself": {"base": "base_itself.yaml"},
    "base_no_config": {"config": None},
    "base_text_config": {"config": "model"},
    "base_list_demos": {"demos": ["data.sim"]},
    "base_text_demos": {"demos": {"data.sim": "many"}},
    "base_no_scales": {"scales": None},
    "base_list_scales": {"scales": ["laptop"]},
    "base_text_scale": {"scales": {"laptop": "small"}},
    "base_unknown_key": {"confg": {}},
    "base_unknown_scale_key": {"scales": {"laptop": {"confg": {}}}},
    "base_bad_demos": {"demos": {"data.sim": {"n": 0}}},
    "base_unknown_demos": {"demos": {"data.sim": {"nn": 3}}},
    "base_unknown_maker": {"demos": {"data.sim": {"make": "no.such.maker"}}},
    "base_number_maker": {"demos": {"data.sim": {"make": 3}}},
    "base_unknown_made": {"demos": {"data.sim": {"make": "align.commands.plans", "regions": {"made": "x"}}}},
    "base_unknown_run": {"demos": {"data.sim": {"n": {"run": "model.nothing"}}}},
}
"""By name, what is other in a bad base; `over_NAME.yaml` is a grid over it."""

TRIALS = "policy,start,success\n" + "".join(
    f"{arm},{start},{'yes' if (start * k) % 3 else 'no'}\n"
    for k, arm in enumerate(("old", "new"), start=1)
    for start in range(12)
)
"""What a lab wrote down of two policies."""
TEXTS = {
    "empty.yaml": b"",
    "list.yaml": b"- model\n",
    "text.yaml": b"hello\n",
    "number.yaml": b"3\n",
    "not.yaml": b"a: [1,\nb: }\n",
    "tab.yaml": b"model:\n\tx: 1\n",
    "binary.yaml": b"\xff\xfe\x00\x01\x80" * 30,
    "tag.yaml": b"model: !!python/object/apply:os.system ['true']\n",
    "anchor.yaml": b"model: *nowhere\n",
    "twice.yaml": b"data: {sim: sim.zarr}\ndata: {sim: real.zarr}\n",
    "deep.yaml": b"[" * 5000,
    "nul.yaml": yaml.safe_dump({**FIT, "data": {**FIT["data"], "sim": "a\0b"}}).encode(),
    "nul_run.yaml": yaml.safe_dump({**FIT, "run": "a\0b"}).encode(),
    "half_letter.yaml": yaml.safe_dump({**FIT, "data": {**FIT["data"], "sim": "a"}}).encode()
    + b'seed_everything: "\\ud800"\n',
    "unknown.yaml": yaml.safe_dump({**FIT, "modell": {"x": 1}}).encode(),
    "list_model.yaml": b"model: [1, 2]\n",
    "text_data.yaml": b"data: sim.zarr\n",
    "binary.ckpt": bytes(range(256)) * 20,
    "empty.ckpt": b"",
    "pickle.ckpt": b"cos\nsystem\n(S'true'\ntR.",
    "text.npz": b"hello",
}
