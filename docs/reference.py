"""Writes docs/reference.md, the options of every command, from signatures and docstrings."""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from align.cli import SUBCOMMANDS
from align.command.fit_options import CHOICES, LINKED, RUN_OPTIONS, SECTIONS
from align.command.signatures import exported, signature

PAGE = Path(__file__).parent / "reference.md"

Row = tuple[str, str, str, str]
"""An option's name, type, default and text."""

COMPONENTS = {
    "Encoders (`model.policy.encoder`)": exported(*CHOICES["Encoder"]),
    "Denoisers (`model.policy.denoiser`)": exported(*CHOICES["Denoiser"]),
    "The noise schedule (`model.policy.schedule`)": ["align.diffusion.schedule.NoiseSchedule"],
    "Objectives": exported(*CHOICES["Objective"]),
    "Weightings (`model.weighting`)": exported(*CHOICES["Weighting"]),
    "The auxiliary loss (`model.auxiliary`)": ["align.alignment.auxiliary.Auxiliary"],
    "Gating and the ambient loss (`data.gating`, `model.ambient`)": [
        "align.data.gating.Gating",
        "align.diffusion.ambient.Ambient",
    ],
    "Pairing (`data.pairing`)": ["align.data.pairing.Pairing"],
    "Rollouts (`trainer.callbacks`)": ["align.callbacks.Rollouts"],
    "Worlds, and the annotation's classifier (of `demos`, `plans`, `annotate`)": [
        "align.worlds.pushing.gaps.Gap",
        "align.worlds.planning.maze.MazeSpec",
        "align.worlds.planning.arm.ArmSpec",
        "align.diffusion.annotate.ClassifierOptions",
    ],
}
"""What is given as a class, or as a mapping of its arguments."""


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
    yield "\n## align fit"
    yield (
        "\n`align validate` and `align test` take the same. `--config FILE` reads options from YAML, "
        "`--print_config` writes them. `--seed_everything` is the training seed, and `--trainer.NAME` are "
        "[Lightning's](https://lightning.ai/docs/pytorch/stable/common/trainer.html).\n"
    )
    yield from _table((n, k.__name__, repr(value), text) for n, (k, value, text) in RUN_OPTIONS.items())
    for prefix, path in SECTIONS.items():
        yield f"\n### {prefix}\n\n{signature(path).summary}\n"
        yield from _table(row for row in _arguments(path, f"{prefix}.") if row[0] not in LINKED)


def _commands() -> Iterator[str]:
    for name, (module, function, _) in SUBCOMMANDS.items():
        if module != "align.fit":
            path = f"{module}.{function}"
            summary = signature(path).summary
            yield f"\n## align {name}\n\n{summary} Required options may be given by position.\n"
            yield from _table(_arguments(path))


def _components() -> Iterator[str]:
    for title, kinds in COMPONENTS.items():
        yield f"\n## {title}"
        for kind in kinds:
            yield f"\n### `{kind}`\n\n{signature(kind).summary}\n"
            yield from _table(_arguments(kind))


def _arguments(path: str, prefix: str = "") -> Iterator[Row]:
    for a in signature(path).arguments:
        yield f"{prefix}{a.name}", a.type, "required" if a.default is None else a.default, a.text


def _table(rows: Iterable[Row]) -> Iterator[str]:
    rows = list(rows)
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
