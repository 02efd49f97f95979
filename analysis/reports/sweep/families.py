"""Which arms of a sweep are of one kind, and so of one hue in its figures."""

from collections.abc import Sequence

from align.analysis.figures.style import families as by_label
from align.analysis.reports.sweep.arm import Arm
from align.analysis.reports.sweep.estimates import Sweep


def families(sweep: Sweep, arms: Sequence[Arm]) -> list[str]:
    """The family of each arm: the one that the grid names for a value of its axes, or else by its label."""
    named = {
        (axis, value): family
        for axis, found in (sweep.grid.get("families") or {}).items()
        for family, values in found.items()
        for value in values
    }
    labelled = by_label([arm.label for arm in arms])
    return [
        next((named[at] for at in arm.point.items() if at in named), other)
        for arm, other in zip(arms, labelled, strict=True)
    ]
