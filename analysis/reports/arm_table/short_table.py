"""The first table of a sweep: how good each arm is, and whether it is better than the reference."""

from collections.abc import Collection, Sequence

from align.analysis.reports.sweep.comparisons import Comparison
from align.analysis.reports.sweep.markdown import markdown_lines

VERDICT = "verdict"
NOTE = (
    "Verdict: of the first difference, by the intervals that hold for all arms at once. Better or worse: "
    "they leave out 0. Not told apart: no difference was found, which does not say that there is none. May "
    "be best: cannot be told from the best arm; that is asked in one direction alone, so it finds a little "
    "more."
)


def short_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    kept: Sequence[str],
    pairs: Sequence[Comparison | None],
    best: Collection[str],
    sign: int = 1,
) -> tuple[list[str], list[list[str]]]:
    """Some columns of the table of everything, and what the comparison with the reference means.

    Args:
        titles: Of the columns of everything, the first of which names the arms.
        rows: Their cells, a row an arm.
        kept: Titles of the columns to keep; what is not there is left out.
        pairs: Each arm minus the reference; None where there is nothing to compare.
        best: Names of the arms that may be the best.
        sign: 1 where more is better, -1 of errors.

    Returns:
        Titles and rows.
    """
    columns = [titles.index(name) for name in kept if name in titles]
    short = [[row[j] for j in columns] for row in rows]
    said = [_said(pair, sign) for pair in pairs]
    may = ["may be best" if row[0] in best else "" for row in rows]
    verdicts = [", ".join(filter(None, both)) or "—" for both in zip(said, may, strict=True)]
    if any(pair is not None and pair.lone for pair in pairs):
        verdicts = [verdict if verdict == "—" else f"{verdict} †" for verdict in verdicts]
    return [*(titles[j] for j in columns), VERDICT], [
        [*row, verdict] for row, verdict in zip(short, verdicts, strict=True)
    ]


def _said(pair: Comparison | None, sign: int) -> str:
    if pair is None:
        return ""
    if not pair.clear:
        return "not told apart"
    return "better" if sign * pair.single.value > 0 else "worse"


def markdown(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of names at the left and numbers at the right."""
    return markdown_lines([titles, *rows], numbers=True)
