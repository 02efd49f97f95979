"""`align evaluate`: trials kept by hand or by LeRobot, to a table, a figure and a paragraph."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.figures.evaluation import Tried, figure_evaluation
from align.analysis.figures.series import Point
from align.analysis.reports.evaluation import assisted, sequence
from align.analysis.reports.evaluation.columns import NONE
from align.analysis.reports.evaluation.design import Design, arrange
from align.analysis.reports.evaluation.findings import Findings, find
from align.analysis.reports.evaluation.outcomes import FullMarks
from align.analysis.reports.evaluation.trials import Missing, read_trials
from align.analysis.reports.evaluation.words import Words
from align.analysis.reports.sweep.markdown import Markup, prose
from align.analysis.reports.tables import markdown_table, write_csv
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.rates import FEW
from align.errors import InputError, check_numbers
from align.files import write_text
from align.run.reading import of_file


def evaluate(
    files: list[str],
    arm: str | None = None,
    start: str | list[str] | None = None,
    outcome: str | None = None,
    training: str | None = None,
    predicted: str | None = None,
    wide: list[str] | None = None,
    names: list[str] | None = None,
    arms: list[str] | None = None,
    reference: str | None = None,
    values: dict[str, float | None] | None = None,
    full_marks: float | dict[str, float] | None = None,
    missing: Missing = "skip",
    repeats: bool = False,
    sequential: bool = False,
    simulated: list[str] | None = None,
    level: float = 0.95,
    out: str | None = None,
) -> None:
    """Say what the trials of a lab show, what they do not, and how many more would show it.

    Args:
        files: CSV files with one row a trial, or LeRobot's eval_info.json.
        arm: Column that says which policy was tried; usual names are found. Without one a file is an arm.
        start: Column that says what the trial began from, or several, e.g. '[x, y]'; none if there is none.
        outcome: Column that says how the trial went: success, or partial credit.
        training: Column that says which training of the arm it was; none where there is none.
        predicted: Column of what simulation says of the start.
        wide: Columns that hold the outcomes of one arm each, e.g. '[old, new]', for arm and outcome.
        names: What to call the arms of files that have no column for it, in the order of the files.
        arms: Arms to take, in this order; by default all.
        reference: Arm that the others are compared with; by default the first.
        values: What words stand for, e.g. '{dropped: 0.5, aborted: null}'; null does not count.
        full_marks: What a perfect trial gets, where numbers are not from 0 to 1; of several scales by column
            or file, e.g. '{robot.csv: 10, predicted: 1}'.
        missing: What a row without an outcome is: skip or failure.
        repeats: Starts were tried several times by the same arm.
        sequential: Follow two arms trial by trial, in the order of the rows: say whether it is settled, valid
            however often it is asked.
        simulated: Files of trials in simulation of the same arms, from the same starts and many more, which
            make the intervals shorter; or predicted is a column.
        level: Confidence level.
        out: Folder to write to; by default FILE-evaluation beside the first file.
    """
    check_numbers("(0.5, 1)", level=level)
    check_numbers("(0, 1e6]", full_marks=full_marks)
    check_numbers("[0, 1e6]", values=values)
    if sequential and (simulated or predicted not in (None, NONE)):
        option = f"simulated={simulated}" if simulated else f"predicted={predicted}"
        raise InputError(f"{option}, sequential=true: simulation takes no part in it; expected one of them")
    columns = {"arm": arm, "start": start, "outcome": outcome, "training": training, "predicted": predicted}
    marks = FullMarks(full_marks)
    read = read_trials(files, columns, wide or (), names or (), values, marks, missing, repeats)
    others = (
        read_trials(simulated, columns, values=values, full_marks=marks, repeats=True) if simulated else None
    )
    marks.check_used()
    folder = Path(out) if out else Path(files[0]).parent / f"{Path(files[0]).stem}-evaluation"
    if folder.exists() and not folder.is_dir():
        raise InputError(f"out={str(folder)!r}: a file; expected a folder to write to")
    if sequential:
        pairs = sequence.pair_up(read.trials, arms, reference)
        followed, rows = sequence.follow(pairs, level)
        said = sequence.words(pairs, followed, level)
        text = page(said, rows[-1:], ["The last pair; all are in sequence.csv."], read.how)
        _write(folder / "sequence", rows, text, sequence.draw(pairs, followed, level))
        return
    with of_file(", ".join(files)):
        design = arrange(read.trials, arms)
    findings = find(design, reference, level)
    rows, how = table(findings, design), [*read.how, *design.notes]
    said, explained = Words(findings, design.binary, read.skipped).paragraphs(), notes(findings, design)
    if simulated or any(trial.predicted is not None for trial in read.trials):
        names = [found.arm.name for found in findings.arms]
        helped = assisted.assist(
            read.trials, others.trials if others else (), names, findings.reference, level
        )
        said += assisted.words(helped, findings.reference, design.binary, level)
        explained += [Markup(markdown_table(assisted.table(helped, findings.reference)).rstrip("\n"))]
        explained += [
            "With simulation: prediction-powered intervals (Angelopoulos), never trusted by luck alone."
        ]
        write_csv(folder / "assisted.csv", assisted.table(helped, findings.reference))
        how += others.how if others else []
    _write(folder / "evaluation", rows, page(said, rows, explained, how), draw(findings, design))


def _write(path: Path, rows: Sequence[dict[str, object]], text: str, figure: Figure) -> None:
    """Write table, words and figure, and print the words."""
    write_csv(path.with_suffix(".csv"), rows)
    figures.save(figure, path.with_suffix(".png"))
    write_text(path.with_suffix(".md"), text)
    print(text)
    print(f"written: {path}.md, .csv, .png")


def table(findings: Findings, design: Design) -> list[dict[str, object]]:
    """A row an arm."""
    several = findings.comparisons > 1
    rows = []
    for found in findings.arms:
        tried = found.arm.table
        row: dict[str, object] = {"arm": found.arm.name}
        if not design.lone:
            row["trainings"] = len(tried)
        row["trials"] = found.arm.tried
        if any(f.arm.tried > f.arm.table.size for f in findings.arms):
            row["starts"] = tried.shape[1]
        if design.binary:
            row["successes"] = int(tried.sum())
        row["success" if design.binary else "score"] = found.interval
        if findings.comparisons:
            difference = found.difference
            minus = f"minus {findings.reference}"
            row[minus] = None if difference is None else difference.single
            if several:
                row[f"{minus}, all at once"] = None if difference is None else difference.simultaneous
            if design.shared is not None:
                row["p"] = None if difference is None else difference.p_value
            row["shown"] = "" if difference is None else _verdict(difference.simultaneous)
            if several:
                row["may be best"] = "yes" if found.may_be_best else ""
        rows.append(row)
    return rows


def _verdict(interval: Interval) -> str:
    return "better" if interval.low > 0 else "worse" if interval.high < 0 else "not shown"


def notes(findings: Findings, design: Design) -> list[str]:
    """What the columns mean, and the methods."""
    alone = (
        "Exact intervals of counts (Blaker)"
        if design.binary and design.lone
        else ("Wilson's intervals over trainings and trials, crossed")
    )
    said = [f"Estimate [{100 * findings.level:g} % interval]. {alone}."]
    if findings.comparisons and design.shared is not None:
        counts = design.binary and design.lone
        how = (
            "Tango's interval, which holds 0 unless McNemar's exact test (p) says otherwise"
            if counts
            else "Newcombe's interval with what the starts share"
            + (", as wide as Student's at least, since they are few" if findings.paired <= FEW else "")
        )
        said[0] += f" Differences on {findings.paired} shared starts: {how}."
    elif findings.comparisons:
        said[0] += " Differences of trials from starts of their own: Newcombe's interval."
    if findings.comparisons > 1:
        said[0] += (
            f" All at once: the {findings.comparisons} intervals hold together. Shown: by those. May be "
            "best: not to be told from the best (Hsu)."
        )
    return said


def page(paragraphs: Sequence[str], rows: Sequence[dict], notes: Sequence[str], how: Sequence[str]) -> str:
    """All that is said, as Markdown."""
    lines = "\n".join(("  - " if line.startswith("  ") else "- ") + prose(line.lstrip()) for line in how)
    parts = [
        *map(prose, paragraphs),
        markdown_table(rows).rstrip("\n"),
        *map(prose, notes),
        f"How it was read:\n\n{lines}",
    ]
    return "\n\n".join(parts) + "\n"


def draw(findings: Findings, design: Design) -> Figure:
    """The figure."""
    arms = [
        Tried(
            found.arm.name,
            Point(found.interval, found.arm.table.mean(1)),
            found.difference and found.difference.single,
            found.difference and found.difference.simultaneous,
            found.may_be_best or findings.comparisons < 2,  # which the caption explains of several alone
        )
        for found in findings.arms
    ]
    sizes = sorted({found.arm.table.shape[1] for found in findings.arms})
    trials = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]}–{sizes[-1]}"
    again = any(found.arm.tried > found.arm.table.size for found in findings.arms)
    caption = f"{trials} {'starts' if again else 'trials'} an arm" + ("" if design.lone else " and training")
    caption += f", {findings.paired} shared starts" if findings.paired else ""
    caption += f"; {100 * findings.level:g} % intervals"
    if findings.comparisons > 1:
        caption += ", thick by itself, thin for all at once; filled: may be the best"
    return figure_evaluation(arms, "Success" if design.binary else "Score", findings.reference, caption)
