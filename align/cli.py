"""The `align` command.

`fit`, `validate` and `test` are LightningCLI's: every option is a constructor argument of
`CotrainingModule`, `CotrainingData`, the trainer or what they are built of. The other sub-commands are
plain functions.
"""

import importlib
import inspect
import itertools
import json
import logging
import os
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from enum import Enum
from typing import get_args

from align import own_modules, shipped
from align.command.options import (
    check_fit_configs,
    check_lists,
    configs_first,
    from_fit,
    parse,
    read_old_names,
    whole_settings,
    with_config,
)
from align.command.parse_errors import options_of
from align.command.printing import Printable
from align.command.signatures import signature
from align.command.usage import command_help, fit_help
from align.errors import Unfinished, is_out_of_memory, mistake_behind, one_line, printable
from align.files import UNWRITABLE

SUBCOMMANDS = {
    "fit": ("align.fit", "main", "train a policy, evaluate it and keep its embeddings"),
    "validate": ("align.fit", "main", "losses and MMD on held-out episodes"),
    "test": ("align.fit", "main", "as validate, after training"),
    "inspect": (
        "align.inspection.command",
        "inspect",
        "say what a store holds, or how a sim and a real one differ, and what trains on them",
    ),
    "convert": (
        "align.conversion.command",
        "convert",
        "write a store in LeRobot's or robomimic's format",
    ),
    "demos": ("align.commands", "demos", "make demonstrations in the planar-pushing benchmark"),
    "annotate": (
        "align.analysis.reports.annotation",
        "annotate",
        "find above which noise levels sim can be trusted",
    ),
    "plans": ("align.commands", "plans", "make plans in a maze or of an arm, smooth or jagged"),
    "rollout": ("align.commands", "rollout", "evaluate a trained policy"),
    "export": (
        "align.export.command",
        "export",
        "write a trained policy for LeRobot, or for a robot without PyTorch",
    ),
    "embed": ("align.commands", "embed", "compute the embeddings of a finished run again"),
    "sweep": ("align.experiments.sweep", "sweep", "run a grid of experiments and report on it"),
    "probe": (
        "align.analysis.commands",
        "probe",
        "probe the embeddings of runs, with PNG reports and dashboards",
    ),
    "mechanism": ("align.analysis.commands", "mechanism", "correlate discernibility and success over sweeps"),
    "agreement": (
        "align.analysis.commands",
        "agreement",
        "say how well scores in sim tell those elsewhere, of several sweeps",
    ),
    "compare": (
        "align.analysis.commands",
        "compare",
        "compare arms of a sweep with each other on shared trials",
    ),
    "select": (
        "align.analysis.commands",
        "select",
        "say which arm rules without rollouts would have chosen, and what that cost",
    ),
    "claims": (
        "align.analysis.reports.claims.command",
        "claims",
        "say of published claims whether recorded sweeps confirm or refute them",
    ),
    "report": (
        "align.analysis.commands",
        "report",
        "draw a sweep's tables and figures again, also from what was kept of it",
    ),
    "keep": ("align.analysis.commands", "keep", "copy the results of a sweep that are worth keeping"),
    "evaluate": (
        "align.analysis.reports.evaluation.command",
        "evaluate",
        "say what trials on a robot show, from a CSV kept by hand or LeRobot's records",
    ),
    "plan": (
        "align.analysis.reports.evaluation.plan",
        "plan",
        "say which differences so many trials and trainings can detect",
    ),
}


WITH_FIT = "--config FIT.yaml takes data and policy from a configuration of align fit."


def _usage() -> str:
    width = max(map(len, SUBCOMMANDS))
    rows = "\n".join(f"  {name:<{width}}  {text}" for name, (_, _, text) in SUBCOMMANDS.items())
    return (
        f"usage: align COMMAND [options]\n\ncommands:\n{rows}\n\n"
        "align COMMAND --help lists its options, align --version says which version this is."
    )


def main(arguments: list[str] | None = None) -> int:
    """Run `align`; returns the exit status."""
    arguments = sys.argv[1:] if arguments is None else arguments
    _print_anything()
    _draw_into_files()
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_usage())
        return 0
    if arguments[0] == "--version":
        print(f"align {_version()}")
        return 0
    name, *rest = arguments
    if name not in SUBCOMMANDS:
        print(f"align: error: no command {name!r}; expected one of {', '.join(SUBCOMMANDS)}", file=sys.stderr)
        return 2
    module, function, text = SUBCOMMANDS[name]
    if set(rest) & {"-h", "--help"}:
        print(fit_help(name, text) if module == "align.fit" else _help(name))
        return 0
    arguments = [name, *("--help" if argument == "--help-all" else argument for argument in rest)]
    rest = whole_settings(arguments[1:]) if name == "sweep" else arguments[1:]

    def run() -> int:
        called: Callable = getattr(importlib.import_module(module), function)
        with redirect_stdout(Printable(sys.stdout)):
            if module == "align.fit":
                given = configs_first(_with_shipped(arguments))
                check_fit_configs(given)
                status = called(given) or 0
            else:
                status = _call(called, f"align {name}", rest) or 0
            sys.stdout.flush()
        return status

    return guarded(run, arguments if module == "align.fit" else ())


def guarded(run: Callable[[], int | None], fit_arguments: Sequence[str] = ()) -> int:
    """The exit status of a command, where a user's mistake is one line and no traceback.

    Args:
        run: The command.
        fit_arguments: Of `align fit`, its command line: a mistake is told with the file that holds it.
    """
    own_modules.find_last()
    _quiet()
    read_old_names()
    try:
        return run() or 0
    except BrokenPipeError:  # whoever reads has seen enough, as `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except KeyboardInterrupt:
        print("align: interrupted", file=sys.stderr)
        return 130
    except Unfinished as stopped:
        print(f"align: {printable(str(stopped))}", file=sys.stderr)
        return stopped.status
    except Exception as error:
        told = _told(error)
        if told is None:  # a fault of ours
            raise
        print(f"align: error: {printable(with_config(told, fit_arguments))}", file=sys.stderr)
        return 2


