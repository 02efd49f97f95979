"""A sweep as it lies on disk, read: the table of its runs, and estimates over trainings and trials."""

from align.analysis.reports.sweep.arm import Arm
from align.analysis.reports.sweep.estimates import SEED_AXIS, Estimate, Sweep
from align.analysis.reports.sweep.metric import Metric

__all__ = ["SEED_AXIS", "Arm", "Estimate", "Metric", "Sweep"]
