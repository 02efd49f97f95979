"""Ways in which a file may be other than it was written, by its kind."""

import gzip
import io
import json
import os
import shutil
import struct
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

Damage = Callable[[Path], None]


def _bytes(change: Callable[[bytes], bytes]) -> Damage:
    return lambda path: path.write_bytes(change(path.read_bytes()))  # type: ignore[return-value]


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink()
    os.symlink(path.name, path)


ANY: dict[str, Damage] = {
    "empty": _bytes(lambda b: b""),
    "text": _bytes(lambda b: b"hello"),
    "binary": _bytes(lambda b: b"\xff\xfe\x00\x01\x80" * 100),
    "a folder": _folder,
    "a loop": _loop,
}
"""Ways that no kind of file survives."""
CUT: dict[str, Damage] = {
    "half": _bytes(lambda b: b[: len(b) // 2]),
    "short": _bytes(lambda b: b[:-30]),
}
TEXT: dict[str, Damage] = {
    name: _bytes(lambda b, text=text: text)
    for name, text in {
        "list": b"[]",
        "number": b"7",
        "quoted": b'"x"',
        "deep": b"[" * 100_000,
        "nan": b'{"value": NaN, "data": .nan}',
    }.items()
}

VALUES = ("missing", "x", [], {}, None, float("nan"), -1, 10**30)
"""What is put in the place of what a mapping holds; the first takes it away."""


def _places(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Of everything inside nested mappings and lists, the way to it."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, part in items:
        yield (*path, key)
        yield from _places(part, (*path, key))


def _spread(items: list, n: int) -> list:
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, min(n, len(items)))]


def mutations(value: Any, n: int) -> Iterator[tuple[str, Any]]:
    """`value` with other things in its places, one at a time; n of all that there are, spread evenly."""
    everything = [(place, other) for place in _places(value) for other in VALUES]
    for place, other in _spread(everything, n):
        changed = json.loads(json.dumps(value))
        within = changed
        for key in place[:-1]:
            within = within[key]
        if other == "missing":
            del within[place[-1]]
        else:
            within[place[-1]] = other
        yield f"{'.'.join(map(str, place))}={other}", changed


def no_mutations(path: Path, n: int) -> dict[str, bytes]:
    """None, for a file of a format of others."""
    return {}


def compressed(mutate: Callable[[Path, int], dict[str, bytes]]) -> Callable[[Path, int], dict[str, bytes]]:
    """The same ways for what a `.gz` holds."""

    def within(path: Path, n: int) -> dict[str, bytes]:
        with tempfile.TemporaryDirectory() as aside:
            (held := Path(aside) / path.stem).write_bytes(gzip.decompress(path.read_bytes()))
            return {name: gzip.compress(content) for name, content in mutate(held, n).items()}

    return within


def json_mutations(path: Path, n: int) -> dict[str, bytes]:
    content = json.loads(path.read_text())
    return {name: json.dumps(changed).encode() for name, changed in mutations(content, n)}


def yaml_mutations(path: Path, n: int) -> dict[str, bytes]:
    content = yaml.safe_load(path.read_text())
    return {name: yaml.safe_dump(changed).encode() for name, changed in mutations(content, n)}


def table_mutations(path: Path, n: int) -> dict[str, bytes]:
    """A table with another cell, a row twice, a column gone."""
    header, *rows = path.read_text().splitlines()
    cells = header.split(",")
    found = {
        "no rows": header,
        "no header": "\n".join(rows),
        "a row twice": "\n".join([header, *rows, rows[0]]),
        "a row too long": "\n".join([header, *rows, rows[0] + ",1,2"]),
        "a row too short": "\n".join([header, *rows, rows[0].rpartition(",")[0]]),
        "a quote left open": "\n".join([header, '"' + rows[0], *rows[1:]]),
    }
    for i, name in enumerate(cells):
        table = [row.split(",") for row in (header, *rows)]
        found[f"no {name}"] = "\n".join(",".join(r[:i] + r[i + 1 :]) for r in table)
        for other in ("", "x", "nan", "inf", "-1", "1e30"):
            changed = [list(r) for r in table]
            changed[1][i] = other
            found[f"{name}={other}"] = "\n".join(map(",".join, changed))
    return {name: found[name].encode() + b"\n" for name in _spread(list(found), n)}


def _npz(arrays: dict) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def array_mutations(path: Path, n: int) -> dict[str, bytes]:
    """An archive with an array gone, of another shape, type or values, or larger than what it holds."""
    with np.load(path) as archive:
        arrays = dict(archive)
    found: dict[str, Callable[[], bytes]] = {}
    for name, a in arrays.items():
        others = {
            "missing": None,
            "shorter": a[:-1] if a.ndim else a,
            "empty": a[:0] if a.ndim else np.zeros(0),
            "one axis more": a[..., None],
            "scalar": np.float32(1),
            "text": np.full(a.shape, "x"),
            "complex": a.astype(complex) if a.dtype.kind in "iufb" else a,
            "nan": np.full(a.shape, np.nan),
            "negative": -np.ones(a.shape),
            "large": np.full(a.shape, 1e300),
        }
        for how, other in others.items():
            changed = {k: v for k, v in arrays.items() if k != name}
            changed |= {} if other is None else {name: other}
            found[f"{name} {how}"] = lambda changed=changed: _npz(changed)
        found[f"{name} huge"] = lambda name=name: _huge(path.read_bytes(), f"{name}.npy")
        found[f"{name} pickled"] = lambda name=name: _npz({**arrays, name: np.array([{}], object)})
    return {name: found[name]() for name in _spread(list(found), n)}


def _huge(content: bytes, member: str) -> bytes:
    """The archive with an array that declares terabytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as source, zipfile.ZipFile(target, "w") as archive:
        for name in source.namelist():
            data = source.read(name)
            if name == member:
                header = b"{'descr': '<f4', 'fortran_order': False, 'shape': (4000, 999999999), }"
                header += b" " * (118 - len(header) - 1) + b"\n"
                data = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header
            archive.writestr(name, data)
    return target.getvalue()


def checkpoint_mutations(path: Path, n: int) -> dict[str, bytes]:
    """A checkpoint with another description of its policy, or other weights."""
    checkpoint = torch.load(path, weights_only=True)

    def saved(**changes) -> bytes:
        stream = io.BytesIO()
        torch.save({k: v for k, v in (checkpoint | changes).items() if v is not None}, stream)
        return stream.getvalue()

    found = {f"no {key}": saved(**{key: None}) for key in checkpoint}
    found |= {f"{key} a number": saved(**{key: 3}) for key in checkpoint}
    state = checkpoint["state_dict"]
    for name in _spread(list(state), 6):
        rest = {k: v for k, v in state.items() if k != name}
        found[f"no weight {name}"] = saved(state_dict=rest)
        found[f"weight {name} a text"] = saved(state_dict={**state, name: "x"})
        found[f"weight {name} of another shape"] = saved(state_dict={**state, name: torch.zeros(3, 3, 3)})
    found["weights not numbers"] = saved(
        state_dict={k: v * float("nan") if torch.is_tensor(v) else v for k, v in state.items()}
    )
    found = {name: found[name] for name in _spread(list(found), n // 2)}
    for name, changed in mutations(checkpoint["policy"], n - n // 2):
        found[f"policy {name}"] = saved(policy=changed)
    return found


def restore(pristine: Path, path: Path) -> None:
    """Make a file or a folder what it was."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
    if pristine.is_dir():
        shutil.copytree(pristine, path, symlinks=True)
    else:
        shutil.copy2(pristine, path)
