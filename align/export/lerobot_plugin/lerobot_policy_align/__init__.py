"""LeRobot's plugin for policies that `align export --format lerobot` wrote; it imports nothing of align."""

from lerobot_policy_align.configuration_align import AlignConfig

__all__ = ["AlignConfig"]
