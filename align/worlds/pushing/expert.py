"""A planner that pushes the T home: simulated look-ahead over pushes, ways around the T in between."""

import math
from dataclasses import dataclass

import numpy as np

from align.worlds.pushing.geometry import (
    GOAL,
    PUSHER_RADIUS,
    T_VERTICES,
    WORKSPACE,
    compose,
    coverage,
    distance_to_t,
    to_body,
    to_world,
)
from align.worlds.pushing.pushes import PUSH_STEPS, PushTable, push_table, simulate_push
from align.worlds.pushing.roadmap import Roadmap, along
from align.worlds.pushing.scene import PUSHER_RANGE, Physics, PushScene, Scene
from align.worlds.pushing.style import Style

__all__ = ["Expert", "Style", "misplacement"]

_SPEEDS = ((25.0, 1.0), (10.0, 0.6), (5.0, 0.4), (0.0, 0.25))  # (misplaced by at least px, share of speed)
_SECOND_LOOK = 8  # first pushes that are followed by a second one in the look-ahead
_STUCK = 10  # plans in a row that promise nothing before giving up
_DOUBT = 0.3  # relative error in judging pushes that each of them adds, to get out of a dead end
_BLOCK_RANGE = (12.0, WORKSPACE - 14.0)
_KEYPOINT_CENTRE = T_VERTICES.mean(0)
_KEYPOINT_SPREAD = float(np.square(T_VERTICES - _KEYPOINT_CENTRE).sum(-1).mean())
_GOAL_CENTRE = to_world(_KEYPOINT_CENTRE[None], GOAL)[0]


@dataclass(frozen=True)
class _Push:
    """A planned push: from where, whereto, for how long, and how misplaced the T is then."""

    place: int | None  # None: from where the pusher is
    start: np.ndarray
    heading: np.ndarray
    steps: int
    misplaced: float


def misplacement(poses: np.ndarray) -> np.ndarray:
    """Root mean square distance (...) of the T's corners from where they belong, px."""
    centre = to_world(_KEYPOINT_CENTRE[None], poses)[..., 0, :]
    turn = 2.0 - 2.0 * np.cos(poses[..., 2] - GOAL[2])
    return np.sqrt(np.square(centre - _GOAL_CENTRE).sum(-1) + _KEYPOINT_SPREAD * turn)


