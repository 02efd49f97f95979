"""A table as a picture: every cell in its row and column, and nothing beyond the borders."""

import numpy as np
from PIL import Image

from align.analysis.figures import style as figures
from align.analysis.figures.table import figure_table

TITLES = ["arm", "real: score", "real: score − co-training"]
ROWS = [["co-training", "0.50 [0.40, 0.60]", "—"], ["mmd", "0.60 [0.50, 0.70]", "+0.10 [+0.05, +0.15]"]]
BOLD = [[False] * 3, [False, False, True]]


def test_cells_are_in_their_rows_and_columns_and_some_bold():
    (ax,) = figure_table(TITLES, ROWS, BOLD).axes
    texts = {text.get_text().replace("\n", " "): text for text in ax.texts}
    assert len(texts) == 9
    for i, row in enumerate([TITLES, *ROWS]):
        assert np.ptp([texts[name].get_position()[1] for name in row]) == 0
        x = [texts[name].get_position()[0] for name in row]
        assert x == sorted(x) and [texts[name].get_ha() for name in row] == ["left", "right", "right"]
        bold = [texts[name].get_weight() == "bold" for name in row]
        assert bold == ([True] * 3 if i == 0 else BOLD[i - 1])
    low, high = ax.get_ylim()
    heights = [texts[row[0]].get_position()[1] for row in [TITLES, *ROWS]]
    assert low > high and heights == sorted(heights), "the titles are on top"


def test_it_has_ink_within_its_borders(tmp_path):
    figures.save(figure_table(TITLES, ROWS, BOLD), tmp_path / "table.png")
    ink = np.array(Image.open(tmp_path / "table.png").convert("L")) < 200
    assert ink.any() and not (ink[:3].any() or ink[-3:].any() or ink[:, :3].any() or ink[:, -3:].any())
