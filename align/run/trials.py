"""What rollouts leave in a run: the trials as a table, and films of some of them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from align.files import atomic_path
from align.run.layout import ROLLOUTS_FILM, ROLLOUTS_PICTURE, title

MOMENTS = 6  # of each trial in the picture of rollouts
FRAME = "#B0B0B0"  # around each moment: a white world would have no edge on white paper
FONT, PAD, GUTTER = 11, 4, 120  # pixels: of the text in it, around the text, at most beside the moments


def write_trials(path: str | Path, trials: Sequence[Mapping[str, Any]]) -> None:
    """Write trials as CSV, one row each; a column that a world does not have is empty in its rows."""
    columns = dict.fromkeys(name for trial in trials for name in trial)
    with atomic_path(path) as target, open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns))
        writer.writeheader()
        writer.writerows(trials)


def write_film(
    folder: str | Path, films: Mapping[str, np.ndarray], trials: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Write `rollouts.gif` (all filmed trials playing) and `rollouts.png` (a few moments of each).

    Moments are spread over the time in which anything moves: trials may end long before others do. Nothing is
    written where no trial was filmed.

    Args:
        folder: Where to.
        films: (film, frames, size, size, 3) uint8 a world, as `rollout` returns them.
        trials: The rows of these trials, which say beside the moments how each went.
    """
    films = {name: film for name, film in films.items() if len(film)}
    if not films:
        return
    grid = np.concatenate([np.concatenate(list(f), axis=2) for f in films.values()], axis=1)
    images = [Image.fromarray(frame) for frame in grid]
    with atomic_path(Path(folder) / ROLLOUTS_FILM) as target:
        images[0].save(target, save_all=True, append_images=images[1:], duration=400, loop=0)
    with atomic_path(Path(folder) / ROLLOUTS_PICTURE) as target:
        _picture(films, trials, title(folder)).save(target)


def _picture(films: Mapping[str, np.ndarray], trials: Sequence[Mapping[str, Any]], name: str) -> Image.Image:
    """A row a trial, what it is at the left of its moments, and whose trials they are above all."""
    rows, notes = [], []
    for world, film in films.items():
        of_world = [row for row in trials if row["world"] == world]
        for i, trial in enumerate(film):
            rows.append(np.concatenate(list(trial[_moments(trial)]), axis=1))
            row = of_world[i] if i < len(of_world) else {}
            notes.append([world, f"trial {row.get('trial', i)}"])
            notes[-1] += [f"score {float(row['score']):.2f}"] if "score" in row else []
    strip, font = np.concatenate(rows), ImageFont.load_default(size=FONT)
    gutter = int(min(max(font.getlength(line) for note in notes for line in note), GUTTER)) + 2 * PAD
    head = _broken(
        f"{name}: {MOMENTS} moments of a trial, while anything moves; the score is of the whole trial",
        font,
        gutter + strip.shape[1],
    )
    above = len(head) * (FONT + 3) + 2 * PAD
    picture = Image.new("RGB", (gutter + strip.shape[1], above + strip.shape[0]), "white")
    picture.paste(Image.fromarray(strip), (gutter, above))
    draw = ImageDraw.Draw(picture)
    side, wide = len(rows[0]), rows[0].shape[1] // MOMENTS
    for i, j in np.ndindex(len(rows), MOMENTS):
        corner = gutter + j * wide, above + i * side
        draw.rectangle((*corner, corner[0] + wide - 1, corner[1] + side - 1), outline=FRAME)
    draw.multiline_text((PAD, PAD), "\n".join(head), "black", font, spacing=3)
    for i, note in enumerate(notes):
        lines = [line for part in note for line in _broken(part, font, gutter)]
        lines = lines[: (len(rows[0]) - PAD) // (FONT + 3)]
        draw.multiline_text((PAD, above + i * len(rows[0]) + PAD), "\n".join(lines), "black", font, spacing=3)
    return picture


def _broken(text: str, font: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines that fit into `width` pixels."""
    lines = [""]
    for letter in text:
        if lines[-1] and font.getlength(lines[-1] + letter) > width - 2 * PAD:
            head, space, tail = lines[-1].rpartition(" ")
            lines[-1:] = [head, tail] if space else [lines[-1], ""]
        lines[-1] += letter
    return lines


def _moments(film: np.ndarray) -> np.ndarray:
    """Indices (MOMENTS,) of frames from the first to the one after which nothing moves."""
    moves = np.flatnonzero((film[1:] != film[:-1]).any(axis=(1, 2, 3)))
    return np.linspace(0, moves[-1] + 1 if len(moves) else 0, MOMENTS).round().astype(int)
