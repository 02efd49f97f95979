"""What is written in a cell, as an outcome from 0 to 1."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from align.errors import InputError

YES = "yes y true t s success succeeded successful ok pass passed done solved ja oui si sí ✓ ✔ ✅ ☑".split()
NO = "no n false f fail failed failure unsuccessful nein non ✗ ✘ ❌ ☒".split()
PARTIAL = ["partial", "partially", "partial success", "half", "½"]
MISSING = ["", "n/a", "na", "#n/a", "nan", "null", "none"]
WORDS = dict.fromkeys(YES, 1.0) | dict.fromkeys(NO, 0.0) | dict.fromkeys(PARTIAL, 0.5)
AS_YAML = {"true": ("true", "yes", "on"), "false": ("false", "no", "off")}
"""What YAML takes for each of its two truth values: `{no: 0.5}` says something of False."""
NUMBER = re.compile(r"[+-]?(\d+(?:[.,]\d*)?|[.,]\d+)(e[+-]?\d+)?", re.I)
THOUSANDS = re.compile(r"[1-9]\d{0,2},\d{3}")  # or thousandths behind a decimal comma
FRACTIONS = "fractions, as 3/5, are each the partial credit of one trial and no counts of trials"
SHARE = re.compile(r"(\d+)\s*/\s*(\d+)")
PAIR = re.compile(r"(.*[^\s:=])[\s:=]+(\d+(?:[.,]\d+)?|[.,]\d+|null)")


def _meant(word: object) -> tuple[str, ...]:
    """A word as cells are compared with it; several where the command line's YAML made one of them."""
    plain = str(word).strip().casefold()
    return AS_YAML.get(plain, (plain,))


def _is_number(word: str) -> bool:
    return bool(SHARE.fullmatch(word) or NUMBER.fullmatch(word.removesuffix("%").strip()))


class FullMarks:
    """What a perfect trial gets: one number for all files, or numbers by the name of a column or a file.

    Args:
        given: None where numbers are from 0 to 1 already. A column's name goes before a file's.
    """

    def __init__(self, given: float | Mapping[str, float] | None = None):
        self.by_name = isinstance(given, Mapping)
        named = given if isinstance(given, Mapping) else {} if given is None else {"": given}
        self.given = {str(name).strip().casefold(): marks for name, marks in named.items()}
        for name, marks in self.given.items():
            if not marks > 0:
                raise InputError(
                    f"full_marks{f' of {name}' * bool(name)}={marks:g}: expected a number above 0"
                )
        self.unused = set(self.given)

    def of(self, path: str, column: str) -> float | None:
        """Those of a column of a file; None where nothing is said of it."""
        for name in (column, path, Path(path).name, Path(path).stem) if self.by_name else ("",):
            if name.casefold() in self.given:
                self.unused.discard(name.casefold())
                return self.given[name.casefold()]
        return None

    def check_used(self) -> None:
        """Refuse a name that was asked for by no file.

        Raises:
            InputError: There is one.
        """
        if self.by_name and self.unused:
            raise InputError(
                f"full_marks: no outcomes in a column or file {min(self.unused)!r}; expected names of those, "
                "e.g. '{robot.csv: 10, predicted: 1}'"
            )


def check_pairs(words: Iterable[str]) -> None:
    """Refuse words that are a word and an outcome: YAML makes one word of `{partial:0.3}`, without meaning.

    Args:
        words: Of the user's own, that no cell holds and that have no outcome.

    Raises:
        InputError: There is one.
    """
    for word in words:
        if pair := PAIR.fullmatch(str(word)):
            meant = f"{{{pair[1]}: {pair[2]}}}"
            raise InputError(
                f"values: {word!r} is one word, and no outcome is that; expected a colon and a space between "
                f"a word and what it means, as '{meant}'"
            )


