"""Verdicts on claims: what they may not say, by symmetry and by simulated sweeps whose truth is known."""

import numpy as np
import pytest

from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.trials.crossed import difference
from align.analysis.statistics.verdict import CONFIRMED, REFUTED, UNDECIDED, Rule, together, verdict
from align.errors import InputError
from align.seeding import numpy_rng

MARGIN = 0.1


def _intervals():
    rng = numpy_rng(0, "intervals of claims")
    return [Interval(float(m), *sorted((float(a), float(b)))) for m, a, b in rng.normal(0, 0.1, (200, 3))]


def _of(claimed, interval):
    return verdict(interval, Rule(claimed, 0.0, MARGIN))


def test_sides_mirror_each_other():
    for claimed in ("above", "not above"):
        found = [_of(claimed, interval) for interval in _intervals()]
        assert set(found) == {CONFIRMED, REFUTED, UNDECIDED}
        for interval, expected in zip(_intervals(), found, strict=True):
            mirrored = Interval(-interval.value, -interval.high, -interval.low)
            assert _of(claimed.replace("above", "below"), mirrored) == expected


def test_not_above_is_confirmed_short_of_the_margin_and_refuted_beyond_it():
    for interval in _intervals():
        wholly = {interval.high < MARGIN: CONFIRMED, interval.low >= MARGIN: REFUTED}
        assert _of("not above", interval) == wholly.get(True, UNDECIDED)


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.01, 0.3), CONFIRMED),
        ((-0.2, 0.05), REFUTED),  # no effect that matters is left
        ((-0.01, 0.3), UNDECIDED),
        ((-0.05, 0.15), UNDECIDED),  # holds 0, which shows nothing
        ((0.01, 0.05), CONFIRMED),  # small, but there
        ((np.nan, np.nan), UNDECIDED),
    ],
)
def test_an_effect_is_confirmed_by_its_null_and_refuted_by_its_margin(ends, expected):
    assert _of("above", Interval(0.0, *ends)) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.005, 0.04), CONFIRMED),  # an effect is there, and none that matters
        ((-0.05, 0.05), CONFIRMED),
        ((-0.05, 0.15), UNDECIDED),
        ((0.01, 0.3), UNDECIDED),  # an effect is there, maybe one that matters
        ((0.1, 0.3), REFUTED),
        ((-np.inf, 0.0), CONFIRMED),
    ],
)
def test_no_effect_is_decided_by_its_margin_alone(ends, expected):
    assert _of("not above", Interval(0.0, *ends)) == expected
    assert _of("not below", Interval(0.0, -ends[1], -ends[0])) == expected


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((1.5, 4.0), CONFIRMED),
        ((1.2, 1.9), UNDECIDED),
        ((1.5, np.inf), UNDECIDED),
        ((0.0, 1.3), REFUTED),
        ((4.5, np.inf), REFUTED),
    ],
)
def test_a_range_is_confirmed_inside_and_refuted_outside(ends, expected):
    rule = Rule("within", margin=2**0.5, ends=(2.0, 3.0))
    assert verdict(Interval(2.0, *ends), rule) == expected


def test_a_claim_of_all_fails_by_one_and_a_claim_of_one_holds_by_one():
    some = [CONFIRMED, UNDECIDED, REFUTED]
    assert together(some) == REFUTED and together(some, every=False) == CONFIRMED
    assert together(some[:2]) == UNDECIDED == together(some[1:], every=False)
    for same in some:
        assert together([same, same]) == same == together([same], every=False)


def _simulated(truth, sweeps=600, trainings=5, trials=60):
    """Intervals of a difference of two arms, trainings and trials both a sample."""
    rng = numpy_rng(0, "simulated sweeps of claims", round(100 * truth))
    trial = rng.normal(0, 0.3, (sweeps, 1, trials))
    arms = [
        mean
        + rng.normal(0, 0.04, (sweeps, trainings, 1))
        + trial
        + rng.normal(0, 0.3, (sweeps, trainings, trials))
        for mean in (truth, 0.0)
    ]
    found = difference(*arms).interval()
    return [Interval(*map(float, row)) for row in zip(*found, strict=True)]


def test_a_wrong_claim_is_confirmed_and_a_right_one_refuted_no_more_often_than_promised():
    most = 0.025 + 3 * np.sqrt(0.025 * 0.975 / 600)
    share = lambda found, claimed, what: np.mean([_of(claimed, i) == what for i in found])  # noqa: E731
    none, margin, large = (_simulated(truth) for truth in (0.0, MARGIN, 0.3))
    assert share(none, "above", CONFIRMED) < most and share(none, "not above", REFUTED) < most
    assert share(margin, "above", REFUTED) < most and share(margin, "not above", CONFIRMED) < most
    assert share(margin, "not above", REFUTED) < most and share(margin, "not below", REFUTED) == 0
    assert share(large, "above", CONFIRMED) > 0.9 and share(large, "not above", REFUTED) > 0.9
    assert 0.2 < share(none, "not above", CONFIRMED) < 0.9, "some sweeps can show that there is none"
    few = _simulated(0.0, trainings=2, trials=20)
    assert share(few, "not above", UNDECIDED) > 0.9, "a wide interval shows nothing"


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"claimed": "better", "margin": 0.1}, "claimed='better'"),
        ({"claimed": "above"}, "margin=0"),
        ({"claimed": "within", "margin": 1.4}, "ends=None"),
        ({"claimed": "within", "margin": 0.5, "ends": (2, 3)}, "margin=0.5"),
        ({"claimed": "within", "margin": 1.4, "ends": (3, 2)}, r"ends=\[3, 2\]"),
        ({"claimed": "above", "margin": 0.1, "ends": (2, 3)}, "ends="),
    ],
)
def test_a_rule_that_decides_nothing_is_refused(rule, said):
    with pytest.raises(InputError, match=said):
        Rule(**rule)


@pytest.mark.parametrize("claimed", ["above", "below", "not above", "not below"])
def test_what_lies_where_the_claim_says_is_what_is_confirmed(claimed):
    low, high = Rule(claimed, 0.0, MARGIN).where
    for interval in _intervals():
        inside = low < interval.low and interval.high < high
        assert inside == (_of(claimed, interval) == CONFIRMED)


def test_within_is_where_it_is_allowed():
    rule = Rule("within", 1.0, 1.25, (2.0, 3.0))
    assert rule.where == rule.allowed == (1.6, 3.75)
