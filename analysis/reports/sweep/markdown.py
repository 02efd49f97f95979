"""Text and tables in Markdown that hold names of others, which may be any text: none of it is markup.

What Markdown or HTML would take for its own is written as HTML's entities, which every reader of Markdown
shows as the characters themselves.
"""

import re
from collections.abc import Sequence


class Markup(str):
    """Text that is Markdown already."""

    __slots__ = ()


_TAKEN = re.compile(
    r"&"
    r"|<(?=[A-Za-z/!?])|(?<!\s)>|>(?!\s)"  # not in "p < .05"
    r"|\\|\*(?!\s)|(?<=\S)\*|(?<!\w)_(?=\w)|(?<=\w)_(?!\w)|~(?=~)|(?<=~)~"
    r"|(?<=\])[(\[]"
)
_LEADS = re.compile(r"\A(#|[>+=-](?=\s))")
"""What would make a paragraph something else."""


def prose(text: str) -> str:
    """A paragraph with names in it; its own code between backticks stays code."""
    if isinstance(text, Markup):
        return text
    return _LEADS.sub(_entity, _TAKEN.sub(_entity, text))


def plain(text: str) -> str:
    """A name, or any other text, that stands for itself."""
    return text if isinstance(text, Markup) else _TAKEN.sub(_entity, text).replace("`", "&#96;")


_NAMED = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def _entity(found: re.Match) -> str:
    return _NAMED.get(found[0], f"&#{ord(found[0])};")


def code(name: str) -> str:
    """A name as code, where it can be."""
    return plain(name) if "`" in name else f"`{' '.join(name.splitlines())}`"


def markdown_lines(lines: Sequence[Sequence[str]], numbers: bool = False) -> str:
    """A table in Markdown; a cell may hold any text.

    Args:
        lines: Its lines, the first of which is its head.
        numbers: All columns but the first are written at the right.
    """
    head, *rows = [[_in_a_cell(cell) for cell in line] for line in lines]
    below = ["---:" if numbers and n else "---" for n in range(len(head))]
    return "".join("| " + " | ".join(line) + " |\n" for line in (head, below, *rows))


def _in_a_cell(text: str) -> str:
    return " ".join(plain(text).splitlines()).replace("|", "\\|")