class Outcomes:
    """Reads cells of one column, and remembers what it took for what.

    Args:
        values: Words of the user's own with their outcomes, None for a trial that does not count; they go
            before the usual words.
        full_marks: What a perfect trial gets, if numbers are not from 0 to 1 already.
        percent: The column's name says that its numbers are percentages.
        sure: The full marks are of this very column or file.
    """

    def __init__(
        self,
        values: Mapping[str, float | None] | None = None,
        full_marks: float | None = None,
        percent: bool = False,
        sure: bool = False,
    ):
        self.told = list(values or {})
        self.own = {meant: value for word, value in (values or {}).items() for meant in _meant(word)}
        for word, value in (values or {}).items():
            if value is not None and not 0 <= value <= 1:
                meant = " or ".join(map(repr, _meant(word)))
                raise InputError(f"values: {meant} is {value:g}; expected an outcome from 0 to 1, or null")
        self.full_marks, self.sure = full_marks, sure
        self.percent = percent and full_marks is None
        self.words: Counter[tuple[str, float | None]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.largest = 0.0

    def used(self) -> list[str]:
        """The user's own words that were read, as they were told."""
        read = {word.casefold() for word, _ in self.words}
        return [word for word in self.told if read & set(_meant(word))]

    def unknown(self, cells: Iterable[str]) -> list[str]:
        """The words among some cells that mean nothing known, each once."""
        words: dict[str, str] = {}
        for cell in cells:
            words.setdefault(cell.strip().casefold(), cell.strip())
        return [said for word, said in words.items() if not self._is_word(word) and not _is_number(word)]

    def _is_word(self, word: str) -> bool:
        return word in self.own or word in WORDS or word in MISSING

    def read(self, cell: str, where: str, others: Iterable[str] = ()) -> float | None:
        """The outcome of a cell; None where it holds none.

        Args:
            cell: Its text.
            where: File and row, for the message.
            others: The other cells of its column, for the message.

        Raises:
            InputError: It cannot be read, or is not from 0 to 1.
        """
        word = cell.strip().casefold()
        if self._is_word(word):
            value = self.own[word] if word in self.own else WORDS.get(word)
            if word:
                self.words[cell.strip(), value] += 1
            return value
        if share := SHARE.fullmatch(word):
            reached, of = map(int, share.groups())
            self.kinds[FRACTIONS] += 1
            return self._unit(reached / of if of else -1.0, cell, where)
        percent = word.endswith("%")
        number = word.removesuffix("%").strip()
        if not NUMBER.fullmatch(number):
            unknown = self.unknown([cell, *others])
            one = len(unknown) == 1
            told = ", ".join(f"{word}: …" for word in unknown)
            raise InputError(
                f"{where}: {cell!r} is no outcome; expected yes or no, a number from 0 to 1, a percentage or "
                f"a fraction; say what {'it means' if one else 'such words mean'}, from 0 to 1, or null for "
                f"no trial: --values '{{{told}}}'"
            )
        thousands = float(number.replace(",", "")) if THOUSANDS.fullmatch(number) else np.inf
        if thousands <= (self.full_marks or 1):
            raise InputError(
                f"{where}: {cell!r} may mean {thousands:g} or {thousands / 1000:g}; write it without comma"
            )
        if "," in number:
            self.kinds["decimal commas"] += 1
        value = float(number.replace(",", "."))
        if percent:
            self.kinds["percentages"] += 1
            return self._unit(value / 100, cell, where)
        self.largest = max(self.largest, value)
        if self.percent or self.full_marks:
            return self._unit(value / (self.full_marks or 100), cell, where)
        self.kinds["numbers"] += 1
        return self._unit(value, cell, where)

    def said(self, name: str, where: str) -> list[str]:
        """How the column's cells were read.

        Raises:
            InputError: The name speaks of percent, or full marks are of all files, but no number is above 1.
        """
        if not self.sure and (self.full_marks or 0) > 1 and 0 < self.largest <= 1:
            raise InputError(
                f"{where}: --full_marks {self.full_marks:g}, but the largest number of {name!r} is "
                f"{self.largest:g}: it seems to be a share already; name the columns or files that are out "
                f"of {self.full_marks:g}, e.g. --full_marks '{{robot.csv: {self.full_marks:g}}}'"
            )
        if self.percent and 0 < self.largest <= 1:
            raise InputError(
                f"{where}: {name!r} speaks of percent, but its largest number is {self.largest:g}; say "
                "--full_marks 1 or --full_marks 100"
            )
        by_value: dict[float | None, list[str]] = {}
        for (word, value), n in sorted(self.words.items(), key=lambda item: str(item[0])):
            by_value.setdefault(value, []).append(f"{word!r} ({n})")
        parts = []
        for value, words in sorted(by_value.items(), key=lambda item: 2.0 if item[0] is None else -item[0]):
            taken = "no outcome" if value is None else f"{value:g}"
            parts.append(f"{', '.join(words)} {'counts' if len(words) == 1 else 'count'} as {taken}")
        if self.percent and self.largest:
            parts.append("its numbers are percentages")
        if self.full_marks:
            parts.append(f"numbers are out of {self.full_marks:g}")
        parts += [kind for kind in ("decimal commas", "percentages", FRACTIONS) if self.kinds[kind]]
        return [f"in {name!r}, " + "; ".join(parts)] if parts else []

    def _unit(self, value: float, cell: str, where: str) -> float:
        if not 0 <= value <= 1:
            raise InputError(
                f"{where}: outcome {cell!r}; expected 0 to 1, or what a perfect trial gets, --full_marks N"
            )
        return value
