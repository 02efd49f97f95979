"""The look of every figure, used as `from align.analysis.figures import style as figures`."""

from align.analysis.figures.style.canvas import COLUMN, DOUBLE, canvas, finish, named, save, style, wrap
from align.analysis.figures.style.labels import letter, name_points
from align.analysis.figures.style.legend import by_family
from align.analysis.figures.style.looks import (
    BLACK,
    BLUE,
    CYCLE,
    DOMAIN_COLOUR,
    GREEN,
    GREY,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    Look,
    arm_looks,
    families,
    look,
    place_look,
)
from align.analysis.figures.style.marks import band, cloud, diagonal, reference, trainings, whiskers
from align.analysis.figures.style.scales import BrokenLogAxis, at_edge, auc_axis, root_axis

__all__ = [
    "BLACK",
    "BLUE",
    "COLUMN",
    "CYCLE",
    "DOMAIN_COLOUR",
    "DOUBLE",
    "GREEN",
    "GREY",
    "ORANGE",
    "PURPLE",
    "SKY",
    "VERMILION",
    "BrokenLogAxis",
    "Look",
    "arm_looks",
    "at_edge",
    "auc_axis",
    "band",
    "by_family",
    "canvas",
    "cloud",
    "diagonal",
    "families",
    "finish",
    "letter",
    "look",
    "name_points",
    "named",
    "place_look",
    "reference",
    "root_axis",
    "save",
    "style",
    "trainings",
    "whiskers",
    "wrap",
]
