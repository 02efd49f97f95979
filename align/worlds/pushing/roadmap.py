"""Collision-free ways of the pusher around the T, in the T's own frame, where they never change."""

import heapq
import itertools
import math

import numpy as np

from align.worlds.pushing.geometry import PUSHER_RADIUS, T_VERTICES, distance_to_t

CLEARANCE = PUSHER_RADIUS + 6.0
"""Distance of the pusher's centre to the T's outline when it goes round a corner, px."""
_TOUCHING = PUSHER_RADIUS + 2.5
_SAMPLES = np.linspace(0.0, 1.0, 33)[:, None]
_CONVEX = [0, 1, 2, 4, 5, 7]


def _corner_nodes() -> np.ndarray:
    """Points (n, 2) around the convex corners of the T: two square to its edges and one between."""
    nodes = []
    for i in _CONVEX:
        before = T_VERTICES[i] - T_VERTICES[i - 1]
        after = T_VERTICES[(i + 1) % len(T_VERTICES)] - T_VERTICES[i]
        normals = [np.array([edge[1], -edge[0]]) / np.linalg.norm(edge) for edge in (before, after)]
        between = sum(normals) / math.sqrt(2)
        nodes += [T_VERTICES[i] + 1.06 * (CLEARANCE + 1.5) * n for n in (normals[0], between, normals[1])]
    return np.array(nodes)


def clear(starts: np.ndarray, ends: np.ndarray, distance: float) -> np.ndarray:
    """Which ways from `starts` (..., 2) straight to `ends` (..., 2) keep `distance` from the T, bool."""
    points = starts[..., None, :] + (ends - starts)[..., None, :] * _SAMPLES
    return distance_to_t(points).min(-1) >= distance


class Roadmap:
    """Shortest ways around the T to a fixed set of places next to it.

    Args:
        places: (m, 2) points in the body frame, each clear of the T.
    """

    def __init__(self, places: np.ndarray):
        self.places = places
        self.nodes = _corner_nodes()
        n = len(self.nodes)
        between = clear(self.nodes[:, None], self.nodes[None], CLEARANCE - 1)
        lengths = np.linalg.norm(self.nodes[:, None] - self.nodes[None], axis=-1)
        self._node_edges = np.where(between, lengths, np.inf)
        arrivals = clear(self.nodes[:, None], places[None], _TOUCHING)
        distance = np.linalg.norm(self.nodes[:, None] - places[None], axis=-1)
        self._arrivals = np.where(arrivals, distance, np.inf)
        shortest = self._node_edges.copy()
        np.fill_diagonal(shortest, 0.0)
        for k in range(n):
            shortest = np.minimum(shortest, shortest[:, k, None] + shortest[None, k])
        self._from_node = (shortest[:, :, None] + self._arrivals[None]).min(1)  # (n, m)

    def distances(self, start: np.ndarray) -> np.ndarray:
        """Lengths (m,) of the ways from `start` (2,) to every place, walls disregarded, px."""
        start = retreat(start)
        direct = np.linalg.norm(self.places - start, axis=-1)
        direct[~clear(start[None], self.places, _TOUCHING)] = np.inf
        first = np.linalg.norm(self.nodes - start, axis=-1)
        first[~clear(start[None], self.nodes, _TOUCHING)] = np.inf
        return np.minimum(direct, (first[:, None] + self._from_node).min(0))

    def path(self, start: np.ndarray, place: int, free: np.ndarray) -> np.ndarray | None:
        """The shortest way from `start` (2,) to `places[place]`, (k, 2) with both ends, or None.

        Args:
            start: Where the pusher is; when it touches the T it backs off first.
            place: Index of the place.
            free: (n,) bool, which of `nodes` can be used (the others are in a wall).
        """
        goal = self.places[place]
        head = retreat(start)
        lead = [start] if np.array_equal(head, start) else [start, head]
        if clear(head, goal, _TOUCHING):
            return np.array([*lead, goal])
        first = np.linalg.norm(self.nodes - head, axis=-1)
        first[~(clear(head[None], self.nodes, _TOUCHING) & free)] = np.inf
        best, previous = first.copy(), np.full(len(self.nodes), -1)
        queue = [(length, i) for i, length in enumerate(first) if length < math.inf]
        heapq.heapify(queue)
        while queue:
            length, i = heapq.heappop(queue)
            if length > best[i]:
                continue
            further = length + self._node_edges[i]
            for j in np.flatnonzero(free & (further < best)):
                best[j], previous[j] = further[j], i
                heapq.heappush(queue, (float(further[j]), int(j)))
        total = best + self._arrivals[:, place]
        last = int(total.argmin())
        if not total[last] < math.inf:
            return None
        way = [last]
        while previous[way[-1]] >= 0:
            way.append(int(previous[way[-1]]))
        return np.array([*lead, *self.nodes[way[::-1]], goal])


def retreat(point: np.ndarray) -> np.ndarray:
    """`point` (2,), moved straight away from the T until it is `CLEARANCE` from it."""
    gap = float(distance_to_t(point))
    if gap >= CLEARANCE - 1:
        return point
    steps = np.array([(1e-3, 0.0), (-1e-3, 0.0), (0.0, 1e-3), (0.0, -1e-3)])
    right, left, down, up = distance_to_t(point + steps)
    slope = np.array([right - left, down - up])
    return point + slope / max(float(np.linalg.norm(slope)), 1e-9) * (CLEARANCE + 0.5 - gap)


def along(path: np.ndarray, speed: float) -> np.ndarray:
    """Points (k, 2) a control step apart along `path` (n, 2): speed up, cruise, slow down.

    Args:
        path: Corners, px.
        speed: Cruising speed, px per control step.
    """
    lengths = np.linalg.norm(np.diff(path, axis=0), axis=1)
    reached = np.array([0.0, *itertools.accumulate(lengths)])
    marks, done, pace = [], 0.0, speed / 2
    while done < reached[-1] - 1e-6:
        left = reached[-1] - done
        pace = min(speed, pace + speed / 2)
        done += min(pace, max(0.6 * left, 5.0), left)
        marks.append(done)
    return np.stack([np.interp(marks, reached, path[:, axis]) for axis in range(2)], -1)
