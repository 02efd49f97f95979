"""Writing demonstrations in formats that others read."""

from align.conversion.lerobot import write_lerobot
from align.conversion.robomimic import write_robomimic

__all__ = ["write_lerobot", "write_robomimic"]
