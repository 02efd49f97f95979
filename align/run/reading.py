"""Files that runs left, read back without trust: whatever is wrong with one is a line that names it.

They may have been cut short by a full disk, edited by hand or written by another version.
"""

import contextlib
import json
import math
import os
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.lib import format as npy

from align.errors import InputError
from align.files import check_kind

DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    KeyError,
    IndexError,
    TypeError,
    AttributeError,
    NotImplementedError,  # a way to compress that is not known
    OverflowError,  # numbers larger than any count
    RecursionError,  # brackets in brackets in brackets
    zipfile.BadZipFile,
    zlib.error,
)
"""What reading a damaged file, or making sense of one, raises."""


Schema = Mapping[str, tuple[str, int]]
"""By name of an array, NumPy's letters for the kinds of its numbers ("iu", "f", "b", "U") and its axes."""


@contextlib.contextmanager
def reading(path: str | os.PathLike, expected: str = "what the run wrote") -> Iterator[None]:
    """Turn what goes wrong in reading a file, or in making sense of it, into a line.

    Raises:
        InputError: Instead of any error of `DAMAGE`, or of a file that does not fit into memory; or a pipe or
            a device is in its place, for which it would wait.
    """
    check_kind(path, expected)
    try:
        yield
    except InputError:
        raise
    except (*DAMAGE, MemoryError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise InputError(
            f"{path}: cannot be read ({type(error).__name__}: {reason[:200]}); expected {expected}"
        ) from None


@contextlib.contextmanager
def of_file(where: str) -> Iterator[None]:
    """Tell a mistake that a file holds after where it lies, if it does not say so itself.

    Raises:
        InputError: As is raised within.
    """
    try:
        yield
    except InputError as error:
        raise InputError(str(error) if where in str(error) else f"{where}: {error}") from None


def is_there(path: str | os.PathLike) -> bool:
    """Whether a file that may be absent is not; a folder or a broken link in its place is, to be refused."""
    return os.path.lexists(path)


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """A file that holds a JSON object; numbers are finite.

    Raises:
        InputError: It is missing, no JSON, or holds something else.
    """
    with reading(path):
        text = Path(path).read_text(encoding="utf-8")
        content = json.loads(text, parse_constant=_not_a_number, parse_float=_finite)
        if not isinstance(content, dict):
            raise InputError(f"{path}: a {type(content).__name__}; expected a JSON object")
        return content


def _not_a_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _finite(digits: str) -> float:
    number = float(digits)
    return number if math.isfinite(number) else _not_a_number(digits)  # 1e999


def read_table(path: str | os.PathLike, schema: Schema, expected: str) -> dict[str, np.ndarray]:
    """Arrays of an `.npz` that have the kinds and axes they should, all numbers finite.

    Args:
        path: The file.
        schema: Of each array by name.
        expected: What the file should be, for messages.

    Raises:
        InputError: It is missing or damaged, or lacks an array or holds another in its place.
    """
    with reading(path, expected):
        if not Path(path).is_file():
            raise InputError(f"{path}: no such file; expected {expected}")
        found = read_arrays(path, schema, expected)
        for name, (kinds, axes) in schema.items():
            if name not in found:
                raise InputError(f"{path}: has no {name!r}; expected {expected}")
            array = found[name]
            if array.dtype.kind not in kinds or array.ndim != axes:
                what = f"{array.dtype} of shape {array.shape}"
                raise InputError(f"{path}: {name} is {what}; expected {expected}")
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                raise InputError(f"{path}: {name} holds NaN or infinity; expected {expected}")
        return found


def read_arrays(
    path: str | os.PathLike, names: Collection[str] | None = None, expected: str = "what the run wrote"
) -> dict[str, np.ndarray]:
    """Arrays of an `.npz`, plain numbers and text alone.

    Args:
        path: The file.
        names: Those to read, of which some may be absent; by default all.
        expected: What the file should be, for messages.

    Raises:
        InputError: It is missing or damaged, or declares more than it holds.
    """
    with reading(path, expected), zipfile.ZipFile(path) as archive:
        found = {}
        for member in archive.infolist():
            name = member.filename.removesuffix(".npy")
            if names is not None and name not in names:
                continue
            with archive.open(member) as stream:
                version = npy.read_magic(stream)
                header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
                shape, _, dtype = header(stream)
                if dtype.hasobject or stream.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
                    raise InputError(f"{path}: {name} declares {dtype} of shape {shape}, not what it holds")
            with archive.open(member) as stream:
                found[name] = npy.read_array(stream, allow_pickle=False)
        return found
