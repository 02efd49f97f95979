"""What was found in stores, as aligned text for a terminal."""

import shutil
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from align.inspection.differences import LEVEL, Differences
from align.inspection.store import Array, Inspected, View, columns_of_both

_OUTSIDE = 0.01  # share of frames outside the other store's range that is worth a word
_GLUE = "\u00a0"  # a space at which no line is broken
_MANY = 16  # columns: of more, the range of all together is told


def store_text(found: Inspected) -> str:
    """A store on a screen."""
    says = f", of {found.domain} by its own word" if found.domain else ""
    lines = [f"{found.path}: {found.format}{says}", f"  {_size(found)}"]
    if found.cameras:
        rows = [("cameras", "height × width", "codec", "mean of 255")]
        rows += [
            (
                f"  {v.name}",
                _shape(v),
                _codec(v),
                " ".join(f"{m:g}" for m in v.mean or ()),
            )
            for v in found.cameras
        ]
        lines += ["", *_table(rows)]
    if found.arrays:
        lines += ["", "arrays"]
        width = max(len(a.name) for a in found.arrays)
        used = " + ".join(v for k, v in found.taken.items() if not k.startswith("image"))
        for array in found.arrays:
            head = f"  {array.name:<{width}}  {len(array.low):>3}  "
            lines += _wrapped(_ranges(array, array.name in used), head)
    if found.taken:
        rows = [(f"  {name}", key, found.why[name]) for name, key in found.taken.items()]
        lines += ["", "taken for training (other keys: data.sim_keys, data.real_keys)", *_table(rows)]
    told = [*_remarks(found)]
    return "\n".join([*lines, *(["", *told] if told else [])])


def differences_text(
    stores: Mapping[str, Inspected], pairs: Mapping[str, Differences], together: Differences
) -> str:
    """Stores side by side on a screen.

    Args:
        stores: All, by name; the first is compared with the others.
        pairs: How each of the others differs from it.
        together: Whether all fit.
    """
    (first, ours), *_ = stores.items()
    width = max(map(len, stores))
    lines = [f"{name:<{width}}  {s.path}: {s.format}" for name, s in stores.items()]
    for name, found in pairs.items():
        rows = [("", first, name, "")]
        rows += [
            (what, a, b, "" if a == b else note) for what, a, b, note in _side_by_side(ours, stores[name])
        ]
        rows += _columns(ours, stores[name], found, (first, name))
        lines += ["", *_table(rows)]
    told = [
        f"{name}: {s.keys}; choose otherwise with data.{name.partition(':')[0]}_keys"
        for name, s in stores.items()
        if s.keys
    ]
    told += [f"fault: {name}: {fault}" for name, s in stores.items() for fault in s.faults]
    told += [f"refused: {line}" for line in together.refused]
    told += [f"{name}: {line}" for name, s in stores.items() for line in [*_gaps(s), *_others(s)]]
    told += together.warned
    lines += ["", *(part for line in told for part in _wrapped(line, ""))] if told else []
    return "\n".join(lines)


def _size(found: Inspected) -> str:
    n = len(found.lengths)
    rate = f"{found.rate_hz:g} Hz" if found.rate_hz else "a rate that it does not tell"
    by = f" by its {found.rate_from}" if found.rate_from == "timestamps" else ""
    lasting = f", {_time(found.seconds)}" if found.seconds else ""
    frames = f"{found.lengths.sum():,} frames{lasting} at {rate}{by}"
    return f"{n:,} episodes, {frames}; each of {_lengths(found)}"


def _lengths(found: Inspected) -> str:
    low, middle, high = found.lengths.min(), np.median(found.lengths), found.lengths.max()
    return f"{low}" if low == high else f"{low} to {high} (median {middle:g})"


