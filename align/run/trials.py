"""What rollouts leave in a run: the trials as a table, and films of some of them."""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from align.files import atomic_path
from align.run.layout import ROLLOUTS_FILM, ROLLOUTS_PICTURE
from align.run.opencv import cv2

MOMENTS = 6  # of each trial in the picture of rollouts


def write_trials(path: str | Path, trials: Sequence[Mapping[str, Any]]) -> None:
    """Write trials as CSV, one row each; a column that a world does not have is empty in its rows."""
    columns = dict.fromkeys(name for trial in trials for name in trial)
    with atomic_path(path) as target, open(target, "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(columns))
        writer.writeheader()
        writer.writerows(trials)


def write_film(folder: str | Path, films: Mapping[str, np.ndarray]) -> None:
    """Write `rollouts.gif` (all filmed trials playing) and `rollouts.png` (a few moments of each).

    Moments are spread over the time in which anything moves: trials may end long before others do. Nothing is
    written where no trial was filmed.

    Args:
        folder: Where to.
        films: (film, frames, size, size, 3) uint8 a world, as `rollout` returns them.
    """
    films = {name: film for name, film in films.items() if len(film)}
    if not films:
        return
    grid = np.concatenate([np.concatenate(list(f), axis=2) for f in films.values()], axis=1)
    images = [Image.fromarray(frame) for frame in grid]
    with atomic_path(Path(folder) / ROLLOUTS_FILM) as target:
        images[0].save(target, save_all=True, append_images=images[1:], duration=400, loop=0)
    rows = []
    for name, film in films.items():
        for trial in film:
            strip = np.concatenate(list(trial[_moments(trial)]), axis=1)
            rows.append(cv2.putText(strip.copy(), name, (3, 12), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1))
    with atomic_path(Path(folder) / ROLLOUTS_PICTURE) as target:
        Image.fromarray(np.concatenate(rows)).save(target)


def _moments(film: np.ndarray) -> np.ndarray:
    """Indices (MOMENTS,) of frames from the first to the one after which nothing moves."""
    moves = np.flatnonzero((film[1:] != film[:-1]).any(axis=(1, 2, 3)))
    return np.linspace(0, moves[-1] + 1 if len(moves) else 0, MOMENTS).round().astype(int)
