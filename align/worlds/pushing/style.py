"""How a demonstrator works, as numbers."""

from dataclasses import dataclass

from align.worlds.pushing.knobs import check_knobs, knob


@dataclass(frozen=True)
class Style:
    """How a demonstrator works. The defaults are the planner's, which the simulation's data come from.

    Attributes:
        free_speed, push_speed: Of the pusher, px per control step.
        noise: Standard deviation of an action's error, relative to the speed of the motion.
        indecision: Standard deviation of the error in judging what a push gains, relative.
        pause_rate: Chance a control step of stopping to think.
        pause_steps: Mean length of such a pause, control steps.
        stem_reluctance, bar_reluctance: Share of its gain that a push of the stem or bar is discounted by.
        effort: What a control step is worth, px of misplacement.
        good_coverage: Coverage at which the demonstrator is done.
        hold_steps: Control steps it then stays put, so that a policy learns to stop.
    """

    free_speed: float = knob(20.0, 4.0, 40.0)
    push_speed: float = knob(9.0, 2.0, 20.0)
    noise: float = knob(0.1, 0.0, 0.8)
    indecision: float = knob(0.0, 0.0, 1.0)
    pause_rate: float = knob(0.0, 0.0, 0.3)
    pause_steps: float = knob(3.0, 1.0, 20.0)
    stem_reluctance: float = knob(0.0, 0.0, 0.95)
    bar_reluctance: float = knob(0.0, 0.0, 0.95)
    effort: float = knob(0.35, 0.0, 3.0)
    good_coverage: float = knob(0.95, 0.5, 0.99)
    hold_steps: int = knob(8, 0, 50)

    def __post_init__(self) -> None:
        check_knobs(self)
