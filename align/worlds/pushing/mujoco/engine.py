"""MuJoCo as it is imported and made to draw here: without a screen, on one core."""

import atexit
import ctypes
import functools
import importlib
import importlib.util
import os
import sys
from pathlib import Path

import numpy as np

from align.errors import InputError, one_line

HEADLESS = {"egl": "libEGL.so.1", "osmesa": "libOSMesa.so.8"}
"""MuJoCo's ways to draw without a screen on Linux, and what each needs."""
WAYS = (*HEADLESS, "glfw", "cgl")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _way() -> str:
    """How to draw: as MUJOCO_GL says, if it does."""
    if (asked := os.environ.get("MUJOCO_GL", "").lower()) in WAYS:
        return asked
    if sys.platform == "linux":
        return next((way for way, library in HEADLESS.items() if _loads(library)), "egl")
    return "cgl" if sys.platform == "darwin" else "glfw"


def _import():
    # Mesa's rasteriser takes all cores unless told otherwise: a run has one, and small pictures gain nothing.
    os.environ.setdefault("LP_NUM_THREADS", "0")
    if sys.platform == "linux" and not os.environ.get("DISPLAY") and _loads(HEADLESS["egl"]):
        os.environ.setdefault("MUJOCO_GL", "egl")  # its own choice looks for a screen
    try:
        import mujoco
    except ImportError as error:
        message = (
            "mujoco is not installed; expected it for this world: pip install -e '.[mujoco]' in a checkout"
        )
        raise InputError(message) from error
    except (
        AttributeError
    ) as error:  # of PyOpenGL, which MuJoCo imports with it, where the library is not there
        raise _cannot_draw(os.environ.get("MUJOCO_GL", ""), error) from error
    return mujoco


def _cannot_draw(way: str, error: Exception) -> InputError:
    return InputError(
        f"MUJOCO_GL={way!r}: MuJoCo cannot draw here ({one_line(error)}); expected egl or osmesa and "
        "its library, on Debian: apt-get install libegl1 libgl1-mesa-dri"
    )


mujoco = _import()


@functools.cache
def _load_triton_first() -> None:
    """Load Triton's library, if there is one, before Mesa.

    Mesa's rasteriser brings an LLVM whose symbols all that is loaded later finds first. Triton, which PyTorch
    imports when it likes, holds another LLVM, and crashes the process with those of Mesa's.
    """
    found = importlib.util.find_spec("triton")
    for folder in (found and found.submodule_search_locations) or ():
        library = Path(folder) / "_C" / "libtriton.so"
        if library.is_file():
            _loads(str(library))


class Drawing:
    """Draws a model from its camera called `camera`.

    Args:
        model: A `mujoco.MjModel` of its own, which is changed.
        size: Side of the pictures, px.

    Raises:
        InputError: There is nothing to draw with.
    """

    def __init__(self, model, size: int):
        _load_triton_first()
        model.vis.global_.offwidth = model.vis.global_.offheight = size
        self._model, self._size, way = model, size, _way()
        try:
            self._gl = importlib.import_module(f"mujoco.{way}").GLContext(size, size)
            self._gl.make_current()
            self._context = mujoco.MjrContext(model, mujoco.mjtFontScale.mjFONTSCALE_100)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN, self._context)
        except Exception as error:  # of whatever kind the driver at hand raises
            raise _cannot_draw(way, error) from error
        atexit.register(self._close)  # before the driver itself is closed
        self._scene = mujoco.MjvScene(model, maxgeom=100)
        self._options, self._rectangle = mujoco.MjvOption(), mujoco.MjrRect(0, 0, size, size)
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._camera.fixedcamid = model.camera("camera").id

    def __call__(self, data) -> np.ndarray:
        """The picture of the model's data now, (size, size, 3) uint8."""
        self._gl.make_current()
        what = mujoco.mjtCatBit.mjCAT_ALL
        mujoco.mjv_updateScene(self._model, data, self._options, None, self._camera, what.value, self._scene)
        mujoco.mjr_render(self._rectangle, self._scene, self._context)
        picture = np.empty((self._size, self._size, 3), np.uint8)
        mujoco.mjr_readPixels(picture, None, self._rectangle, self._context)
        return np.ascontiguousarray(picture[::-1])  # OpenGL's first row is the lowest

    def _close(self) -> None:
        self._gl.make_current()
        self._context.free()
        self._gl.free()
