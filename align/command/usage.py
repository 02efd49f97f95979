"""The help of commands: our options and what they say, one screen after the other, without imports."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence

from align.command.fit_options import CHOICES, LINKED, RUN_OPTIONS, SECTIONS, TRAINER_DEFAULTS, TRAINER_TEXTS
from align.command.signatures import Argument, exported, signature

INDENT = 26  # where texts begin
SWITCHES = {"bool": "true or false"}


def command_help(program: str, path: str, note: str = "") -> str:
    """Help of a command that is a function.

    Args:
        program: Its name, as in "align probe".
        path: Import path of the function.
        note: What to say besides.
    """
    found = signature(path)
    required = [a.name for a in found.arguments if a.default is None]
    usage = f"usage: {program} {' '.join(name.upper() for name in required)}".rstrip() + " [options]"
    lines = [usage, "", *_wrapped(f"{found.summary} {note}".strip()), ""]
    for argument in found.arguments:
        name = argument.name.upper() if argument.default is None else f"--{argument.name}"
        lines += _entry(name, argument)
    return "\n".join(lines)


def fit_help(name: str, text: str) -> str:
    """Help of `align fit`, `validate` or `test`: our options, then the most used of Lightning's."""
    lines = [f"usage: align {name} [--config FILE] [options]", "", *_wrapped(f"{text[0].upper()}{text[1:]}.")]
    lines += [""]
    for option, (kind, default, said) in RUN_OPTIONS.items():
        lines += _entry(f"--{option}", Argument(option, kind.__name__, repr(default), said))
    lines += _entry("--seed_everything", Argument("", "int", "0", "Seed of training: weights, noise, order."))
    lines += _entry("--config", Argument("", "str", "None", "YAML file with options, or one that ships."))
    lines += _entry("--print_config", Argument("", "", "None", "Print the configuration, and do nothing."))
    for prefix, path in SECTIONS.items():
        found = signature(path)
        lines += ["", *_wrapped(f"{prefix}: {found.summary}")]
        for argument in found.arguments:
            option = f"{prefix}.{argument.name}"
            if option not in LINKED and option not in SECTIONS:
                lines += _entry(f"--{option}", argument, brief=True)
    lines += ["", "trainer: Lightning's, most used:"]
    for option, said in TRAINER_TEXTS.items():
        default = TRAINER_DEFAULTS.get(option)
        lines += _entry(f"--trainer.{option}", Argument(option, "", repr(default), said))
    lines += [""]
    for base, (package, path) in CHOICES.items():
        names = ", ".join(kind.rpartition(".")[2] for kind in exported(package, path))
        lines += _wrapped(f"{base}: {names} (of {package}), or yours by its import path.")
    lines += [
        "",
        *_wrapped("--model.alignment.help MMD lists the arguments of a class, likewise for other options."),
        *_wrapped("--help-all has Lightning's options too, and all texts in full."),
    ]
    return "\n".join(lines)


def _entry(option: str, argument: Argument, brief: bool = False) -> list[str]:
    """The lines of an option: its name, and beside or below that what it is."""
    text = _first_sentence(argument.text) if brief else argument.text
    facts = ", ".join(part for part in (_kind(argument.type), _default(argument)) if part)
    body = _wrapped(f"{text.rstrip('.')}. ({facts})" if facts else text, INDENT)
    head = f"  {option}"
    if len(head) < INDENT - 1:
        return [head.ljust(INDENT) + body[0].lstrip(), *body[1:]]
    return [head, *body]


def _first_sentence(text: str) -> str:
    head, stop, rest = text.partition(". ")
    return head if stop and rest[:1].isupper() else text.partition("; ")[0]


def _kind(kind: str) -> str:
    """A type as users think of it."""
    parts = [part.strip() for part in _top_level(kind)]
    names = []
    for part in parts:
        if part.startswith("Literal["):
            names += [word.strip().strip("'\"") for word in part[len("Literal[") : -1].split(",")]
        elif part != "None" and not part.startswith("Callable"):
            names.append(SWITCHES.get(part, part))
    return " | ".join(names)


def _top_level(kind: str) -> Iterator[str]:
    """The alternatives of a union."""
    depth, start = 0, 0
    for i, c in enumerate(kind):
        depth += (c == "[") - (c == "]")
        if c == "|" and depth == 0:
            yield kind[start:i]
            start = i + 1
    yield kind[start:]


def _default(argument: Argument) -> str:
    if argument.default is None:
        return "required"
    return "" if argument.default == "None" else f"default {argument.default.strip(chr(39))}"


def _wrapped(text: str, indent: int = 0) -> Sequence[str]:
    width = min(shutil.get_terminal_size().columns, 110)
    return textwrap.wrap(
        text,
        max(width, indent + 30),
        initial_indent=" " * indent,
        subsequent_indent=" " * indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
