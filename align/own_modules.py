"""A user's own modules, in the current folder, are found last: none hides a module of ours or of a library.

Python puts the current folder first on the path for `-m` and `-c`. At the end of the path it would still come
before packages that are installed in place (`pip install -e`), as these are found behind the whole path.
"""

import os
import sys
from importlib.machinery import ModuleSpec, PathFinder


class _Folder:
    """Finds modules in a folder, but none of packages that lie elsewhere."""

    def __init__(self, folder: str):
        self._folder = folder

    def find_spec(self, name: str, path=None, target=None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, [self._folder], target) if path is None else None


def find_last() -> None:
    """Find the user's modules behind all others, in this process.

    Processes that are started from it do not look there at all, until they call this.
    """
    here = os.getcwd()  # and not where configurations are read, which are read in their own folders
    if sys.path[0] in ("", here):
        del sys.path[0]
    others = [finder for finder in sys.meta_path if not isinstance(finder, _Folder)]
    sys.meta_path[:] = [*others, _Folder(here)]
    os.environ["PYTHONSAFEPATH"] = "1"
