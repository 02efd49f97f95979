"""The canvas of every figure: widths of a two-column paper, 300 dpi, and what is written around its panels.

Figures are drawn without pyplot, so no state is shared and no display is needed.
"""

import contextlib
import functools
import math
import os
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.legend_handler import HandlerTuple
from matplotlib.mathtext import MathTextParser
from matplotlib.text import Text
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox
from PIL import Image

from align.analysis.figures.style.looks import CYCLE
from align.files import atomic_path

COLUMN, DOUBLE = 3.4, 7.0  # inches: one column, both columns
DPI = 300
TITLE, LEGEND, CAPTION = 8.0, 7.0, 6.5  # sizes of what is around the panels
MARGIN = 0.06  # inches, around and between them
CAPTION_COLOUR = "#404040"
LEAST_APART = 0.5  # of the size of labels along an axis, between two of them
SOFT = "/,-=_.:;+"  # after which a word too long for a line is broken

_STYLE = {
    "font.size": 8, "axes.titlesize": 8, "axes.labelsize": 8, "xtick.labelsize": 7, "ytick.labelsize": 7,
    "legend.fontsize": 7, "legend.frameon": False, "legend.handlelength": 1.4, "legend.borderaxespad": 0.3,
    "axes.spines.top": False, "axes.spines.right": False, "axes.linewidth": 0.6, "axes.axisbelow": True,
    "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5, "ytick.major.size": 2.5,
    "lines.linewidth": 1.2, "lines.markersize": 4, "axes.grid": True, "grid.color": "#E6E6E6",
    "grid.linewidth": 0.5, "savefig.dpi": DPI, "figure.constrained_layout.use": True,
    "axes.prop_cycle": mpl.cycler(color=CYCLE), "mathtext.default": "regular",
}  # fmt: skip


@contextlib.contextmanager
def style() -> Iterator[None]:
    """The project's style, for figures made inside the `with`."""
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def canvas(rows: int, columns: int, width: float, height: float, **subplots) -> tuple[Figure, np.ndarray]:
    """A figure of `width` x `height` inches and its axes (rows, columns); keywords as `Figure.subplots`."""
    figure = Figure(figsize=(width, height), dpi=DPI)
    FigureCanvasAgg(figure)  # it measures text
    return figure, figure.subplots(rows, columns, squeeze=False, **subplots)


def finish(
    figure: Figure,
    *,
    title: str = "",
    legend: Mapping[str, Artist | tuple[Artist, ...]] | None = None,
    caption: str = "",
    legend_title: str = "",
) -> None:
    """Write a title above the panels and a legend and a caption below them, and lay the figure out.

    The figure grows by as much: panels keep their size, and nothing lies outside or on something else.

    Args:
        figure: With all its panels; nothing may be added afterwards that takes room.
        title: What the figure is of, one run or sweep.
        legend: Handles by what they mean, or several side by side.
        caption: How to read it: what bands, dashes and hollow marks are.
        legend_title: Above the legend.
    """
    width, height = figure.get_size_inches()
    room = width - 2 * MARGIN
    head, tail = MARGIN if title else 0.0, MARGIN
    blocks = []
    if title:
        text = figure.text(0, 0, wrap(title, TITLE, room, "bold"), size=TITLE, weight="bold", va="bottom")
        head += _height(figure, text) + MARGIN
        blocks.append((text, None))
    if caption:
        text = figure.text(
            0, 0, wrap(caption, CAPTION, room), size=CAPTION, color=CAPTION_COLOUR, va="bottom"
        )
        blocks.append((text, tail))
        tail += _height(figure, text) + MARGIN
    if legend:
        drawn = _legend(figure, legend, room, legend_title)
        blocks.append((drawn, tail))
        tail += _height(figure, drawn) + MARGIN
    total = head + height + tail
    figure.set_size_inches(width, total)
    figure.get_layout_engine().set(rect=(0, tail / total, 1, height / total))
    for artist, bottom in blocks:
        at = (total - head + MARGIN if bottom is None else bottom) / total
        artist.set_in_layout(False)
        if isinstance(artist, Legend):
            artist.set_loc("lower center")
            artist.set_bbox_to_anchor((0.5, at), transform=figure.transFigure)
        else:
            artist.set_position((MARGIN / width, at))
    _read_plainly(figure)
    figure.draw_without_rendering()  # so that positions are final
    if _space_ticks(figure):
        figure.draw_without_rendering()


def _space_ticks(figure: Figure) -> bool:
    """Have fewer ticks along x where their labels all but touch; whether any panel has fewer now.

    Matplotlib reckons with labels of three digits, and "−0.15" is wider.
    """
    fewer = False
    for ax in figure.axes:
        locator, most = ax.xaxis.get_major_locator(), math.inf
        while isinstance(locator, MaxNLocator) and (shown := _tick_boxes(ax)):
            apart = LEAST_APART * ax.xaxis.get_ticklabels()[0].get_size() * figure.dpi / 72
            enough = all(b.x0 - a.x1 >= apart for a, b in pairwise(shown))
            if enough or not 3 <= len(shown) < most:  # it may not want fewer
                break
            most = len(shown)
            locator.set_params(nbins=most - 2)  # intervals: one tick fewer, at round numbers
            fewer = True
    return fewer