def _time(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"


def _shape(view: View) -> str:
    height, width, channels = view.shape
    return f"{height} × {width}" + ("" if channels == 3 else f", {channels} channels")


def _codec(view: View) -> str:
    return str(view.encoding or view.codec or "none")


def _ranges(array: Array, each: bool) -> str:
    """The range of an array, of each column where that is of use, and what columns are constant and so on."""
    names = array.names or [f"[{n}]" for n in range(len(array.low))]
    if (len(array.low) <= _MANY and each) or len(array.low) == 1:
        name = [""] if len(array.low) == 1 and not array.names else [f"{n}{_GLUE}" for n in names]
        ranges = ", ".join(
            f"{n}{low:.4g}" + ("" if low == high else f"{_GLUE}to{_GLUE}{high:.4g}")
            for n, low, high in zip(name, array.low, array.high, strict=True)
        )
    else:
        ranges = f"{min(array.low):.4g} to {max(array.high):.4g}"
    kinds = {"constant": array.constant, "binary": array.binary}
    kinds["quaternion whose sign flips"] = [c for flip in array.flips for c in range(flip, flip + 4)]
    kinds |= {
        f"wraps by {p}": [c for c, q in array.wraps.items() if q == p]
        for p in dict.fromkeys(array.wraps.values())
    }
    told = [f"{kind}: {_some([names[c] for c in columns])}" for kind, columns in kinds.items() if columns]
    units = array.units or []
    told += [f"in {units[0]}" if len(set(units)) == 1 else f"in {', '.join(units)}"] if any(units) else []
    return "; ".join([ranges, *told])


def _some(names: Sequence[str]) -> str:
    return ", ".join(names) if len(names) <= 8 else f"{', '.join(names[:8])} and {len(names) - 8} more"


def _remarks(found: Inspected) -> Iterator[str]:
    for fault in found.faults:
        yield from _wrapped(f"fault: {fault}", "")
    for note in [*_gaps(found), *_others(found), *found.notes]:
        yield from _wrapped(note, "")


def _others(found: Inspected) -> Iterator[str]:
    if found.others:
        others = ", ".join(f"{name} ({what})" for name, what in found.others.items())
        yield f"note: neither numbers (frames, D) nor images, and not used: {others}"


def _gaps(found: Inspected) -> Iterator[str]:
    if found.gaps is not None:
        yield f"warning: {found.gaps}"


def _side_by_side(sim: Inspected, real: Inspected) -> Iterator[tuple[str, str, str, str]]:
    """What, sim, real, and why it matters if they differ."""
    pair = sim, real
    yield ("episodes", *(f"{len(s.lengths):,}" for s in pair), "")
    yield ("frames", *(f"{s.lengths.sum():,}" for s in pair), "")
    yield (
        "rate",
        *(f"{s.rate_hz:g} Hz" if s.rate_hz else "not told" for s in pair),
        "steps would last differently long" if None not in (sim.rate_hz, real.rate_hz) else "",
    )
    yield ("frames an episode", *map(_lengths, pair), "")
    if None not in (sim.rate_hz, real.rate_hz):
        middle = [float(np.median(s.lengths)) / s.rate_hz for s in pair]
        pace = max(middle) / min(middle)
        yield ("median episode", *map(_time, middle), f"{pace:.2g} times as long" if pace > 1.25 else "")
    for name in sim.reader_cameras | real.reader_cameras:
        views = [s.reader_cameras.get(name) for s in pair]
        yield (name, *(v.name if v else "none" for v in views), "")
        if None in views:
            continue
        yield ("  height × width", *map(_shape, views), "resized to one (data.image_size)")
        yield (
            "  codec",
            *(_codec(v) for v in views),
            "a codec alone tells domains apart",
        )
        if all(v.mean for v in views):
            yield ("  mean of 255", *(" ".join(f"{m:.0f}" for m in v.mean) for v in views), "")


def _columns(
    sim: Inspected, real: Inspected, found: Differences, names: tuple[str, str]
) -> Iterator[tuple[str, str, str, str]]:
    """The range of each column in both, with the share of frames that the other's range leaves out."""
    for name, columns in found.columns.items():
        yield (name, str(len(columns)), str(len(columns)), "")
        for label, column in zip(columns_of_both(sim, real, name), columns, strict=True):
            ranges = [
                f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"
                for low, high in (column.sim, column.real)
            ]
            notes = [
                f"{share:.0%} of {whose} outside {other}'s range"
                for share, whose, other in (
                    (column.real_outside, names[1], names[0]),
                    (column.sim_outside, *names),
                )
                if share > _OUTSIDE
            ]
            kinds = column.kinds
            notes += (
                [f"{kinds[0]} in both" if kinds[0] else ""]
                if kinds[0] == kinds[1]
                else [f"{kind} in {whose} alone" for kind, whose in zip(kinds, names, strict=True) if kind]
            )
            yield (f"  {label}", *ranges, "; ".join(filter(None, notes)))
    apart = [n for n, start in enumerate(found.starts) if start.p < LEVEL]
    if found.starts:
        yield ("starts", "", "", "" if apart else "not told apart in any column of agent_pos")
    for n in apart:
        start, label = found.starts[n], columns_of_both(sim, real, "agent_pos")[n]
        cells = [f"{mean:.3g} ± {sd:.2g}" for mean, sd in (start.sim, start.real)]
        yield (f"  {label}, mean ± sd", *cells, f"differ (p = {start.p:.1g})")


def _table(rows: Iterable[Sequence[str]]) -> list[str]:
    """Cells in aligned columns."""
    rows = [tuple(map(str, row)) for row in rows]
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    return ["  ".join(cell.ljust(w) for cell, w in zip(row, widths, strict=True)).rstrip() for row in rows]


def _wrapped(text: str, head: str) -> list[str]:
    width = max(60, min(shutil.get_terminal_size().columns, 110))
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * (len(head) or 2),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [line.replace(_GLUE, " ") for line in lines]
