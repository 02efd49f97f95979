"""Smooth plans: shortest paths in a graph of convex sets (Marcucci et al. 2023), computed by Drake."""

import contextlib
import logging
from collections.abc import Iterator, Sequence

import numpy as np

from align.errors import InputError
from align.worlds.planning.maze import Maze

ORDER = 5
SAMPLES_PER_REGION = 200


class RegionPlanner:
    """Bézier paths through convex regions, once and twice continuously differentiable.

    Minimises length plus the L2 norm of the second differences of control points, which stands for bending.
    The plan is the best of a few roundings of the convex relaxation; it depends on query and seed alone.

    Args:
        regions: Drake's convex sets, all of dimension D.
        edges: Pairs (i, j) of regions that overlap, in both directions.
        order: Of the Bézier curve in each region; paths of order 1 are polylines, only their length counts.
        paths, trials: How many different paths the rounding looks for, in how many draws at most.
    """

    def __init__(
        self,
        regions: Sequence,
        edges: Sequence[tuple[int, int]],
        order: int = ORDER,
        paths: int = 5,
        trials: int = 50,
    ):
        common, planning, solvers, optimization = _drake()
        logging.getLogger("drake").setLevel(logging.WARNING)
        self._point = optimization.Point
        size = regions[0].ambient_dimension()
        self._gcs = planning.GcsTrajectoryOptimization(size)
        self._regions = self._gcs.AddRegions(
            list(regions),
            [(int(i), int(j)) for i, j in edges],
            order=order,
            h_min=1.0,  # times are not optimised: motion along the path is that of `task.waypoints`
            h_max=1.0,
        )
        self._gcs.AddPathLengthCost(1.0)
        if order > 1:
            for k in (1, 2):
                self._gcs.AddPathContinuityConstraints(k)
            bend = np.kron(np.diff(np.eye(order + 1), 2, axis=0), np.eye(size))
            cost = solvers.L2NormCost(bend, np.zeros(len(bend)))
            points = self._regions.vertex_control_points().T.reshape(-1)
            self._regions.AddVertexCost(solvers.Binding[solvers.Cost](cost, points))
        options = optimization.GraphOfConvexSetsOptions()
        options.convex_relaxation = options.preprocessing = True
        options.max_rounded_paths, options.max_rounding_trials = paths, trials
        options.solver = options.restriction_solver = options.preprocessing_solver = solvers.ClarabelSolver()
        options.parallelism = common.Parallelism(1)
        self._options = options

    def plan(self, start: np.ndarray, goal: np.ndarray, seed: int) -> np.ndarray | None:
        """A path from `start` to `goal`, (D,) each, as a dense polyline (n, D); None where none is found.

        Args:
            start, goal: Points of the free space.
            seed: Of the rounding.
        """
        with self._ends(start, goal) as ends:
            self._options.rounding_seed = seed
            trajectory, result = self._gcs.SolvePath(*ends, self._options)
        return _dense(trajectory) if result.is_success() else None

    def sequence(self, start: np.ndarray, goal: np.ndarray, seed: int) -> list[int] | None:
        """The regions that the path of `plan` leads through, in order, or None."""
        with self._ends(start, goal) as ends:
            self._options.rounding_seed = seed
            _, result = self._gcs.SolvePath(*ends, self._options)
            if not result.is_success():
                return None
            first, last = (end.Vertices()[0] for end in ends)
            edges = self._gcs.graph_of_convex_sets().GetSolutionPath(first, last, result)
            ids = [vertex.id() for vertex in self._regions.Vertices()]
            return [ids.index(edge.v().id()) for edge in edges[:-1]]

    def along(self, start: np.ndarray, goal: np.ndarray, sequence: Sequence[int]) -> np.ndarray | None:
        """As `plan`, but through the regions `sequence`, in this order: a convex restriction."""
        with self._ends(start, goal) as ends:
            first, last = (end.Vertices()[0] for end in ends)
            between = [self._regions.Vertices()[i] for i in sequence]
            trajectory, result = self._gcs.SolveConvexRestriction([first, *between, last], self._options)
        return _dense(trajectory) if result.is_success() else None

    @contextlib.contextmanager
    def _ends(self, start: np.ndarray, goal: np.ndarray) -> Iterator[list]:
        """Start and goal as subgraphs of the graph, for as long as they are needed."""
        ends = [self._gcs.AddRegions([self._point(point)], [], 0) for point in (start, goal)]
        try:
            self._gcs.AddEdges(ends[0], self._regions)
            self._gcs.AddEdges(self._regions, ends[1])
            yield ends
        finally:
            for end in ends:
                self._gcs.RemoveSubgraph(end)


def _dense(trajectory) -> np.ndarray:
    """A trajectory as a polyline (n, D)."""
    # The first and last segments are the points of start and goal: in them time passes and nothing moves.
    segments = [trajectory.segment(i) for i in range(1, trajectory.get_number_of_segments() - 1)]
    dense = [
        segment.vector_values(np.linspace(segment.start_time(), segment.end_time(), SAMPLES_PER_REGION)).T
        for segment in segments
    ]
    return np.concatenate(dense)


class GcsPlanner(RegionPlanner):
    """Smooth plans through the maximal free rectangles of a maze.

    Args:
        maze: The maze, its walls padded.

    Raises:
        InputError: Drake is not installed.
    """

    def __init__(self, maze: Maze):
        optimization = _drake()[-1]
        rooms = maze.rooms
        overlap = np.minimum(rooms[:, None, 1], rooms[None, :, 1]) - np.maximum(
            rooms[:, None, 0], rooms[None, :, 0]
        )
        touching = (overlap > 1e-3).all(-1) & ~np.eye(len(rooms), dtype=bool)
        boxes = [optimization.HPolyhedron.MakeBox(low, high) for low, high in rooms]
        super().__init__(boxes, np.argwhere(touching))


def _drake() -> tuple:
    """Drake's modules common, planning, solvers and geometry.optimization.

    Raises:
        InputError: It is not installed.
    """
    try:
        from pydrake import common, planning, solvers
        from pydrake.geometry import optimization
    except ImportError as error:
        raise InputError(
            "drake is not installed; expected for planner gcs: pip install -e '.[planning]' in a checkout"
        ) from error
    return common, planning, solvers, optimization