def _tick_boxes(ax: Axes) -> list[Bbox]:
    """Of the labels along x that are drawn, from left to right."""
    low, high = sorted(ax.get_xlim())
    labels = [t for t in ax.get_xticklabels() if t.get_text() and low <= t.get_position()[0] <= high]
    return sorted((t.get_window_extent() for t in labels), key=lambda box: box.x0)


def _legend(
    figure: Figure, entries: Mapping[str, Artist | tuple[Artist, ...]], room: float, title: str
) -> Legend:
    """The legend with as many columns as fit into `room` inches, no more than leave no column short."""
    most = max(len(handle) if type(handle) is tuple else 1 for handle in entries.values())
    several = {"handler_map": {tuple: HandlerTuple(ndivide=None, pad=0.2)}} if most > 1 else {}
    several |= {"handlelength": 1.2 * most} if most > 1 else {}
    labels = [wrap(label, LEGEND, room - 0.6 - 0.12 * (most - 1)) for label in entries]
    for rows in range(1, len(labels) + 1):
        columns = -(-len(labels) // rows)
        legend = figure.legend(
            list(entries.values()), labels, ncols=columns, title=title or None, title_fontsize=LEGEND,
            columnspacing=1.2, handletextpad=0.4, borderaxespad=0.0, borderpad=0.0, **several,
        )  # fmt: skip
        if columns == 1 or _extent(figure, legend).width <= room * figure.dpi:
            return legend
        legend.remove()
    raise AssertionError("one column is the last")


def named(axes: Iterable[Axes]) -> dict[str, Artist]:
    """What legends of these panels would name, each name once."""
    found: dict[str, Artist] = {}
    for ax in axes:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    return found


def wrap(text: str, size: float, room: float, weight: str = "normal") -> str:
    """Text broken into lines of no more than `room` inches, between words, or inside one too long.

    Args:
        text: May hold line breaks, and mathematics between dollar signs, of one word each.
        size: Of the font, in points.
        room: Width in inches.
        weight: Of the font.
    """
    lines, space = [], _width(" ", size, weight)
    widest = 0.97 * 72 * room  # as drawn it may be a little wider, since letters sit on pixels
    for paragraph in text.split("\n"):
        line, width = "", 0.0
        for word in paragraph.split(" "):
            more = _width(word, size, weight)
            if line and width + space + more > widest:
                lines.append(line)
                line = ""
            line, width = (f"{line} {word}", width + space + more) if line else (word, more)
            while width > widest and len(line) > 1:
                inside = range(len(line) - 1, 0, -1)
                cut = next(n for n in inside if n == 1 or _width(line[:n], size, weight) <= widest)
                cut = max((i + 1 for i in range(cut) if line[i] in SOFT and i > cut // 3), default=cut)
                lines.append(line[:cut])
                line = line[cut:]
                width = _width(line, size, weight)
        lines.append(line)
    return "\n".join(lines)


@functools.lru_cache(maxsize=10_000)
def _width(text: str, size: float, weight: str) -> float:
    """Of text on one line, in points: a report writes the same words many times."""
    font = FontProperties(size=size, weight=weight)
    return text_to_path.get_text_width_height_descent(text, font, _is_mathematics(text))[0]


@functools.cache
def _is_mathematics(line: str) -> bool:
    """Whether what stands between dollar signs is mathematics; names of a user's may have such signs, too."""
    if "$" not in line:
        return False
    try:
        MathTextParser("path").parse(line)
    except ValueError:
        return False
    return True


def _read_plainly(artist: Artist) -> None:
    """Have texts with dollar signs that are no mathematics be drawn as they are; they would be an error."""
    for ax in artist.axes if isinstance(artist, Figure) else ():
        ax.get_xticklabels(), ax.get_yticklabels()  # which are not there before they are asked for
    for text in artist.findobj(Text):
        lines = text.get_text().split("\n")
        if not all(_is_mathematics(line) for line in lines if "$" in line):
            text.set_parse_math(False)


def _extent(figure: Figure, artist: Artist):
    _read_plainly(artist)
    return artist.get_window_extent(figure.canvas.get_renderer())


def _height(figure: Figure, artist: Artist) -> float:
    return _extent(figure, artist).height / figure.dpi


def save(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure in the project's style, atomically; the format is that of the suffix.

    A PNG has a palette: 256 colours hold a figure's few and their rims, in less than half of the bytes.
    """
    with style(), atomic_path(path) as target:  # some of the style is looked up only when it is drawn
        _read_plainly(figure)
        figure.savefig(target)
        if Path(path).suffix.lower() == ".png":
            with Image.open(target) as full:
                few = full.convert("RGB").quantize(256, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
            few.save(target, "PNG", optimize=True, dpi=(DPI, DPI))