class Expert:
    """Demonstrates the task under `physics`, which it knows, in the manner of `style`."""

    def __init__(self, physics: Physics | None = None, style: Style | None = None):
        self.physics = physics or Physics()
        self.style = style or Style()
        self._imagined = PushScene(self.physics)
        self._roadmap = Roadmap(push_table(self.physics, self.style.push_speed).places)

    def demonstrate(
        self,
        start: np.ndarray,
        rng: np.random.Generator,
        max_steps: int = 200,
        scene: Scene | None = None,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Push the T home from `start`.

        Args:
            start: (5,) state.
            rng: Draws the noise, the pauses and the indecision.
            max_steps: Control steps after which to give up.
            scene: Where to act, when its physics are not those the expert plans with.

        Returns:
            states (T, 5) and actions (T, 2); states[t] is the one in which actions[t] was taken.
        """
        scene = scene or PushScene(self.physics)
        episode = _Episode(scene, start, self.style, self.physics.lag, rng, max_steps)
        stuck = 0
        while not episode.over and coverage(episode.state[2:]) < self.style.good_coverage:
            push = self._plan(episode.state, rng, _DOUBT * stuck)
            if push is None:
                break
            stuck = stuck + 1 if push.misplaced > misplacement(episode.state[2:]) - 0.15 else 0
            if stuck > _STUCK:
                break
            self._execute(push, episode)
        episode.hold(self.style.hold_steps)
        return np.array(episode.states), np.array(episode.actions)

    def _speed(self, misplaced: float) -> float:
        return self.style.push_speed * next(share for least, share in _SPEEDS if misplaced >= least)

    def _plan(self, state: np.ndarray, rng: np.random.Generator, doubt: float) -> _Push | None:
        """The push that promises most, looking two pushes ahead; None when no push is possible.

        `doubt` is added to the style's indecision.
        """
        style, pose = self.style, state[2:]
        now = float(misplacement(pose))
        speed = self._speed(now)
        table = push_table(self.physics, speed)
        effort = style.effort * min(1.0, now / 30)  # close to the goal only precision counts

        poses = compose(pose, table.motion)  # (n, PUSH_STEPS, 3)
        after = misplacement(poses)
        reached = to_world(table.pusher.reshape(-1, 2), pose).reshape(*after.shape, 2)
        after[~_inside(reached, poses)] = np.inf
        after[~_within(to_world(table.places, pose), PUSHER_RANGE, 2.0)[table.place]] = np.inf
        steps = after.argmin(1)
        left = after.min(1)
        travel = self._roadmap.distances(to_body(state[:2], pose))[table.place]
        misjudged = (style.indecision + doubt) * rng.standard_normal(len(left))
        reluctance = np.where(table.on_stem, style.stem_reluctance, style.bar_reluctance)
        dislike = np.maximum(now - left, 0.0) * (reluctance + misjudged)
        time = travel / style.free_speed + steps + 4
        score = left + effort * time + dislike

        first = np.argsort(score)[:_SECOND_LOOK]
        first = first[np.isfinite(score[first])]
        second = self._second_look(poses[first, steps[first]], table, effort)
        promise = np.minimum(score[first], second + effort * time[first] + dislike[first])
        onward = self._continue(state, speed, effort)
        if onward is not None and (not len(first) or onward[0] < promise.min()):
            return onward[1]
        if not len(first):
            return None
        i = first[promise.argmin()]
        start = to_world(table.places[table.place[i]][None], pose)[0]
        heading = to_world(table.heading[i][None], np.array([0.0, 0.0, pose[2]]))[0]
        return _Push(int(table.place[i]), start, heading, int(steps[i]) + 1, float(left[i]))

    def _second_look(self, poses: np.ndarray, table: PushTable, effort: float) -> np.ndarray:
        """Least score (k,) that a second push from each of `poses` (k, 3) reaches."""
        if not len(poses):
            return np.empty(0)
        after = misplacement(compose(poses[:, None, None], table.motion[None]))  # (k, n, PUSH_STEPS)
        return (after + effort * (np.arange(PUSH_STEPS) + 10.0)).min((1, 2))

    def _continue(self, state: np.ndarray, speed: float, effort: float) -> tuple[float, _Push] | None:
        """Pushing on from where the pusher touches the T: the best score and push, or None."""
        pose = state[2:]
        if distance_to_t(to_body(state[:2], pose)) > PUSHER_RADIUS + 6:
            return None
        ahead = to_world(_KEYPOINT_CENTRE[None], pose)[0] - state[:2]
        bearing = math.atan2(ahead[1], ahead[0])
        best = None
        for turn in np.linspace(-1.2, 1.2, 9):
            heading = np.array([math.cos(bearing + turn), math.sin(bearing + turn)])
            states = simulate_push(self._imagined, state, heading, speed)
            after = misplacement(states[:, 2:])
            after[~_inside(states[:, :2], states[:, 2:])] = np.inf
            k = int(after.argmin())
            score = float(after[k]) + effort * (k + 1)
            if np.isfinite(score) and (best is None or score < best[0]):
                best = score, _Push(None, state[:2], heading, k + 1, float(after[k]))
        return best

    def _execute(self, push: _Push, episode: "_Episode") -> None:
        """Go to where the push starts, then push; stop early when the T goes astray."""
        before = float(misplacement(episode.state[2:]))
        if push.place is not None:
            pose = episode.state[2:]
            free = _within(to_world(self._roadmap.nodes, pose), PUSHER_RANGE, 0.0)
            path = self._roadmap.path(to_body(episode.state[:2], pose), push.place, free)
            if path is None:
                path = to_body(np.array([episode.state[:2], push.start]), pose)
            for point in along(to_world(path, pose), self.style.free_speed):
                episode.move(point)
        speed = self._speed(before)
        for k in range(push.steps):
            episode.move(push.start + push.heading * speed * (k + 1))
            if k % 4 == 3 and misplacement(episode.state[2:]) > before + 15:
                return


class _Episode:
    """A demonstration as it is made: what was seen and what was done."""

    def __init__(
        self,
        scene: Scene,
        start: np.ndarray,
        style: Style,
        lag: float,
        rng: np.random.Generator,
        max_steps: int,
    ):
        self._scene, self._style, self._rng, self._max_steps = scene, style, rng, max_steps
        self._lead = 1 / (1 - lag)  # the share of the way that has to be asked for
        scene.set_state(start)
        self.state = scene.state()
        self.states, self.actions = [], []

    @property
    def over(self) -> bool:
        return len(self.actions) >= self._max_steps

    def move(self, target: np.ndarray) -> None:
        """One control step that brings the pusher to `target` (2,), but for noise and pauses."""
        if self._style.pause_rate and self._rng.random() < self._style.pause_rate:
            for _ in range(self._rng.geometric(1 / self._style.pause_steps)):
                self._act(self.state[:2])
        way = target - self.state[:2]
        error = self._rng.standard_normal(2) * self._style.noise * np.linalg.norm(way)
        self._act(self.state[:2] + (way + error) * self._lead)

    def hold(self, steps: int) -> None:
        """Stay put for `steps` control steps, beyond the limit of steps if need be."""
        self._max_steps += steps
        for _ in range(steps):
            self._act(self.state[:2])

    def _act(self, action: np.ndarray) -> None:
        if self.over:
            return
        action = np.clip(action, 0.0, WORKSPACE)
        self.states.append(self.state)
        self.actions.append(action)
        self._scene.step(action)
        self.state = self._scene.state()


def _within(points: np.ndarray, limits: tuple[float, float], margin: float) -> np.ndarray:
    """Which `points` (..., 2) are at least `margin` inside the square from limits[0] to limits[1]."""
    return ((points >= limits[0] + margin) & (points <= limits[1] - margin)).all(-1)


def _inside(pushers: np.ndarray, poses: np.ndarray) -> np.ndarray:
    """Which steps of pushes (..., k) come before the pusher (..., k, 2) or the T gets to a wall."""
    inside = _within(pushers, PUSHER_RANGE, 1.0)
    near = (np.abs(poses[..., :2] - WORKSPACE / 2) > WORKSPACE / 2 - 150).any(-1)
    if near.any():
        inside[near] &= _within(to_world(T_VERTICES, poses[near]), _BLOCK_RANGE, 0.0).all(-1)
    return np.logical_and.accumulate(inside, -1)
