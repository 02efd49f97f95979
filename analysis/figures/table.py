"""A table as a picture."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure

from align.analysis.figures import style as figures

BREAKS = {": ": ":\n", " − ": "\n− ", " / ": "\n/ ", " R²": "\nR²"}
"""Where titles are broken into lines."""


def figure_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    bold: Sequence[Sequence[bool]],
    title: str = "",
    caption: str = "",
) -> Figure:
    """Names at the left, numbers at the right of their columns, with the rules of a printed table.

    Args:
        titles: (columns,) of the columns, the first of which holds names.
        rows: (rows, columns) text of the cells.
        bold: (rows, columns) which of them stand out.
        title: Above the table.
        caption: Below it.
    """
    for wide, broken in BREAKS.items():
        titles = [name.replace(wide, broken) for name in titles]
    lines = max(name.count("\n") + 1 for name in titles)
    columns = zip(titles, *rows, strict=True)
    widths = [max(len(line) for text in column for line in text.split("\n")) + 3 for column in columns]
    edges = np.concatenate([[0], np.cumsum(widths)])
    top = -0.6 - 0.85 * lines
    with figures.style():
        figure, axes = figures.canvas(1, 1, 0.055 * edges[-1], 0.17 * (len(rows) + 1 - top))
        ax = axes[0, 0]
        ax.set(xlim=(0, edges[-1]), ylim=(len(rows) + 0.4, top - 0.4))
        ax.axis("off")
        for j, name in enumerate(titles):
            ax.text(_anchor(edges, j), -0.6, name, weight="bold", **_align(j, "bottom"))
            for i, row in enumerate(rows):
                weight = "bold" if bold[i][j] else "normal"
                ax.text(_anchor(edges, j), i, row[j], weight=weight, **_align(j, "center"))
        for y, width in ((top - 0.3, 0.8), (-0.5, 0.5), (len(rows) - 0.4, 0.8)):
            ax.axhline(y, color=figures.BLACK, linewidth=width)
        figures.finish(figure, title=title, caption=caption)
    return figure


def _anchor(edges: np.ndarray, column: int) -> float:
    return edges[0] + 1 if column == 0 else edges[column + 1] - 1


def _align(column: int, vertical: str) -> Mapping[str, object]:
    return {"ha": "left" if column == 0 else "right", "va": vertical, "fontsize": 6.5}
