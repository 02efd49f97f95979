"""Speed of the pictures and skill of the experts: `python -m align.worlds.pushing.benchmark`."""

import argparse
import time
from collections.abc import Callable, Sequence

import numpy as np

from align.seeding import numpy_rng
from align.worlds.pushing.expert import Style
from align.worlds.pushing.gaps import SIM, TARGET, World
from align.worlds.pushing.geometry import coverage
from align.worlds.pushing.gym_pusht import GymPushTWorlds
from align.worlds.pushing.kind import PushingWorld
from align.worlds.pushing.mujoco import MujocoWorld
from align.worlds.pushing.render import Renderer
from align.worlds.pushing.scene import DIFFICULTIES, sample_start

FRAMES = 300
MUJOCO = MujocoWorld()


def frame_rates(size: int) -> tuple[float, float]:
    """Frames per second of `Renderer` with the target's look and of gym-pusht, measured in turns."""
    states = [sample_start(numpy_rng(i, "benchmark"), "full") for i in range(50)]
    renderer = Renderer(TARGET.look, size)
    public = GymPushTWorlds(size)
    public.reset([0])
    ours, theirs = [], []
    for _ in range(5):
        ours.append(_rate(lambda: [renderer(state) for state in states], FRAMES // 5, len(states)))
        theirs.append(_rate(lambda: public.frame(0, size), FRAMES // 5, 1))
    return float(np.median(ours)), float(np.median(theirs))


def mujoco_rates(size: int) -> tuple[float, float]:
    """Frames and control steps per second of the MuJoCo world."""
    starts = [sample_start(numpy_rng(i, "benchmark"), "easy") for i in range(10)]
    draw, scene = MUJOCO.pictures(size), MUJOCO.new_scene()

    def push() -> None:
        for start in starts:
            scene.set_state(start)
            for _ in range(20):
                scene.step(start[2:4])

    frames = [_rate(lambda: [draw(state) for state in starts], FRAMES // 5, len(starts)) for _ in range(5)]
    steps = [_rate(push, FRAMES, 20 * len(starts)) for _ in range(3)]
    return float(np.median(frames)), float(np.median(steps))


def _rate(draw: Callable[[], object], frames: int, batch: int) -> float:
    start, done = time.perf_counter(), 0
    while done < frames:
        draw()
        done += batch
    return done / (time.perf_counter() - start)


def expert_skill(
    world: PushingWorld, difficulty: str, seeds: Sequence[int], acting_in: PushingWorld | None = None
) -> dict[str, float]:
    """How well the expert of `world` does from fresh starts.

    Args:
        world: Whose expert it is.
        difficulty: Range of the starts.
        seeds: One start each.
        acting_in: The world it acts in, when that is another.

    Returns:
        Shares of starts ending with coverage of at least .90 and .95, mean coverage at the end, mean number
        of control steps and mean seconds of computation an episode.
    """
    expert, scene = world.expert(), (acting_in or world).new_scene()
    ends, lengths, began = [], [], time.perf_counter()
    for seed in seeds:
        rng = numpy_rng(seed, "expert skill")
        start = sample_start(rng, difficulty)
        states, _ = expert.demonstrate(start, rng, scene=scene)
        ends.append(coverage(states[-1, 2:]))
        lengths.append(len(states))
    seconds = (time.perf_counter() - began) / len(seeds)
    ends = np.array(ends)
    return {
        "at_least_90": float((ends >= 0.90).mean()),
        "at_least_95": float((ends >= 0.95).mean()),
        "coverage": float(ends.mean()),
        "steps": float(np.mean(lengths)),
        "seconds": seconds,
    }


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=200, help="starts per expert and difficulty")
    starts = range(parser.parse_args().starts)
    for size in (64, 96):
        ours, theirs = frame_rates(size)
        print(f"{size} px, target look: {ours:.0f} frames/s, {ours / theirs:.1f}x gym-pusht's {theirs:.0f}")
        frames, steps = mujoco_rates(size)
        print(f"{size} px, MuJoCo: {frames:.0f} frames/s, {steps:.0f} control steps/s")
    human = World(physics=TARGET.physics, style=TARGET.style)
    planner = World(physics=TARGET.physics, style=Style())
    for name, world, place in (
        ("planner in sim", SIM, SIM),
        ("planner in the target, knowing it", planner, planner),
        ("human-like in the target", human, human),
        ("planner in the target, believing in sim", SIM, TARGET),
        ("planner in MuJoCo, believing in sim", MUJOCO, MUJOCO),
    ):
        for difficulty in DIFFICULTIES:
            skill = expert_skill(world, difficulty, starts, place)
            print(f"{name}, {difficulty}: " + ", ".join(f"{k} {v:.3g}" for k, v in skill.items()), flush=True)


if __name__ == "__main__":
    main()
