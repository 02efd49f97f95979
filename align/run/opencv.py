"""OpenCV, loaded when something is drawn or resized and not before.

On servers without a display it may be there and not load: its build with windows needs libGL, and a package
that asks for that build replaces the one without.
"""

import functools
import importlib
from types import ModuleType

from align.errors import InputError


@functools.cache
def _loaded() -> ModuleType:
    try:
        return importlib.import_module("cv2")
    except ImportError as error:
        raise InputError(
            f"cv2 (OpenCV) does not load: {error}; expected the build without windows: pip uninstall -y "
            "opencv-python opencv-python-headless, then pip install opencv-python-headless"
        ) from None


class _OpenCV:
    """Stands for the module."""

    def __getattr__(self, name: str):
        value = getattr(_loaded(), name)
        setattr(self, name, value)  # asked once
        return value


cv2 = _OpenCV()
