"""How options are read: one line for a mistake, and what jsonargparse's own reader of YAML leaves out."""

import functools

from align.errors import InputError, one_line
from align.run.moved import renamed


def parse(parser, arguments: list[str]):
    """The parsed options.

    Raises:
        InputError: An option is unknown or has a value that does not fit.
    """
    from jsonargparse import ArgumentError

    try:
        return parser.parse_args(arguments)
    except (ArgumentError, TypeError, ValueError) as error:
        raise InputError(one_line(error)) from None


@functools.cache
def read_old_names() -> None:
    """Have parsers take the names that things have had before; see `align.run.moved`."""
    _read_yaml(lambda load: lambda text: renamed(load(text)))


@functools.cache
def read_nested_null() -> None:
    """Let `null` on the command line be none inside a component too, as it is in YAML.

    jsonargparse reads the value, writes it as Python does, and reads it again in the component's own parser.
    """
    _read_yaml(lambda load: lambda text: None if text.strip() == "None" else load(text))


def _read_yaml(around) -> None:
    """Put `around` the function by which parsers read YAML."""
    import yaml
    from jsonargparse import get_loader, set_loader

    set_loader("yaml", around(get_loader("yaml")), (yaml.YAMLError,))
