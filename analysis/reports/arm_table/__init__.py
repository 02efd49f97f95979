"""The arms of a sweep as tables: `arms.csv` with all that was measured, and a short one to read and print."""

from align.analysis.reports.arm_table.report import report
from align.analysis.reports.arm_table.table import ArmTable

__all__ = ["ArmTable", "report"]
