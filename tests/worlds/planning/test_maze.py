"""A maze: collision checks and rectangles against Shapely and brute force, thicker walls, islands."""

import itertools

import numpy as np
import pytest
import shapely

from align.errors import InputError
from align.worlds.planning.maze import Maze, MazeSpec, maximal_rectangles


def walls(maze: Maze) -> shapely.Geometry:
    cells = np.argwhere(maze.occupied)
    return shapely.union_all(
        [shapely.box(maze.x[i], maze.y[j], maze.x[i + 1], maze.y[j + 1]) for i, j in cells]
    )


@pytest.fixture(params=range(3))
def maze(request) -> Maze:
    return MazeSpec(cells=4, seed=request.param, loops=0.3).maze()


def test_points_and_segments_against_shapely(maze):
    rng = np.random.default_rng(0)
    start = rng.uniform(maze.low - 0.2, maze.high + 0.2, (3000, 2))
    end = start + rng.normal(0, 0.3, start.shape)
    solid, inside = walls(maze), shapely.box(*maze.low, *maze.high)
    lines = shapely.linestrings(np.stack([start, end], axis=1))
    free = shapely.within(lines, inside) & ~shapely.intersects(lines, solid)
    assert 0.1 < free.mean() < 0.9
    np.testing.assert_array_equal(maze.segments_free(start, end), free)
    np.testing.assert_array_equal(maze.segments_free(end, start), free)
    points = shapely.points(start)
    np.testing.assert_array_equal(
        maze.free(start), shapely.within(points, inside) & ~shapely.intersects(points, solid)
    )


def test_no_corner_is_cut_however_thin():
    corner = Maze(np.array([[False, False], [False, True]]), np.arange(3.0), np.arange(3.0))
    for past, free in ((1e-9, False), (-1e-9, True)):
        middle, across = np.array([1.0, 1.0]) + past, np.array([0.5, -0.5])
        assert corner.segments_free(middle + across, middle - across) == free
    assert not corner.path_free([[0.5, 0.5], [1.5, 0.5], [0.5, 1.5], [1.2, 1.2]])
    assert not corner.free([1.0, 1.5]), "to touch a wall is to collide"
    assert not corner.free([np.nan, 0.5]) and not corner.segments_free([0.5, 0.5], [0.5, np.inf])


def test_padding_is_erosion_by_a_square(maze):
    padded, rng = maze.padded(0.1), np.random.default_rng(0)
    points = rng.uniform(maze.low, maze.high, (2000, 2))
    solid = walls(maze)
    squares = shapely.box(*(points - 0.1).T, *(points + 0.1).T)
    expected = ~shapely.intersects(squares, solid)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_array_equal(padded.free(points), expected)


def test_rectangles_are_the_maximal_ones():
    rng = np.random.default_rng(0)
    for _ in range(30):
        mask = rng.random(rng.integers(1, 6, 2)) < 0.7
        nx, ny = mask.shape
        ranges = [
            (i0, i1, j0, j1)
            for i0, i1 in itertools.combinations(range(nx + 1), 2)
            for j0, j1 in itertools.combinations(range(ny + 1), 2)
            if mask[i0:i1, j0:j1].all()
        ]
        expected = {
            r
            for r in ranges
            if not any(
                s != r and s[0] <= r[0] and s[1] >= r[1] and s[2] <= r[2] and s[3] >= r[3] for s in ranges
            )
        }
        found = [tuple(map(int, r)) for r in maximal_rectangles(mask)]
        assert len(found) == len(set(found)) and set(found) == expected


def test_rooms_cover_the_free_space_and_nothing_else(maze):
    for each in (maze, maze.padded(0.1)):
        free = shapely.box(*each.low, *each.high) - walls(each)
        rooms = shapely.union_all(shapely.box(*each.rooms.reshape(-1, 4).T))
        assert free.symmetric_difference(rooms).area < 1e-9


def test_mazes_are_connected_and_follow_from_their_specification():
    for spec in (MazeSpec(seed=3), MazeSpec(cells=2, loops=0), MazeSpec(cells=8, seed=5, loops=0)):
        maze = spec.maze()
        free = (shapely.box(*maze.low, *maze.high) - walls(maze)).buffer(-1e-6)
        assert free.geom_type == "Polygon", "one piece"
        np.testing.assert_array_equal(maze.occupied, spec.maze().occupied)
        assert len(maze.islands) == len(free.interiors) and (spec.loops > 0 or not len(maze.islands))
        assert not maze.free(maze.islands).any()
    assert not np.array_equal(MazeSpec(seed=0).maze().occupied, MazeSpec(seed=1).maze().occupied)


@pytest.mark.parametrize(
    "wrong", [{"cells": 1}, {"seed": -1}, {"loops": 1.5}, {"wall": 1.0}, {"cell": np.inf}]
)
def test_mistakes(wrong):
    with pytest.raises(InputError, match=f"{next(iter(wrong))}="):
        MazeSpec(**wrong)