def _told(error: Exception) -> str | None:
    """The line of a user's mistake, however deep it was found, or of what the machine lacks."""
    if (mistake := mistake_behind(error)) is not None:
        return one_line(mistake)
    if is_out_of_memory(error):
        return "out of memory; what was written before is kept"
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return f"{error.filename}: {error.strerror}; what was written before is kept"
    return None


def _help(name: str) -> str:
    module, function, _ = SUBCOMMANDS[name]
    path = f"{module}.{function}"
    fits = {"data", "policy"} <= {argument.name for argument in signature(path).arguments}
    return command_help(f"align {name}", path, WITH_FIT if fits else "")


def _version() -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version("align-robotics")
    except PackageNotFoundError:
        return "of a source tree that is not installed"


def _call(function: Callable, program: str, arguments: list[str]) -> int | None:
    """Call `function` with its options read from the command line."""
    from jsonargparse import ArgumentParser

    description = function.__doc__.splitlines()[0]
    parser = ArgumentParser(prog=program, description=description, exit_on_error=False)
    names = parser.add_function_arguments(function, as_positional=True, fail_untyped=True)
    given = _gathered(function, from_fit(function, _with_shipped(arguments)))
    given = _in_capitals(function, _switched(function, _underscored(function, given)))
    config = parse(parser, given, options_of(f"{function.__module__}.{function.__qualname__}"))
    values = parser.instantiate(config)
    check_lists(function, values)
    return function(**{name.split(".")[0]: values[name.split(".")[0]] for name in names})


def _gathered(function: Callable, arguments: list[str]) -> list[str]:
    """Arguments in which the words before the first option are one list, if the first parameter is one."""
    first = next(iter(inspect.signature(function).parameters.values()))
    if first.annotation != list[str] or first.default is not first.empty:
        return arguments
    words = list(itertools.takewhile(lambda argument: not argument.startswith("-"), arguments))
    if not words or (len(words) == 1 and words[0].startswith("[")):
        return arguments
    return [json.dumps(words), *arguments[len(words) :]]


def _underscored(function: Callable, arguments: list[str]) -> list[str]:
    """Arguments in which `--set` is the parameter `set_`, as Python names what would shadow its own."""
    named = {
        f"--{p.removesuffix('_')}": f"--{p}" for p in inspect.signature(function).parameters if p[-1] == "_"
    }
    parts = (re.match(r"(--\w+)?(.*)", argument, re.DOTALL).groups() for argument in arguments)
    return [named.get(option, option or "") + rest for option, rest in parts]


def _switched(function: Callable, arguments: list[str]) -> list[str]:
    """Arguments in which a switch without a value, as in `--dry-run`, is on."""
    switches = {name for name, p in inspect.signature(function).parameters.items() if p.annotation is bool}
    switched = []
    for argument, following in itertools.pairwise([*arguments, ""]):
        option, equals, value = argument.partition("=")
        name = option.removeprefix("--").replace("-", "_")
        if option.startswith("--") and name in switches:
            valued = equals or following.lower() in ("true", "false", "yes", "no")
            argument = f"--{name}" + (f"={value or 'true'}" if equals or not valued else "")
        switched.append(argument)
    return switched


def _in_capitals(function: Callable, arguments: list[str]) -> list[str]:
    """Arguments in which members of an enumeration are named as it does: `--domain real` is REAL."""
    kinds = {name: _enumeration(p.annotation) for name, p in inspect.signature(function).parameters.items()}
    members = {f"--{name}": set(kind.__members__) for name, kind in kinds.items() if kind}
    named = []
    for before, argument in itertools.pairwise(["", *arguments]):
        option, equals, value = argument.partition("=")
        if equals and value.upper() in members.get(option, ()):
            argument = f"{option}={value.upper()}"
        elif argument.upper() in members.get(before, ()):
            argument = argument.upper()
        named.append(argument)
    return named


def _enumeration(annotation: object) -> type[Enum] | None:
    """The enumeration that an annotation is, or is one of."""
    kinds = get_args(annotation) or (annotation,)
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Enum)), None)


def _with_shipped(arguments: list[str]) -> list[str]:
    """Arguments in which `--config NAME` is the file that ships under that name, where there is no other."""
    parts = [p for a in arguments for p in (a.split("=", 1) if a.startswith("--config=") else [a])]
    return [
        str(shipped.find(part)) if before in ("--config", "-c") else part
        for before, part in itertools.pairwise(["", *parts])
    ]


def _print_anything() -> None:
    """Let a terminal or a log that cannot show λ have a ? for it."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _draw_into_files() -> None:
    """Notebooks name a backend of theirs to all they start, without which matplotlib does not even load."""
    if os.environ.get("MPLBACKEND", "").startswith("module://"):
        os.environ["MPLBACKEND"] = "agg"


def _quiet() -> None:
    """Silence what libraries say to developers."""
    warnings.filterwarnings("ignore", module=r"(pytorch_lightning|lightning_fabric)\..*")
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    logging.getLogger("matplotlib.font_manager").setLevel(logging.ERROR)  # of its cache on a full disk
    warnings.filterwarnings("ignore", message="Glyph ")  # of names in figures: their signs are boxes there


if __name__ == "__main__":
    sys.exit(main())
