"""The tabletop as numbers; to make these needs no MuJoCo."""

from dataclasses import dataclass

from align.worlds.pushing.knobs import check_knobs, knob


@dataclass(frozen=True)
class Mechanics:
    """What a T of wood, a table and a pusher at the end of a position-controlled arm are like.

    Attributes:
        table_friction: Coulomb coefficient between T and table: wood on wood.
        pusher_friction: Between T and pusher, and T and walls: the same, dry and without rubber.
        density: Of the T, kg/m³: hardwood, which makes it 113 g.
        height: Of the T, mm: a square rod's, as its arms are 30 mm wide.
        pusher_mass: What the arm's end weighs where it is pushed at, kg.
        stiffness: Of the servo that holds the pusher where it is told to be, N/m; it is critically damped,
            so the pusher trails a moving target by 2 √(mass / stiffness) seconds, 45 ms.
        force_limit: Of the servo, N: what arms beside people are limited to.
        speed_limit: Of the servo's target, mm/s: as far in a control step as in the other pushing worlds.
        time_step: Of the integration, ms; a control step is 100.
    """

    table_friction: float = knob(0.4, 0.0, 2.0)
    pusher_friction: float = knob(0.4, 0.0, 2.0)
    density: float = knob(600.0, 50.0, 10000.0)
    height: float = knob(30.0, 5.0, 60.0)
    pusher_mass: float = knob(1.0, 0.05, 20.0)
    stiffness: float = knob(2000.0, 50.0, 20000.0)
    force_limit: float = knob(20.0, 0.5, 500.0)
    speed_limit: float = knob(220.0, 10.0, 600.0)
    time_step: float = knob(2.0, 0.25, 2.5)

    def __post_init__(self) -> None:
        check_knobs(self)
