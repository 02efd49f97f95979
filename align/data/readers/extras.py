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
        raise InputError(
            f"store {path}: {doing} it needs {module.split('.')[0]}; install align-robotics[{extra}] "
            f"({' '.join(str(error).split())})"
        ) from None
