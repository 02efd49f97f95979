"""Writes docs/reference.md, the options of every command, from signatures and docstrings."""

import importlib
import inspect
import re
import sys
from collections.abc import Callable, Iterator
from enum import Enum
from pathlib import Path
from types import UnionType
from typing import Union, get_args, get_origin

from docstring_parser import parse

import align.alignment
from align.alignment import Objective
from align.callbacks import Rollouts
from align.cli import SUBCOMMANDS
from align.data.gating import Gating
from align.data.pairing import Pairing
from align.datamodule import CotrainingData
from align.diffusion.ambient import Ambient
from align.diffusion.annotate import ClassifierOptions
from align.diffusion.schedule import NoiseSchedule
from align.fit import RunCLI
from align.module import CotrainingModule
from align.networks import ConditionalMLP, ConditionalUnet1D, ConvEncoder, ResNetEncoder
from align.policy import DiffusionPolicy
from align.worlds.planning.arm import ArmSpec
from align.worlds.planning.maze import MazeSpec
from align.worlds.pushing.gaps import Gap

PAGE = Path(__file__).parent / "reference.md"

Row = tuple[str, str, str, str]
"""An option's name, type, default and text."""

COMPONENTS = {
    "Encoders (`model.policy.encoder`)": [ConvEncoder, ResNetEncoder],
    "Denoisers (`model.policy.denoiser`)": [ConditionalUnet1D, ConditionalMLP],
    "The noise schedule (`model.policy.schedule`)": [NoiseSchedule],
    "Objectives": [
        kind
        for kind in (getattr(align.alignment, name) for name in align.alignment.__all__)
        if issubclass(kind, Objective) and kind is not Objective
    ],
    "Gating and the ambient loss (`data.gating`, `model.ambient`)": [Gating, Ambient],
    "Pairing (`data.pairing`)": [Pairing],
    "Rollouts (`trainer.callbacks`)": [Rollouts],
    "Worlds, and the annotation's classifier (of `demos`, `plans`, `annotate`)": [
        Gap,
        MazeSpec,
        ArmSpec,
        ClassifierOptions,
    ],
}
"""What is given as a class, or as a mapping of its arguments."""


class _FitOptions:
    """Takes the place of the parser that `align fit` fills, and keeps what is added to it."""

    def __init__(self):
        self.options: list[Row] = []
        self.linked: set[str] = set()  # options that follow from others
        self.classes = {"model": CotrainingModule, "model.policy": DiffusionPolicy, "data": CotrainingData}
        RunCLI.add_arguments_to_parser(None, self)

    def add_argument(self, name: str, type: type, default: object, help: str) -> None:
        self.options.append((name.lstrip("-"), type.__name__, repr(default), help))

    def add_lightning_class_args(self, kind: type, prefix: str) -> None:
        self.classes[prefix] = kind

    def link_arguments(self, source: str, target: str) -> None:
        self.linked.add(target)


def page() -> str:
    """The page."""
    return "\n".join([*_head(), *_fit(), *_commands(), *_components()]) + "\n"


def _head() -> Iterator[str]:
    yield "# Options"
    yield ""
    yield "<!-- Written by docs/reference.py; `make docs` writes it anew. -->"
    yield ""
    yield (
        "An option is an argument of a function or a class, `--option value` on the command line. Classes "
        "are given by import path, yours like ours; their arguments follow as "
        "`--option.init_args.NAME value`, or in YAML as `{class_path: …, init_args: {…}}`."
    )
    yield ""
    yield "| command | |"
    yield "|---|---|"
    for name, (_, _, text) in SUBCOMMANDS.items():
        target = "align-fit" if name in ("validate", "test") else f"align-{name}"
        yield f"| [`align {name}`](#{target}) | {text} |"


def _fit() -> Iterator[str]:
    fit = _FitOptions()
    yield "\n## align fit"
    yield (
        "\n`align validate` and `align test` take the same. `--config FILE` reads options from YAML, "
        "`--print_config` writes them. `--seed_everything` is the training seed, and `--trainer.NAME` are "
        "[Lightning's](https://lightning.ai/docs/pytorch/stable/common/trainer.html).\n"
    )
    yield from _table(fit.options)
    for prefix, kind in fit.classes.items():
        yield f"\n### {prefix}\n\n{_summary(kind)}\n"
        yield from _table([row for row in _arguments(kind, f"{prefix}.") if row[0] not in fit.linked])


def _commands() -> Iterator[str]:
    for name, (module, function, _) in SUBCOMMANDS.items():
        if module != "align.fit":
            command = getattr(importlib.import_module(module), function)
            yield f"\n## align {name}\n\n{_summary(command)} Required options may be given by position.\n"
            yield from _table(_arguments(command))


def _components() -> Iterator[str]:
    for title, kinds in COMPONENTS.items():
        yield f"\n## {title}"
        for kind in kinds:
            yield f"\n### `{_public_path(kind)}`\n\n{_summary(kind)}\n"
            yield from _table(_arguments(kind))


def _public_path(kind: type) -> str:
    """Where users import a class from: the package, where it exports the class."""
    package = kind.__module__.rpartition(".")[0]
    exported = getattr(importlib.import_module(package), kind.__name__, None) is kind
    return f"{package if exported else kind.__module__}.{kind.__name__}"


def _arguments(of: Callable, prefix: str = "", skipped: set[str] = frozenset()) -> list[Row]:
    """The arguments of a function, or of a class."""
    documented = reversed(of.__mro__) if isinstance(of, type) else [of]
    texts = {p.arg_name: p.description or "" for kind in documented for p in parse(kind.__doc__ or "").params}
    rows = []
    for name, parameter in inspect.signature(of).parameters.items():
        if name not in texts:
            raise LookupError(f"{of.__qualname__}: argument {name} has no line in its docstring")
        default = "required" if parameter.default is parameter.empty else _default(parameter.default)
        rows.append((f"{prefix}{name}", _type(parameter.annotation), default, texts[name]))
    return rows


def _default(value: object) -> str:
    if isinstance(value, type):
        return value.__name__
    return value.name if isinstance(value, Enum) else repr(value)


def _type(annotation: object) -> str:
    if get_origin(annotation) in (Union, UnionType):
        return " | ".join(map(_type, get_args(annotation)))
    return re.sub(r"(?:\w+\.)+(?=\w)", "", inspect.formatannotation(annotation)).replace("NoneType", "None")


def _summary(of: Callable) -> str:
    return parse(of.__doc__).short_description


def _table(rows: list[Row]) -> Iterator[str]:
    if not rows:
        yield "No options."
        return
    yield "| option | type | default | |"
    yield "|---|---|---|---|"
    for name, kind, default, text in rows:
        cells = [f"`{name}`", f"`{kind}`", default if default == "required" else f"`{default}`", text]
        yield "| " + " | ".join(" ".join(cell.split()).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    PAGE.write_text(page())
    sys.exit(print(f"{PAGE.name} written"))
