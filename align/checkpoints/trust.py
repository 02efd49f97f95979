"""Whose code may run because a file names it.

A checkpoint and a recorded configuration name classes, and to rebuild what they describe is to import these
and to call them. Runs are shared and downloaded, so a file is believed only where it names what `align`
itself defines, or modules that the caller trusts.
"""

import contextlib
import importlib
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextvars import ContextVar

from align.errors import InputError

OURS = ("align",)
_trusted: ContextVar[tuple[str, ...]] = ContextVar("trusted", default=OURS)


@contextlib.contextmanager
def trusting(modules: Iterable[str]) -> Iterator[None]:
    """Believe files, as long as this lasts, that name what these modules or packages define."""
    token = _trusted.set((*_trusted.get(), *modules))
    try:
        yield
    finally:
        _trusted.reset(token)


class _Refusing:
    """A finder of modules that finds none, and lets others find those that may be imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        root = name.partition(".")[0]
        if not (is_trusted(name) or root in sys.modules or root in sys.stdlib_module_names - _ACTING):
            raise ModuleNotFoundError(f"{name!r} is named by a file that is not trusted", name=name)


_ACTING = {"antigravity", "this", "idlelib", "turtledemo", "test", "__hello__", "__phello__"}
"""Modules of Python's library that do something as soon as they are imported."""


@contextlib.contextmanager
def importing_nothing_new() -> Iterator[None]:
    """As long as this lasts, import of packages that were not imported before those alone that are trusted.

    For parsers of options, which import whatever a text names where they expect a class: what somebody else's
    file says is parsed within this, after what the user says.

    Raises:
        ModuleNotFoundError: From an import of another.
    """
    refusing = _Refusing()
    sys.meta_path.insert(0, refusing)
    try:
        yield
    finally:
        sys.meta_path.remove(refusing)


def named_modules(configuration: object) -> set[str]:
    """The modules of all classes that a configuration names, e.g. to trust what its author wrote."""
    if isinstance(configuration, Mapping):
        found = set().union(*map(named_modules, configuration.values()))
        path = configuration.get("class_path")
        return found | {path.rpartition(".")[0]} if isinstance(path, str) and "." in path else found
    if isinstance(configuration, list | tuple):
        return set().union(*map(named_modules, configuration))
    return set()


def is_trusted(module: str) -> bool:
    """Whether files may name what a module defines."""
    return any(module == name or module.startswith(f"{name}.") for name in _trusted.get())


def named_class(path: object, kind: type) -> type:
    """The class that a file names, a subclass of `kind`.

    Raises:
        InputError: It is not trusted, in which case nothing was imported; or it cannot be imported, or is
            something else.
    """
    module, _, name = str(path).rpartition(".")
    if not isinstance(path, str) or not module:
        raise InputError(f"class_path={path!r}: expected the import path of a class")
    if not is_trusted(module):
        root = module.partition(".")[0]
        raise InputError(
            f"class_path={path!r}: not align's, and to load it runs its code; if you trust that, say so by "
            f"--trust '[{root}]', or in Python by trust=[{root!r}]"
        )
    try:
        found = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError, ValueError) as error:
        raise InputError(f"class_path={path!r} cannot be imported: {error}") from None
    if not (inspect.isclass(found) and issubclass(found, kind) and is_trusted(found.__module__)):
        raise InputError(f"class_path={path!r}: expected a subclass of {kind.__module__}.{kind.__name__}")
    return found
