"""Packages that only some formats need."""

import importlib
from types import ModuleType

from align.errors import InputError


def extra(module: str, extra: str, path: object, doing: str = "reading") -> ModuleType:
    """A module of an extra that a format needs.

    Raises:
        InputError: It is not installed; says what to install.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        package = module.split(".")[0]
        raise InputError(
            f"store {path}: {doing} it needs {package}, of the extra {extra}; pip install {package} "
            f"({' '.join(str(error).split())})"
        ) from None
