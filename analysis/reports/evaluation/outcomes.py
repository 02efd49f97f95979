"""What is written in a cell, as an outcome from 0 to 1."""

import re
from collections import Counter
from collections.abc import Mapping

from align.errors import InputError

YES = "yes y true t success succeeded successful ok pass passed done solved ja oui si sí ✓ ✔ ✅ ☑".split()
NO = "no n false f fail failed failure unsuccessful nein non ✗ ✘ ❌ ☒".split()
PARTIAL = ["partial", "partially", "partial success", "half", "½"]
MISSING = ["", "n/a", "na", "#n/a", "nan", "null", "none"]
WORDS = dict.fromkeys(YES, 1.0) | dict.fromkeys(NO, 0.0) | dict.fromkeys(PARTIAL, 0.5)
NUMBER = re.compile(r"[+-]?(\d+[.,]?\d*|[.,]\d+)(e[+-]?\d+)?", re.I)
SHARE = re.compile(r"(\d+)\s*/\s*(\d+)")


class Outcomes:
    """Reads cells of one column, and remembers what it took for what.

    Args:
        values: Words of the user's own with their outcomes, None for a trial that does not count; they go
            before the usual words.
        full_marks: What a perfect trial gets, if numbers are not from 0 to 1 already.
        percent: The column's name says that its numbers are percentages.
    """

    def __init__(
        self,
        values: Mapping[str, float | None] | None = None,
        full_marks: float | None = None,
        percent: bool = False,
    ):
        self.own = {str(word).strip().casefold(): value for word, value in (values or {}).items()}
        for word, value in self.own.items():
            if value is not None and not 0 <= value <= 1:
                raise InputError(f"values: {word!r} is {value:g}; expected an outcome from 0 to 1, or null")
        if full_marks is not None and not full_marks > 0:
            raise InputError(f"full_marks={full_marks:g}: expected a number above 0")
        self.full_marks = full_marks
        self.percent = percent and full_marks is None
        self.words: Counter[tuple[str, float | None]] = Counter()
        self.kinds: Counter[str] = Counter()
        self.largest = 0.0

    def read(self, cell: str, where: str) -> float | None:
        """The outcome of a cell; None where it holds none.

        Args:
            cell: Its text.
            where: File and row, for the message.

        Raises:
            InputError: It cannot be read, or is not from 0 to 1.
        """
        word = cell.strip().casefold()
        if word in self.own or word in WORDS or word in MISSING:
            value = self.own[word] if word in self.own else WORDS.get(word)
            if word:
                self.words[cell.strip(), value] += 1
            return value
        if share := SHARE.fullmatch(word):
            reached, of = map(int, share.groups())
            self.kinds["fractions, as 3/5"] += 1
            return self._unit(reached / of if of else -1.0, cell, where)
        percent = word.endswith("%")
        number = word.removesuffix("%").strip()
        if not NUMBER.fullmatch(number):
            raise InputError(
                f"{where}: {cell!r} is no outcome; expected yes or no, a number from 0 to 1, a percentage or "
                f"a fraction; say what it means with --values '{{{cell}: 0}}'"
            )
        if re.fullmatch(r"\d{1,3},\d{3}", number):
            raise InputError(
                f"{where}: {cell!r} may mean thousands or thousandths; write it without the comma"
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
            InputError: The name speaks of percent, but no number is above 1.
        """
        if (self.full_marks or 0) > 1 and 0 < self.largest <= 1:
            raise InputError(
                f"{where}: --full_marks {self.full_marks:g}, but the largest number of {name!r} is "
                f"{self.largest:g}: it seems to be a share already; evaluate files of one scale together"
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
        parts += [kind for kind in ("decimal commas", "percentages", "fractions, as 3/5") if self.kinds[kind]]
        return [f"in {name!r}, " + "; ".join(parts)] if parts else []

    def _unit(self, value: float, cell: str, where: str) -> float:
        if not 0 <= value <= 1:
            raise InputError(
                f"{where}: outcome {cell!r}; expected 0 to 1, or what a perfect trial gets, --full_marks N"
            )
        return value
