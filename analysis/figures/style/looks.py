"""Colours and markers. One colour means one thing: domains and worlds, sites and arms each have their own.

Domains and sites take Okabe and Ito's palette, arms Tol's "muted" one (personal.sron.nl/~pault); both can be
told apart without red or green, and markers say the same again.
"""

import re
from collections.abc import Sequence

from matplotlib.colors import to_hex, to_rgb

from align.domain import Domain

BLUE, ORANGE, GREEN, VERMILION, SKY, PURPLE, YELLOW, BLACK = (
    "#0072B2", "#E69F00", "#009E73", "#D55E00", "#56B4E9", "#CC79A7", "#F0E442", "#000000",
)  # fmt: skip
GREY = "#7F7F7F"
CYCLE = ("#332288", "#999933", "#CC6677", "#44AA99", "#AA4499", "#117733", "#88CCEE", "#882255", "#DDCC77")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "d", "p")  # none points along an axis, as if beyond it
DOMAIN_COLOUR = {Domain.SIM: BLUE, Domain.REAL: VERMILION}
FARTHEST = 0.5  # share of white, or of black, in the last arm of a family
BRIGHT = 0.45  # luminance of a colour that would vanish on white paper if it were paler

Look = dict[str, str]


def look(i: int, shade: float = 0.0) -> Look:
    """Colour and marker of series number `i`.

    Args:
        i: From 0.
        shade: Share of white in its colour; of black in a colour that is bright itself.
    """
    pure = to_rgb(CYCLE[i % len(CYCLE)])
    colour = [(1 - shade) * c + shade * (luminance(pure) < BRIGHT) for c in pure]
    return {"color": to_hex(colour).upper(), "marker": MARKERS[i % len(MARKERS)]}


def luminance(colour: Sequence[float]) -> float:
    """Relative luminance of an sRGB colour (3,) in [0, 1], from 0, black, to 1, white (WCAG 2.2)."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


_PLACES = {
    "sim": (BLUE, "s"), "real": (VERMILION, "o"), "gym-pusht": (PURPLE, "P"),
    "image": (GREEN, "^"), "observation": (ORANGE, "D"), "denoiser": (BLACK, "v"),
}  # fmt: skip


def place_look(name: str, i: int = 5) -> Look:
    """Colour and marker of a world or a site, the same in every figure; of another those of number `i`."""
    return dict(zip(("color", "marker"), _PLACES.get(name, tuple(look(i).values())), strict=True))


def place_looks(names: Sequence[str]) -> list[Look]:
    """Colours and markers of worlds or sites beside each other, as each has alone; of others one each."""
    others = [name for name in names if name not in _PLACES]
    return [place_look(name, 5 + others.index(name) if name in others else 5) for name in names]


def families(labels: Sequence[str]) -> list[str]:
    """The family of each arm, by the labels that `Arm.label` makes.

    Arms that differ in numbers alone are one family, and so are names that begin with the same word:
    "gated-.2" and "gated-annotated", "adda" and "adda+guidance". Of arms without a name, as
    "alpha=0.1, real=10", the first number varies within the family, and the others tell families apart.
    """
    found = []
    for label in labels:
        first, *rest = label.split(", ")
        numbers = "=" in first
        found.append(", ".join(rest) if numbers else re.split(r"[-+_ ]", first)[0])
    return found


_ARMS = {"co": 0, "co-training": 0, "real": 1, "real-only": 1, "sim": 2, "sim-only": 2}
"""Hues of families that are in many sweeps, the same in all."""


def arm_looks(family: Sequence[str]) -> list[Look]:
    """Colour and marker of each arm: one hue a family, of another shade and marker from arm to arm of it.

    Co-training, real data alone and sim data alone have the same hue in every figure whose grid names no
    families. Where there are more families than hues, those that come later and have but one arm share grey.

    Args:
        family: That of each arm.
    """
    order = list(dict.fromkeys(family))
    single = [name for name in order if family.count(name) == 1]
    spare = set(single[::-1][: len(order) - len(CYCLE) + 1]) if len(order) > len(CYCLE) else set()
    own = {name: _ARMS[name] for name in order if name in _ARMS and name not in spare}
    others = [name for name in order if name not in (*spare, *own)]
    free = [i for i in range(len(CYCLE) + len(order)) if i not in own.values()]  # `look` begins anew
    hues = own | dict(zip(others, free, strict=False))
    looks, seen = [], dict.fromkeys(["", *order], 0)
    for name in family:
        key = "" if name in spare else name
        n, i = len(spare) if name in spare else family.count(name), seen[key]
        seen[key] += 1
        if name in spare:
            looks.append({"color": GREY, "marker": MARKERS[i % len(MARKERS)]})
        else:
            hue, shade = hues[name], FARTHEST * i / (n - 1) if n > 1 else 0.0
            looks.append(look(hue, shade) | {"marker": MARKERS[(hue + i) % len(MARKERS)]})
    return looks
