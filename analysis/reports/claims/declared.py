"""Claims as a file declares them: what was published, which arms of which sweep test it, and what decides."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from align.analysis.reports.sweep import Metric
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.verdict import Rule
from align.errors import InputError, check_numbers, shown
from align.run.config import read_yaml
from align.run.reading import of_file

DECLARED = "claims.yaml"
"""Where a folder of recorded sweeps declares claims about them."""
EQUIVALENT = "equivalent"
"""The measure that is a multiple of real data: how much of it alone does as well as the plateau."""
NAMED = {"success": "rollout", "score": "rollout", "acceleration": "motion"}
"""Measures that are of a sweep's target, by their kind of metric."""
DIFFERENCE, RATIO, LEVEL = "difference", "ratio", "level"
NULLS = {DIFFERENCE: 0.0, RATIO: 1.0}
OF_COMPARISON = (
    *("sweep", "regime", "arm", "minus", "over", "measure"),
    *("claimed", "null", "margin", "ends", "published", "name"),
)
OF_CLAIM = ("claim", "says", "source", "every", "compare")


@dataclass(frozen=True)
class Test:
    """A comparison that a claim rests on.

    Attributes:
        sweep: Folder of the sweep.
        regime: Settings that its runs must have, by their path in a configuration.
        arm: Label of an arm, or a pattern of several, as "lambda=*"; None of multiples of real data.
        other: Label of the arm that it is compared with; None of a measure by itself.
        measure: As the file names it.
        unit: Difference, ratio or level, of which figures have a panel each.
        rule: What is claimed of the measure.
        published: What was published, an interval without width or a range; None where no figure was.
        name: What is compared, in words; None to have it from the arms' labels.
    """

    sweep: str
    regime: Mapping[str, object]
    arm: str | None
    other: str | None
    measure: str
    unit: str
    rule: Rule
    published: Interval | None
    name: str | None = None


@dataclass(frozen=True)
class Claim:
    """What was claimed.

    Attributes:
        title: The claim in a few words.
        says: The published text or figure, as it is quoted.
        source: Where it was published.
        every: It is about every test, not about one at least.
        tests: What it rests on.
    """

    title: str
    says: str
    source: str
    every: bool
    tests: list[Test]


def read_claims(path: str | os.PathLike) -> list[Claim]:
    """The claims that a YAML file declares.

    Raises:
        InputError: The file cannot be read, or an entry of it is not as expected; the line names it.
    """
    entries, regimes = _read(path)
    with of_file(str(path)):
        claims = []
        for i, entry in enumerate(entries):
            _check_keys(f"claim {i}", entry, (*OF_CLAIM, *OF_COMPARISON), ("claim", "source", "compare"))
            with of_file(f"claim {entry['claim']!r}"):
                claims.append(_claim(entry, regimes))
        return claims


def read_regime(path: str | os.PathLike, name: str) -> Mapping[str, object]:
    """The settings of a regime that the file declares.

    Raises:
        InputError: As in `read_claims`, or it declares no such regime.
    """
    with of_file(str(path)):
        return _regime(name, _read(path)[1])


def _read(path: str | os.PathLike) -> tuple[list[Any], Mapping[str, Any]]:
    """The entries of the claims, and the regimes."""
    content = read_yaml(path)
    with of_file(str(path)):
        _check_keys("claims", content, ("claims", "regimes"), needed=("claims",))
        entries, regimes = content["claims"], content.get("regimes") or {}
        if not isinstance(entries, list) or not entries or not isinstance(regimes, dict):
            raise InputError(f"claims={shown(entries)}: expected a list of claims, regimes a mapping")
        return entries, regimes


def _regime(name: object, regimes: Mapping[str, Any]) -> Mapping[str, object]:
    if not isinstance(name, str) or not isinstance(regimes.get(name), dict):
        raise InputError(f"regime={shown(name)}: expected one of {', '.join(map(str, regimes))}")
    return regimes[name]


def _claim(entry: Mapping[str, Any], regimes: Mapping[str, Any]) -> Claim:
    compared, every = entry["compare"], entry.get("every", True)
    if not isinstance(compared, list) or not compared or not isinstance(every, bool):
        raise InputError(
            f"compare={shown(compared)}, every={shown(every)}: expected a list, and true or false"
        )
    shared = {name: entry[name] for name in OF_COMPARISON if name in entry}
    tests = []
    for given in compared:
        _check_keys("compare", given, OF_COMPARISON)
        tests.append(_test(shared | given, regimes))
    texts = [str(entry[name]) for name in ("claim", "source")]
    return Claim(texts[0], str(entry.get("says", "")), texts[1], every, tests)


