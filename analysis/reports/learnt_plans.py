"""The plans that a run of a planning world was trained on, and the scene in which they were made."""

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from align.analysis.reports.run_config import run_config
from align.data.episodes import Episodes, read_store
from align.domain import Domain
from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.maze import Maze, MazeSpec
from align.worlds.planning.plans import path_of

LIMIT = 100  # plans of each store that are read; the first ones
SCENES = {"maze": lambda maze: MazeSpec(**maze).maze(), "arm": lambda arm: ArmSpec(**arm)}
TITLES = {"gcs": "GCS", "rrt": "RRT", "rrt-connect": "RRT-Connect"}


@dataclass(frozen=True)
class Plans:
    """Plans of one planner in a scene: `paths` (T, 2) m in a maze, or (T, 7) rad of an arm."""

    planner: str
    paths: list[np.ndarray]
    scene: Maze | ArmSpec

    @property
    def title(self) -> str:
        """The planner's name as it is written."""
        return TITLES[self.planner]


def plans_of(run: str | os.PathLike, limit: int = LIMIT) -> dict[Domain, Plans]:
    """The plans that a run was trained on, by domain; without stores that are gone or hold no plans."""
    data = run_config(run).get("data", {})
    found = {}
    for domain in Domain:
        store = data.get(domain.label)
        if store is None or not Path(store).exists():
            continue
        episodes = read_store(store, data.get(f"{domain.label}_keys"), images=False)
        scene = next((name for name in SCENES if name in episodes.attrs), None)
        if scene is None or "planner" not in episodes.attrs:
            continue
        scene = SCENES[scene](episodes.attrs[scene])
        found[domain] = Plans(episodes.attrs["planner"], paths_of(episodes, limit), scene)
    return found


def paths_of(episodes: Episodes, limit: int | None = None) -> list[np.ndarray]:
    """The waypoints (T, D) of each plan of a store, or of the first `limit` of them."""
    return [path_of(episodes.state[a:b]) for a, b in pairwise([0, *episodes.ends[:limit]])]
