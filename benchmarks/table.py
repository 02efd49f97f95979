"""Rows as they are measured: appended to a CSV file at once, printed as a table at the end."""

import csv
import functools
import statistics
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path

LATE = "not measured: no time left"


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: What was measured.
        whose: "align", or the peer and its version.
        unit: Of the numbers.
        median, low, high: Of the repetitions.
        n: How many there were.
        note: What else is to be known, or why there is no number.
    """

    what: str
    whose: str
    unit: str
    median: float
    low: float
    high: float
    n: int
    note: str = ""


class Table:
    """Rows, in a file from the moment each is known.

    Args:
        folder: Holds `benchmark.csv` and `benchmark.md`, which are written anew.
        seconds: After so many, nothing more is begun.
        name: Of both files.
    """

    def __init__(self, folder: Path, seconds: float, name: str = "benchmark"):
        folder.mkdir(parents=True, exist_ok=True)
        self.file, self.rows, self._end = folder / f"{name}.csv", [], time.monotonic() + seconds
        with open(self.file, "w", newline="") as file:
            csv.writer(file).writerow(field.name for field in fields(Row))

    def add(self, what: str, whose: str, unit: str, values: Iterable[float], note: str = "") -> float:
        """A row of repetitions of one figure; returns their median."""
        values = list(values)
        low, high = (min(values), max(values)) if values else (float("nan"),) * 2
        median = statistics.median(values) if values else float("nan")
        self._write(Row(what, whose, unit, median, low, high, len(values), note))
        return median

    def measure(
        self, what: str, whose: str, unit: str, function: Callable[..., Iterable[float]], *arguments
    ) -> float:
        """A row of what a function returns; where it fails or there is no time left, a row that says so."""
        if self.is_late():
            return self.add(what, whose, unit, [], LATE)
        try:
            return self.add(what, whose, unit, function(*arguments))
        except Exception as error:  # the other figures are worth having; this one says what went wrong
            return self.add(what, whose, unit, [], failed(error))

    def beside(
        self,
        what: str,
        unit: str,
        scale: float,
        functions: dict[str, Callable[[], object]],
        seconds: float = 1.0,
    ) -> None:
        """Rows of functions that are called in turns, and of how many times the first one's time they take.

        Args:
            what: They do.
            unit: Of the rows.
            scale: Of them in a second.
            functions: By whose they are, align's first.
            seconds: In which they are called, at least three times each.
        """
        if self.is_late():
            self.add(what, "align", unit, [], LATE)
            return
        errors: dict[str, str] = {}

        def call(whose: str) -> None:
            try:
                if whose not in errors:
                    functions[whose]()
            except Exception as error:  # as in `measure`
                errors[whose] = failed(error)

        longest = 0.0
        for whose in functions:
            begun = time.perf_counter()
            call(whose)
            longest = max(longest, time.perf_counter() - begun)
        least, running = 3 if longest < LONG else 1, [whose for whose in functions if whose not in errors]
        calls = [functools.partial(call, whose) for whose in running]
        times = in_turns(calls, seconds, least, time.perf_counter)
        for whose, note in errors.items():  # also of one that failed later
            self.add(what, whose, unit, [], note)
        first = next(iter(functions))
        for whose, own in zip(running, times, strict=True):
            if whose in errors:
                continue
            self.add(what, whose, unit, [scale * second for second in own])
            if whose != first and first not in errors:
                self.against(what, whose, own, times[0])

    def against(
        self, what: str, whose: str, times: Sequence[float], ours: Sequence[float], note: str = ""
    ) -> None:
        """A row of how many times as long it took, turn by turn, as align did."""
        ratios = [their / our for their, our in zip(times, ours, strict=False)]
        self.add(f"{what}: times align's", whose, "×", ratios, note)

    def is_late(self) -> bool:
        """Whether nothing more is to be begun."""
        return time.monotonic() > self._end

    def part(self, what: str, function: Callable[..., None], *arguments) -> None:
        """Rows that a function adds; where it fails or there is no time left, a row that says so."""
        if self.is_late():
            self.add(what, "align", "", [], LATE)
            return
        try:
            function(*arguments)
        except Exception as error:  # as in `measure`
            self.add(what, "align", "", [], failed(error))

    def _write(self, row: Row) -> None:
        self.rows.append(row)
        with open(self.file, "a", newline="") as file:
            csv.writer(file).writerow(astuple(row))
        print(f"{row.what} [{row.whose}]: {row.median:.4g} {row.unit} {row.note}", flush=True)

    def markdown(self, heading: str) -> str:
        """All rows under a heading; also written to `benchmark.md`, beside the rows."""
        lines = [
            heading,
            "",
            "| what | whose | median | lowest – highest | n | |",
            "|---|---|---|---|---|---|",
        ]
        for row in self.rows:
            number = f"{row.median:.3g} {row.unit}" if row.n else "–"
            spread = f"{row.low:.3g} – {row.high:.3g}" if row.n else "–"
            lines.append(f"| {row.what} | {row.whose} | {number} | {spread} | {row.n} | {row.note} |")
        text = "\n".join(lines) + "\n"
        self.file.with_suffix(".md").write_text(text, encoding="utf-8")
        return text


def failed(error: Exception) -> str:
    """The note of a row that has no number for an error."""
    return f"failed: {' '.join(f'{type(error).__name__}: {error}'.split())[:200]}"


LONG = 10.0
"""Seconds of a call that is repeated but once."""


def repeated(function: Callable[[], object], seconds: float = 1.0, most: int = 20) -> list[float]:
    """Seconds of each call, after one that does not count, until there were enough calls or seconds."""
    start = time.perf_counter()
    function()
    least = 3 if time.perf_counter() - start < LONG else 1
    times: list[float] = []
    while len(times) < least or (sum(times) < seconds and len(times) < most):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return times


def in_turns(
    functions: Sequence[Callable[[], object]],
    seconds: float = 10.0,
    least: int = 5,
    clock: Callable[[], float] = time.process_time,
) -> list[list[float]]:
    """Seconds of each call of each function, called in turns.

    Each is called once before, which does not count. By default of the processor's time: that is what a call
    of one thread takes on a core of its own. Of two that are slowed by other work, a long one is slowed more
    often than a short one.
    """
    for function in functions:
        function()
    times: list[list[float]] = [[] for _ in functions]
    begun = time.perf_counter()
    while times and (len(times[0]) < least or time.perf_counter() - begun < seconds):
        for function, each in zip(functions, times, strict=True):
            start = clock()
            function()
            each.append(clock() - start)
    return times