def _test(entry: Mapping[str, Any], regimes: Mapping[str, Any]) -> Test:
    _check_keys("compare", entry, OF_COMPARISON, ("sweep", "regime", "measure", "claimed", "margin"))
    for name in ("sweep", "measure", "claimed", *(n for n in ("arm", "minus", "over", "name") if n in entry)):
        if not isinstance(entry[name], str):
            raise InputError(f"{name}={shown(entry[name])}: expected text")
    regime = _regime(entry["regime"], regimes)
    measure, arm = entry["measure"], entry.get("arm")
    other, unit = entry.get("minus", entry.get("over")), _unit(entry)
    if (arm is None) != (measure == EQUIVALENT) or (other is None) != (unit == LEVEL or arm is None):
        raise InputError(
            f"measure={measure!r}, arm={arm!r}, minus or over={other!r}: expected an arm minus another, over "
            f"another or by itself, none of {EQUIVALENT!r}"
        )
    null = entry.get("null", NULLS.get(unit))
    if null is None:
        raise InputError(f"measure={measure!r}: expected a null, as 0.5 of an accuracy")
    ends = entry.get("ends")
    if ends is not None:
        if not isinstance(ends, list) or len(ends) != 2:
            raise InputError(f"ends={shown(ends)}: expected two numbers")
        for end in ends:
            _check_plain(ends=end)
        check_numbers("(0, 1e6]", ends=ends)
        ends = tuple(map(float, ends))
    _check_plain(null=null, margin=entry["margin"])
    rule = Rule(entry["claimed"], null, entry["margin"], ends)
    _check_threshold(rule, measure, unit)
    published = _published(entry.get("published"), unit)
    return Test(
        entry["sweep"],
        regime,
        arm,
        other,
        measure,
        unit,
        rule,
        published,
        entry.get("name"),
    )


def _check_plain(**numbers: object) -> None:
    """Refuse what is no number by itself, as `check_numbers` takes several, or none."""
    for name, value in numbers.items():
        if isinstance(value, dict | list | None):
            raise InputError(f"{name}={shown(value)}: expected a number")


def _check_threshold(rule: Rule, measure: str, unit: str) -> None:
    """A threshold that the measure cannot pass would settle the claim before anything is measured."""
    if rule.ends is not None:
        return
    if unit == RATIO:  # as far from 0 as from twice the null
        least, most = 0.0, 2 * max(rule.null, 0.0)
    else:
        least, most = _metric(measure).bounds
        if unit == DIFFERENCE:
            least, most = least - most, most - least
    if not (least < rule.threshold < most and least < rule.null < most):
        raise InputError(
            f"null={rule.null:g}, margin={rule.margin:g}: {rule.claimed} {rule.threshold:g} settles nothing "
            f"of a {unit} in {measure}; expected both ends of the margin between {least:g} and {most:g}"
        )


def _metric(measure: str) -> Metric:
    """What a measure is, in whichever world."""
    return Metric(NAMED[measure], "world", measure) if measure in NAMED else Metric.parse(measure)


def _unit(entry: Mapping[str, Any]) -> str:
    if "minus" in entry and "over" in entry:
        raise InputError("minus and over: expected one of them")
    measure = entry["measure"]
    if measure == EQUIVALENT:
        return RATIO
    kind = _metric(measure).kind
    if ("minus" in entry and kind not in ("rollout", "held_out")) or ("over" in entry and kind != "motion"):
        raise InputError(
            f"measure={measure!r}: minus is of trials and held-out episodes, over is of motion; expected a "
            "measure of that kind, or an arm by itself"
        )
    return DIFFERENCE if "minus" in entry else RATIO if "over" in entry else LEVEL


def _published(found: object, unit: str) -> Interval | None:
    """A number, a range, or that of the arm and of the other, maybe as counts `of` so many trials.

    Raises:
        InputError: It is none of these, a range ends before it begins, or counts are more than the trials.
    """
    if found is None:
        return None
    parts = found.values() if isinstance(found, dict) else found if isinstance(found, list) else [found]
    if any(isinstance(part, dict | list | None) for part in parts):
        raise InputError(f"published={shown(found)}: expected numbers")
    if isinstance(found, dict):
        _check_keys("published", found, ("arm", "other", "of"), ("arm", "other"))
        check_numbers("[0, 1e9]", arm=found["arm"])
        check_numbers("(0, 1e9]" if unit == RATIO else "[0, 1e9]", other=found["other"])
        check_numbers("(0, 1e9]", of=found.get("of"))
        if unit == LEVEL:
            raise InputError(f"published={shown(found)}: expected a number or a range of an arm by itself")
        if "of" in found and found["of"] < max(found["arm"], found["other"]):
            raise InputError(f"published={shown(found)}: expected counts of at most `of` trials")
        arm, other = (found[name] / found.get("of", 1) for name in ("arm", "other"))
        low = high = arm / other if unit == RATIO else arm - other
    else:
        low, high = found if isinstance(found, list) and len(found) == 2 else (found, found)
        check_numbers("(0, 1e9]" if unit == RATIO else "[-1e9, 1e9]", published=[low, high])
        if low > high:
            raise InputError(f"published={shown(found)}: expected a range in increasing order")
    return Interval((low * high) ** 0.5 if unit == RATIO else (low + high) / 2, low, high)


def _check_keys(name: str, entry: object, known: tuple[str, ...], needed: tuple[str, ...] = ()) -> None:
    if not isinstance(entry, dict):
        raise InputError(f"{name}={shown(entry)}: expected a mapping of {', '.join(known)}")
    if unknown := [str(key) for key in entry if key not in known]:
        raise InputError(f"{name}: no entry {', '.join(unknown)}; expected some of {', '.join(known)}")
    if absent := [key for key in needed if key not in entry]:
        raise InputError(f"{name}: lacks {', '.join(absent)}")
