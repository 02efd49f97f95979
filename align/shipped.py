"""The YAML files that ship with align, found by name from any folder."""

from importlib.util import find_spec
from pathlib import Path

from align.run.config import load_yaml

FOLDER = Path(find_spec("align.experiments").submodule_search_locations[0])
"""Where they lie; to find the folder imports nothing of what else is in it."""


def find(path: str | Path) -> Path:
    """The file at `path` or, where there is none, the one that ships under that name.

    `lambda`, `lambda.yaml` and `experiments/lambda.yaml` all name the same one.
    """
    path = Path(path)
    shipped = {file.stem: file for file in FOLDER.glob("*.yaml")}
    named = path.parent in (Path(), Path("experiments")) and path.suffix in ("", ".yaml")
    return shipped[path.stem] if named and path.stem in shipped and not path.is_file() else path


def names(entry: str) -> list[str]:
    """Names of those that have an entry at their top: `axes` in grids, `config` in bases."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if entry in load_yaml(path))
