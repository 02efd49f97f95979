"""Running a policy at a robot's rate."""

from align.robot.latency import Latency
from align.robot.runner import PolicyRunner

__all__ = ["Latency", "PolicyRunner"]
