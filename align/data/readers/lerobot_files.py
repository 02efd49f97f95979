"""The files of a LeRobotDataset: what `meta/` says, the tables, and where everything lies."""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from align.data.readers.encoding import Encoding
from align.data.readers.extras import extra
from align.data.readers.jpeg import is_jpeg, jpeg_encoding
from align.errors import InputError, shown
from align.files import other_kind
from align.run.reading import DAMAGE

_LOOKED_AT = 16
"""At most so many tables are asked how their images are encoded."""


class LeRobotFiles:
    """A folder in LeRobot's format, of codebase version 2 or 3.

    Args:
        path: The folder that holds `meta/info.json`.

    Attributes:
        info: What that file says.
        version: The codebase version, as "3.0".
        features: By name, what it says of each array and camera.
        fps: Frames a second.

    Raises:
        InputError: That file is damaged or of another version, or pyarrow is not installed.
    """

    def __init__(self, path: Path):
        self.path = path
        self._parquet = extra("pyarrow.parquet", "lerobot", path)
        self.info = self.json("meta/info.json")
        self.version = str(self.info.get("codebase_version", "")).removeprefix("v")
        if self.version.split(".")[0] not in ("2", "3"):
            self.refuse("meta/info.json", f"codebase_version {self.version!r}; expected v2.0, v2.1 or v3.0")
        self.features, self.fps = self.info.get("features"), self.info.get("fps")
        features = self.features
        if not isinstance(features, dict) or not all(isinstance(f, dict) for f in features.values()):
            self.refuse("meta/info.json", "has no features; expected a mapping of them")
        for name, feature in features.items():
            self._check(name, feature)
        if not isinstance(self.fps, int | float) or not 0 < self.fps < 1e6:
            self.refuse("meta/info.json", f"fps {self.fps!r}; expected a positive number")
        self._tables: dict[Path, object] = {}
        self._jpeg: dict[str, Encoding | None] = {}

    def _check(self, name: str, feature: dict) -> None:
        """Refuse a feature of which something has another type than LeRobot writes."""
        for key, kind, expected in (
            ("shape", list, "a list of whole numbers"),
            ("names", list | dict, "a list of names"),
            ("info", dict, "a mapping"),
            ("video_info", dict, "a mapping"),
        ):
            found = feature.get(key)
            fits = isinstance(found, kind | None)
            if not fits or (key == "shape" and not all(isinstance(n, int) for n in found or ())):
                self.refuse("meta/info.json", f"{key} of {name} is {shown(found)}; expected {expected}")

    @property
    def is_v3(self) -> bool:
        """Whether several episodes share a file."""
        return self.version.startswith("3")

    def refuse(self, label: str, fault: str) -> NoReturn:
        """Raise an `InputError` of one line that names the folder and a file."""
        raise InputError(f"store {self.path}: {label} {fault}")

    def rows(self, file: Path) -> int:
        """How many rows a table has."""
        return self.table(file).num_rows

    def table(self, file: Path, columns: list[str] | None = None):
        """A Parquet file, without its images unless they are asked for; kept, as all episodes ask for it."""
        images = {name for name, f in self.features.items() if f.get("dtype") == "image"}
        if columns is None and file in self._tables:
            return self._tables[file]
        self.check_kind(file)
        try:
            if columns is None:
                names = [n for n in self._parquet.read_schema(file).names if n not in images]
                table = self._parquet.read_table(file, columns=names, partitioning=None)
                self._tables[file] = table
                return table
            return self._parquet.read_table(file, columns=columns, partitioning=None)
        except FileNotFoundError:
            self.refuse(self.inside(file), "is missing; meta/ says it is there")
        except (*DAMAGE, MemoryError) as error:
            reason = " ".join(str(error).split())
            self.refuse(self.inside(file), f"cannot be read ({reason}); was it finished?")

    def jpeg(self, camera: str, files: Sequence[Path]) -> Encoding | None:
        """How a camera's images in tables were encoded, if they are JPEG: by the first of some of the tables.

        Where these differ it is said with the settings that they share. What cannot be read is told later.
        """
        if camera not in self._jpeg:
            some = files[:: -(-len(files) // _LOOKED_AT)]
            images = (self._first(camera, file) for file in some)
            found = [set(jpeg_encoding(image).values().items()) for image in images if is_jpeg(image)]
            self._jpeg[camera] = Encoding(**dict(set.intersection(*found))) if found else None
        return self._jpeg[camera]

    def _first(self, camera: str, file: Path) -> bytes:
        """The first image of a camera in a table, nothing where it cannot be read."""
        self.check_kind(file)
        try:
            with self._parquet.ParquetFile(file) as opened:
                first = next(opened.iter_batches(1, columns=[camera])).column(0)[0].as_py()
        except (OSError, ValueError, LookupError, StopIteration):
            return b""
        first = first.get("bytes") if isinstance(first, dict) else first
        return first if isinstance(first, bytes) else b""

    def file(self, template: str, **where: object) -> Path:
        """A file named by one of the templates of `meta/info.json`, which must lie in the folder."""
        try:
            file = self.path / template.format(**where)
        except (KeyError, IndexError, ValueError, AttributeError, TypeError) as error:
            self.refuse("meta/info.json", f"path {template!r} has an unknown part ({error!r})")
        # By its name: the files themselves may be links, as in a cache of the hub.
        if not Path(os.path.normpath(file)).is_relative_to(os.path.normpath(self.path)):
            self.refuse("meta/info.json", f"path {template!r} leads out of the folder")
        return file

    def json(self, name: str) -> dict:
        """A file of JSON that holds a mapping."""
        self.check_kind(self.path / name)
        try:
            value = json.loads((self.path / name).read_text(encoding="utf-8"))
        except DAMAGE as error:
            self.refuse(name, f"cannot be read ({' '.join(str(error).split())})")
        if not isinstance(value, dict):
            self.refuse(name, f"is a {type(value).__name__}; expected a mapping")
        return value

    def json_lines(self, name: str, numbers: Sequence[str]) -> list[dict]:
        """A file of JSON lines, each with these whole numbers."""
        self.check_kind(self.path / name)
        try:
            lines = (self.path / name).read_text(encoding="utf-8").splitlines()
            rows = [json.loads(line) for line in lines if line.strip()]
            return [{**row, **{number: int(row[number]) for number in numbers}} for row in rows]
        except DAMAGE as error:
            self.refuse(name, f"cannot be read ({error!r})")

    def check_kind(self, file: Path) -> None:
        """Refuse what is no file, for which whoever reads it would wait."""
        if (kind := other_kind(file)) is not None:
            self.refuse(self.inside(file), f"is {kind}; expected a file")

    def inside(self, file: Path) -> str:
        """A file's place in the folder, for messages."""
        return str(file.relative_to(self.path))
