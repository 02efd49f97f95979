"""With what the runs of a sweep were trained, and how long that took: what `align keep` keeps of it."""

import contextlib
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, median
from typing import Any

from align.analysis.reports.sweep.kept import ORIGIN, kept_frame, made
from align.errors import InputError
from align.run.layout import PROVENANCE, TAKEN_OVER
from align.run.reading import is_there, read_json, reading
from align.run.times import Times, run_times

UNKNOWN = "not recorded"
TOLD = ("commit", "machine", "processor", "python")


def trained_with(runs: Sequence[Path]) -> dict[str, Any]:
    """How many runs were trained with what.

    Args:
        runs: Run directories.

    Returns:
        Their number as `runs`; where some were taken over, how many from which sweep; of each of `TOLD`, of
        each package in `versions` and of each store in `data` (its hash) how many runs had which, most first.

    Raises:
        InputError: What a run recorded of that is damaged.
    """
    found = [recorded_of(run) for run in runs]
    copies = [sweep for run in runs if (sweep := _taken_from(run)) is not None]
    counted = {name: _count(p.get(name) for p in found) for name in TOLD}
    for part in ("versions", "data"):
        names = dict.fromkeys(name for p in found for name in p[part])
        counted[part] = {name: _count(p[part].get(name) for p in found) for name in names}
    taken = {"taken_over": _count(copies)} if copies else {}
    return {"runs": len(runs), **taken, **counted}


def recorded_of(run: Path) -> dict[str, Any]:
    """What a run recorded of what it was trained with: `TOLD`, versions and data, as hashes.

    Raises:
        InputError: It is damaged.
    """
    path = run / PROVENANCE
    if not run.is_dir():
        return {"versions": {}, "data": {}, **made(run.parent).get(run.name, {}).get("provenance", {})}
    recorded = read_json(path) if is_there(path) else {}
    with reading(path):
        stores = {name: store["hash"] for name, store in recorded.get("data", {}).items()}
        told = {name: recorded[name] for name in TOLD if name in recorded}
        return {**told, "versions": dict(recorded.get("versions", {})), "data": stores}


def _taken_from(run: Path) -> str | None:
    """The sweep that a run was taken over from; None where it was not."""
    if run.is_dir():
        return read_json(run / TAKEN_OVER)["sweep"] if is_there(run / TAKEN_OVER) else None
    origins = kept_frame(run.parent).set_index("run").get(ORIGIN)
    origins = None if origins is None else origins.dropna()
    return None if origins is None or run.name not in origins else str(origins[run.name]).partition("/")[0]


def _count(values) -> dict[str, int]:
    return dict(Counter(UNKNOWN if value is None else str(value) for value in values).most_common())


def took(runs: Sequence[Path]) -> dict[str, Any] | None:
    """How long runs took that were not interrupted.

    Args:
        runs: Run directories of one sweep.

    Returns:
        `minutes_a_run`, trials, embeddings and probes included, and `ms_a_step` of training: the median over
        runs, the least and the most; `at_once`, how many of them ran at a time at most, and
        `minutes_for_each`, the mean time divided by that, which a sweep takes for each of its runs, both None
        where it is not known; and of each run by its name `minutes`, `ms_a_step`, `steps` and `at_once`. None
        where no run recorded its time.
    """
    times: dict[str, Times] = {}
    runs = [run for run in runs if _taken_from(run) is None]  # another sweep trained the others
    for run in runs:
        with contextlib.suppress(InputError):  # of another version, or not finished: it says nothing of times
            if (found := run_times(run)).whole is not None and found.steps:
                times[run.name] = found
    if not times:
        return None
    at_once = _at_once(times) if len(times) == len(runs) else dict.fromkeys(times)
    each = {
        name: {
            "minutes": round(t.whole / 60, 2),
            "ms_a_step": round(1000 * t.training / t.steps, 2),
            "steps": t.steps,
            "at_once": at_once[name],
        }
        for name, t in times.items()
    }
    most = None if None in at_once.values() else max(at_once.values())
    minutes = [run["minutes"] for run in each.values()]
    return {
        "minutes_a_run": _spread(minutes),
        "ms_a_step": _spread([run["ms_a_step"] for run in each.values()]),
        "at_once": most,
        "minutes_for_each": None if most is None else round(mean(minutes) / most, 2),
        "runs": each,
    }


def _at_once(times: Mapping[str, Times]) -> dict[str, int | None]:
    """How many runs were under way at a time, at most, while each one was; None unless all tell when."""
    if any(t.ended is None for t in times.values()):
        return dict.fromkeys(times)
    spans = {name: (t.ended - t.whole, t.ended) for name, t in times.items()}
    return {
        name: max(
            sum(begun <= moment < ended for begun, ended in spans.values())
            for moment, _ in spans.values()
            if first <= moment < last
        )
        for name, (first, last) in spans.items()
    }


def _spread(values: Sequence[float]) -> dict[str, float]:
    return {"median": round(median(values), 2), "least": min(values), "most": max(values)}
