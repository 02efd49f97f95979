"""Legends of many arms: an entry a family, with the markers of all its arms."""

from collections.abc import Mapping, Sequence

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

MOST = 9  # arms that a legend names one by one


def by_family(
    legend: Mapping[str, Artist],
    arms: Sequence[str],
    families: Sequence[str],
    looks: Sequence[dict[str, str]],
) -> dict[str, Artist | tuple[Artist, ...]]:
    """Entries of a legend in the order of families; where there are many arms, one a family.

    Args:
        legend: Handles by label, of arms and of others, which come last.
        arms: Labels.
        families: That of each arm.
        looks: Likewise.
    """
    order = {family: i for i, family in enumerate(dict.fromkeys(families))}
    shown = [k for k, arm in enumerate(arms) if arm in legend]
    shown.sort(key=lambda k: order[families[k]])
    rest = {label: handle for label, handle in legend.items() if label not in arms}
    if len(shown) <= MOST:
        return {arms[k]: legend[arms[k]] for k in shown} | rest
    entries: dict[str, Artist | tuple[Artist, ...]] = {}
    for family in order:
        of = [k for k in shown if families[k] == family]
        if of:
            told = len(of) == 1 or all(arms[k].startswith(family) for k in of)  # by the names themselves
            names = [arms[k] if told else _beyond(family, arms[k]) for k in of]
            text = ("; " if any("," in name for name in names) else ", ").join(names)
            text = text if told else f"{family}: {text}"
            entries[text] = tuple(Line2D([], [], linestyle="none", **looks[k]) for k in of)
    return entries | rest


def _beyond(family: str, arm: str) -> str:
    """An arm's name without the setting that the family's is; a name of its own it keeps."""
    said = [part for part in family.split(", ") if "=" in part]
    return ", ".join(part for part in arm.split(", ") if part not in said) or arm
