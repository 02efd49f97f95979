"""Every number that the command line can set is checked where it is taken: walked, not listed by hand."""

import importlib
import inspect
import math
import pkgutil
import sys
import typing
from collections.abc import Sequence

import pytest
import torch

import align
from align.alignment import CORAL
from align.cli import SUBCOMMANDS
from align.datamodule import CotrainingData
from align.errors import InputError, check_numbers
from align.module import CotrainingModule
from align.networks import ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy

SENSELESS = [math.nan, math.inf, -1, 1e30, 10**30]
MEANINGFUL = {
    taker + name: values
    for values, takers in (
        (  # 0 is none of it, or the first of them
            {0},
            {
                "CotrainingModule.": "alignment_weight alignment_warmup weight_decay lr_warmup ema_max_decay "
                "probe_step label_dropout seed",
                "CotrainingData.": "alpha validation seed shuffle_seed",
                "Embeddings.": "paired",
                "Progress.": "seconds",
                "Rollouts.": "first_seed film",
                "demos.": "seed",
                "convert.": "crf",
                "annotate.": "detrend seed",
                "plans.": "seed first_trial",
                "rollout.": "first_seed film guidance_weight",
                "embed.": "paired",
                "probe.": "seed",
                "evaluate.": "values",
                "plan.": "training_sd",
                "DiffusionPolicy.": "n_image_steps guidance_weight relative_actions color_jitter",
                "Objective.": "memory",
                "Auxiliary.": "angles weight width",
                "Adversarial.": "memory",
                "DANN.": "memory ramp",
                "ADDA.": "memory gradient_penalty",
                "MMD.": "memory ema_decay",
                "JointMMD.": "memory ema_decay",
                "CORAL.": "memory",
                "MomentMatching.": "memory",
                "SinkhornDivergence.": "memory",
                "UnbalancedOT.": "memory of_weight",
                "Fixed.": "value",
                "GradientRatio.": "decay",
                "Constrained.": "smoothing",
                "Pairing.": "slope window",
                "Gating.": "sigma_min sigma_max",
                "Gap.": "visual physics expert",
                "ClassifierOptions.": "blocks frequencies weight_decay",
                "MazeSpec.": "seed loops",
                "ArmSpec.": "spread seed",
                "ConvEncoder.": "blocks",
                "Encoding.": "crf preset",
                "ConditionalMLP.": "blocks frequencies",
                "Look.": "table wall goal block pusher rim rim_shade texture light_jitter shadow camera_turn "
                "perspective noise",
                "Physics.": "friction lag",
                "Mechanics.": "table_friction pusher_friction",
                "Style.": "noise indecision pause_rate stem_reluctance bar_reluctance effort hold_steps",
            },
        ),
        (  # on either side of 0
            {0, -1},
            {
                "Pairing.": "midpoint",
                "Look.": "light shadow_offset camera_shift",
                "Physics.": "centre_of_mass",
            },
        ),
    )
    for taker, names in takers.items()
    for name in names.split()
}
"""Of each parameter the values that look odd, and yet mean something."""


def small_policy(**options) -> DiffusionPolicy:
    mlp = ConditionalMLP(2, 4, horizon=16, width=8)
    return DiffusionPolicy(None, mlp, n_image_steps=0, domain_conditioning=False, **options)


GIVEN = {
    "CotrainingModule": lambda: {"policy": small_policy(), "site": "denoiser"},
    "DiffusionPolicy": lambda: {"denoiser": lambda a, c: ConditionalMLP(a, c, width=8)},
    "CameraEncoders": lambda: {"cameras": {"a": ConvEncoder()}},
    "Auxiliary": lambda: {"targets": "state"},
    "Gating": lambda: {"sigma_min": 0.5},
    "Rollouts": lambda: {"worlds": {"sim": align.worlds.pushing.gaps.Gap()}},
    "PushingWorlds": lambda: {"world": align.worlds.pushing.gaps.World()},
    "ConditionalMLP": lambda: {"action_dim": 2, "condition_dim": 2},
    "ConditionalUnet1D": lambda: {"action_dim": 2, "condition_dim": 2, "channels": (8, 8)},
    **{name: (lambda: {"out": "o.npz"}) for name in ("demos", "plans", "annotate")},
    "convert": lambda: {"store": "none", "out": "o"},
    "rollout": lambda: {"policy": "none"},
    "embed": lambda: {"run": "none"},
    "export": lambda: {"run": "none", "out": "o"},
    "sweep": lambda: {"grid": "none"},
    "probe": lambda: {"path": "none"},
    "evaluate": lambda: {"files": ["none"]},
}
"""What a constructor or function needs beside the number."""


