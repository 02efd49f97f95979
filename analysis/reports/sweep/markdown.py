"""Tables in Markdown, of cells that hold any text."""

from collections.abc import Sequence


def markdown_lines(lines: Sequence[Sequence[str]], numbers: bool = False) -> str:
    """A table in Markdown; a cell may hold any text.

    Args:
        lines: Its lines, the first of which is its head.
        numbers: All columns but the first are written at the right.
    """
    head, *rows = [[" ".join(cell.splitlines()).replace("|", "\\|") for cell in line] for line in lines]
    below = ["---:" if numbers and n else "---" for n in range(len(head))]
    return "".join("| " + " | ".join(line) + " |\n" for line in (head, below, *rows))
