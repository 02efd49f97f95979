"""The trials of some files, checked: who tried, from which start, and how it went."""

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Literal, NamedTuple

from align.analysis.reports.evaluation.columns import PERCENT, Columns, described, find_columns
from align.analysis.reports.evaluation.outcomes import FullMarks, Outcomes, check_pairs
from align.analysis.reports.evaluation.sheet import LEROBOT, Row, Sheet, named_rows, read_sheet
from align.errors import InputError

Missing = Literal["skip", "failure"]
SUMMARIES = {
    "total",
    "totals",
    "mean",
    "average",
    "avg",
    "sum",
    "overall",
    "summe",
    "mittelwert",
    "durchschnitt",
}
ONE = "1"  # what a training is called where no column says


class Trial(NamedTuple):
    """One trial, or one start that was only simulated.

    Attributes:
        arm, training: Whose.
        start: What it began from; None where the file does not say.
        again: Which of several trials from this start, where a column says so.
        outcome: From 0 to 1; None where only `predicted` is known.
        predicted: What simulation says of this start, from 0 to 1.
        where: File and row.
        number: Which row of its arm it is, those without an outcome counted; from 1.
    """

    arm: str
    training: str
    start: str | None
    again: str
    outcome: float | None
    predicted: float | None
    where: str
    number: int


class Reading(NamedTuple):
    """Trials, and how they were read.

    Attributes:
        trials: In the order of the files.
        how: Lines that say it.
        outcome: What the outcome's column is called.
        skipped: Rows without an outcome that were left out.
    """

    trials: list[Trial]
    how: list[str]
    outcome: str
    skipped: int


def read_trials(
    files: Sequence[str],
    columns: Mapping[str, str | Sequence[str] | None] | None = None,
    wide: Sequence[str] = (),
    names: Sequence[str] = (),
    values: Mapping[str, float | None] | None = None,
    full_marks: FullMarks | None = None,
    missing: Missing = "skip",
    repeats: bool = False,
) -> Reading:
    """Read the trials of one or more files.

    Args:
        files: Paths.
        columns: By what a column says, its name; see `find_columns`.
        wide: Columns that hold the outcomes of one arm each.
        names: What to call the arms of files that have no column for it, in their order; by default by the
            file, LeRobot's by its folder.
        values: Outcomes of words of the user's own.
        full_marks: What a perfect trial gets; by default numbers are from 0 to 1.
        missing: What a row without an outcome is: skipped, or a failure.
        repeats: Several trials of an arm from one start are meant.

    Raises:
        InputError: A file cannot be read or understood; the line names file and row.
    """
    if not files:
        raise InputError("files: none; expected one or more CSV files, or LeRobot's eval_info.json")
    sheets = [read_sheet(path) for path in files]
    found = [find_columns(sheet, columns or {}, wide) for sheet in sheets]
    nameless = [
        i for i, (c, _) in enumerate(found) if (c.arm is None and not c.wide) or sheets[i].header == LEROBOT
    ]
    if names and len(names) != len(nameless):
        raise InputError(
            f"names={list(names)}: expected {len(nameless)}, one a file without a column of arms"
        )
    called = {i: name for i, name in zip(nameless, names, strict=True)} if names else {}
    trials: list[Trial] = []
    how: list[str] = []
    used: set[str] = set()
    skipped, numbers = 0, Counter()
    for i, (sheet, (places, notes)) in enumerate(zip(sheets, found, strict=True)):
        read = _Reader(sheet, places, called.get(i), values, full_marks or FullMarks(), missing, numbers)
        trials += read.trials
        used |= {word for cells in read.cells.values() for word in cells.used()}
        skipped += len(read.skipped)
        how.append(f"{sheet.path}:")
        how += [f"  {line}" for line in (*sheet.how, described(sheet, places), *notes, *read.said())]
    if not any(trial.outcome is not None for trial in trials):
        raise InputError(f"{', '.join(files)}: no row has an outcome; expected one or more trials")
    unused = [word for word in values or {} if word not in used]
    check_pairs(word for word in unused if values[word] is None)
    how += [f"no outcome is {word!r}, as --values has it" for word in unused]
    _check_starts(trials)
    _check_spelling(trials)
    how += _check_repeats(trials, repeats)
    places = found[0][0]
    outcome = "outcome" if places.outcome is None else sheets[0].header[places.outcome]
    return Reading(trials, how, outcome, skipped)


