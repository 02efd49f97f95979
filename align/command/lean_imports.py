"""Lightning without what it drags along: a second of CPU time at the start of every training.

Lightning imports torchmetrics for two base classes, and with it come all of its metrics, torchvision and
scipy.signal. Here these two are loaded, and the rest when something asks for it.
"""

import importlib
import logging
import sys
from importlib.util import find_spec, module_from_spec
from types import ModuleType

NAME = "torchmetrics"
NEEDED = {"Metric": "metric", "MetricCollection": "collections", "__version__": "__about__"}
"""What Lightning takes from it, by the module that defines it."""


class _Package(ModuleType):
    """A package whose own code has not run yet; it does at the first question that it cannot answer."""

    def __getattr__(self, name: str):
        if name.startswith("__"):
            raise AttributeError(name)
        self.__class__ = ModuleType
        self.__spec__.loader.exec_module(self)
        return getattr(self, name)


def without_metrics() -> None:
    """Load of torchmetrics what Lightning needs; where that cannot be, Lightning loads all of it."""
    if NAME in sys.modules or (spec := find_spec(NAME)) is None:
        return
    package = module_from_spec(spec)
    package.__class__ = _Package
    package._logger = logging.getLogger(NAME)
    sys.modules[NAME] = package
    try:
        importlib.import_module(f"{NAME}.utilities")  # first, as the others and it import each other
        for name, module in NEEDED.items():
            setattr(package, name, getattr(importlib.import_module(f"{NAME}.{module}"), name))
    except (ImportError, AttributeError):  # another version's parts lie elsewhere
        for name in [name for name in sys.modules if name.partition(".")[0] == NAME]:
            del sys.modules[name]
