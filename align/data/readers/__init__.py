"""Dataset formats, each behind the seam of `Reader`."""

from align.data.readers.lerobot import LeRobotDataset
from align.data.readers.opening import FORMATS, check_reader, open_store
from align.data.readers.reader import Camera, Preset, Reader
from align.data.readers.robomimic import RobomimicFile, RobomimicTrain
from align.data.readers.zarr_store import ZarrStore

__all__ = [
    "FORMATS",
    "Camera",
    "LeRobotDataset",
    "Preset",
    "Reader",
    "RobomimicFile",
    "RobomimicTrain",
    "ZarrStore",
    "check_reader",
    "open_store",
]