def named(hint: object) -> set[type]:
    """All classes in a type hint."""
    found, todo = set(), [hint]
    for part in todo:
        todo += filter(None, [*typing.get_args(part), typing.get_origin(part)])
        found |= {part} if inspect.isclass(part) else set()
    return found


def hints(taker: object) -> dict[str, object]:
    return typing.get_type_hints(taker.__init__ if inspect.isclass(taker) else taker)


def is_ours(kind: type) -> bool:
    return kind.__module__.split(".")[0] == "align"


def below(kind: type) -> set[type]:
    return {kind}.union(*(below(k) for k in kind.__subclasses__()))


def takers() -> list:
    """Functions and classes of align whose arguments the command line can set, and those of these."""
    for module in pkgutil.walk_packages(align.__path__, "align."):
        importlib.import_module(module.name)
    callbacks = {
        found
        for name, module in sys.modules.items()
        if name.startswith("align.callbacks")
        for found in vars(module).values()
        if inspect.isclass(found)
        and found.__module__ == name
        and getattr(found.__init__, "__module__", "").startswith("align")
    }
    functions = [
        getattr(importlib.import_module(m), f) for m, f, _ in SUBCOMMANDS.values() if m != "align.fit"
    ]
    found, todo = {}, [CotrainingModule, CotrainingData, *sorted(callbacks, key=str), *functions]
    for taker in todo:
        if taker in found:
            continue
        found[taker] = True
        for kind in set().union(*map(named, hints(taker).values())):
            if is_ours(kind):
                todo += filter(is_ours, below(kind))
    return [t for t in found if not inspect.isabstract(t)]


def numbers() -> list:
    cases = []
    for taker in takers():
        for name, parameter in inspect.signature(taker).parameters.items():
            kinds = named(hints(taker).get(name, str))
            if kinds & {int, float}:
                cases.append(pytest.param(taker, parameter, id=f"{taker.__name__}.{name}"))
    return sorted(cases, key=lambda case: case.id)


def check(taker, parameter: inspect.Parameter) -> None:
    """Give the taker each senseless number in the parameter's place."""
    where, kinds = f"{taker.__name__}.{parameter.name}", named(hints(taker)[parameter.name])
    meaningful = MEANINGFUL.get(where, set())
    for value in [*SENSELESS, 0] + [2.5] * (float not in kinds):
        if value in meaningful and not inspect.isclass(taker):
            continue  # it would do its work
        listed = any(issubclass(kind, Sequence) and kind is not str for kind in kinds)
        size = (isinstance(parameter.default, tuple) and len(parameter.default)) or 1
        given = {"a": value} if dict in kinds else (value,) * size if listed else value
        try:
            taker(**{**GIVEN.get(taker.__name__, dict)(), parameter.name: given})
        except InputError as error:
            line = str(error)
            assert value not in meaningful, f"{where}, declared to mean something: {line}"
            assert "\n" not in line and parameter.name in line, line
            assert repr(given) in line or f"{value:g}" in line, line
        else:
            assert value in meaningful, f"{where} takes {value}: check it, or declare what it means"


@pytest.mark.parametrize(("taker", "parameter"), numbers())
def test_senseless_numbers_are_one_line(taker, parameter, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch, "set_num_threads", lambda n: None)
    check(taker, parameter)


def test_what_is_declared_exists():
    assert set(MEANINGFUL) <= {case.id for case in numbers()}


class Careless(CORAL):
    def __init__(self, scale: float = 1.0):
        super().__init__()


def test_a_parameter_that_checks_nothing_is_found():
    with pytest.raises(AssertionError, match=r"Careless\.scale takes nan"):
        check(Careless, inspect.signature(Careless).parameters["scale"])


@pytest.mark.parametrize(
    ("interval", "inside", "outside"),
    [
        ("[0, 1)", [0, 0.5], [1, -1e-9, math.nan, True, "1"]),
        ("(0, inf)", [1e-30, 1e300], [0, math.inf, -math.inf]),
        ("[-2, 2]", [-2, 2], [-2.1, 2.1]),
    ],
)
def test_intervals(interval, inside, outside):
    check_numbers(interval, x=inside)
    check_numbers(interval, x=None)
    for value in outside:
        with pytest.raises(InputError, match="x="):
            check_numbers(interval, x=value)