class _Reader:
    """Reads the rows of one sheet."""

    def __init__(
        self,
        sheet: Sheet,
        columns: Columns,
        arm: str | None,
        values: Mapping[str, float | None] | None,
        full_marks: FullMarks,
        missing: Missing,
        numbers: Counter[str],
    ):
        self.sheet, self.columns, self.arm, self.missing = sheet, columns, arm, missing
        self.numbers = numbers
        self.trials: list[Trial] = []
        self.skipped: list[int] = []
        self.simulated: list[int] = []
        self.summaries: list[int] = []
        places = [*columns.wide, *(p for p in (columns.outcome, columns.predicted) if p is not None)]
        self.cells = {}
        for place in places:
            name = sheet.header[place]
            marks = full_marks.of(sheet.path, name)
            self.cells[place] = Outcomes(values, marks, bool(PERCENT.search(name)), full_marks.by_name)
        for row in sheet.rows:
            self._row(row)

    def _row(self, row: Row) -> None:
        columns, where = self.columns, f"{self.sheet.path}, row {row.number}"
        if _is_summary(row, columns):
            self.summaries.append(row.number)
            return
        start = ", ".join(_number(row.cells[i]) for i in columns.start) if columns.start else None
        start = f"row {row.number}" if columns.by_row else start
        training = ONE if columns.training is None else _number(row.cells[columns.training])
        again = "" if columns.repeat is None else _number(row.cells[columns.repeat])
        predicted = None
        if columns.predicted is not None:
            predicted = self._read(row, columns.predicted)
        by_arm = {self.sheet.header[i]: i for i in columns.wide}
        if not columns.wide:
            arm = self.arm or (self.sheet.arm if columns.arm is None else row.cells[columns.arm])
            by_arm = {" ".join(arm.split()): columns.outcome}
        for arm, place in by_arm.items():
            outcome = self._read(row, place)
            self.numbers[arm] += 1
            if outcome is None and predicted is None:
                self.skipped.append(row.number)
                if self.missing == "skip":
                    continue
                outcome = 0.0
            elif outcome is None:
                if self.missing == "failure":
                    raise InputError(
                        f"{where}: a prediction, but no outcome: whether it failed or was only simulated "
                        "cannot be told; write 0, or keep simulated starts in a file of their own"
                    )
                self.simulated.append(row.number)
            for what, value in (("arm", arm), ("training", training), ("start", start)):
                if value is not None and not value.strip(" ,"):
                    raise InputError(
                        f"{where}: an outcome, but no {what}; fill it in (also where cells are merged), or "
                        f"--{what} none"
                    )
            self.trials.append(
                Trial(arm, training, start, again, outcome, predicted, where, self.numbers[arm])
            )

    def _read(self, row: Row, place: int) -> float | None:
        others = (other.cells[place] for other in self.sheet.rows if not _is_summary(other, self.columns))
        return self.cells[place].read(row.cells[place], f"{self.sheet.path}, row {row.number}", others)

    def said(self) -> list[str]:
        """How the rows were read."""
        said = [line for place, cells in self.cells.items()
                for line in cells.said(self.sheet.header[place], self.sheet.path)]  # fmt: skip
        if self.columns.arm is None and not self.columns.wide:
            said.append(f"no column of arms; all its trials are of {self.arm or self.sheet.arm!r} (--names)")
        if self.columns.by_row:
            said.append("no column of starts; trials of one row are of one start (--start none if not)")
        if self.skipped:
            what = "skipped" if self.missing == "skip" else "counted as failures"
            said.append(f"{named_rows(self.skipped)} without an outcome {what} (--missing skip or failure)")
        if self.simulated:
            said.append(
                f"{len(self.simulated)} rows with a prediction alone: starts that were only simulated"
            )
        if self.summaries:
            said.append(f"{named_rows(self.summaries)} skipped, a summary and no trial")
        return said


def _is_summary(row: Row, columns: Columns) -> bool:
    first = row.cells[columns.arm] if columns.arm is not None else row.cells[0]
    return first.casefold().rstrip(":") in SUMMARIES


def _number(text: str) -> str:
    """A start or seed, written one way if it is a number: 3, 3.0 and 03 are the same."""
    text = " ".join(text.split())
    if not re.fullmatch(r"[+-]?\d+(\.\d*)?", text, re.ASCII):
        return text
    value = Decimal(text)  # exact: stamps of time have many digits
    return str(int(value)) if value == value.to_integral_value() else str(value.normalize())


def _check_starts(trials: Sequence[Trial]) -> None:
    """Refuse trials of which some say their start and others do not: which belong together is not known.

    Raises:
        InputError: There are such.
    """
    told = next((trial for trial in trials if trial.start is not None), None)
    untold = next((trial for trial in trials if trial.start is None), None)
    if told and untold:
        raise InputError(
            f"{untold.where}: no start, but {told.where} has one, {told.start!r}; expected one of every "
            "trial (--start COLUMN), or of none (--start none)"
        )


def _check_spelling(trials: Sequence[Trial]) -> None:
    first: dict[str, Trial] = {}
    for trial in trials:
        other = first.setdefault(trial.arm.casefold(), trial)
        if other.arm != trial.arm:
            raise InputError(
                f"{trial.where}: arm {trial.arm!r}, but {other.arm!r} in {other.where}; spell it in one way"
            )


def _check_repeats(trials: Sequence[Trial], meant: bool) -> list[str]:
    """What there is to say of starts that an arm was tried from several times."""
    seen: dict[tuple, Trial] = {}
    counts: dict[tuple, int] = defaultdict(int)
    for trial in trials:
        if trial.start is None:
            continue
        key = trial.arm, trial.training, trial.start, trial.again
        counts[key[:3]] += 1
        other = seen.setdefault(key, trial)
        if other is not trial and not meant:
            of = f"arm {trial.arm!r} from start {trial.start!r}" + f", number {trial.again}" * bool(
                trial.again
            )
            raise InputError(
                f"{trial.where}: a second trial of {of}, like {other.where}; remove the copy, or say "
                "--repeats if starts were tried several times, or --start none if this column is no start"
            )
    most = max(counts.values(), default=1)
    if most < 2:
        return []
    return [f"up to {most} trials of an arm from one start: their mean is that start's outcome"]
