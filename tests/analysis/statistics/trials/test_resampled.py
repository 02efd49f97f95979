"""Medians, ratios and AUCs over trainings and trials: they cover, and compare what can be compared."""

import numpy as np
import pytest

from align.analysis.statistics.trials import resampled
from align.analysis.statistics.trials.resampled import auc, log_medians, median, median_ratio
from align.analysis.statistics.trials.variance_components import of_each_arm


@pytest.fixture(autouse=True)
def few_draws(monkeypatch):
    monkeypatch.setattr(resampled, "DRAWS", 300)


def arms(rng, number=6, trainings=2, trials=60, between=0.1, missing=0.3):
    """Roughness of arms on trials that are hard for all of them, some of which fail."""
    hard = rng.normal(0, 0.7, trials)
    scatter = rng.normal(0, between, (number, trainings, 1)) + rng.normal(0, 0.4, (number, trainings, trials))
    values = np.exp(hard + scatter)
    values[rng.random(values.shape) < missing] = np.nan
    return list(values)


@pytest.mark.parametrize("between", [0.0, 0.1, 0.5])  # medians of one training vary by about .14
def test_medians_and_ratios_cover_with_two_trainings(between):
    """A bootstrap over two trainings that dominate covers about half."""
    rng, held = np.random.default_rng(round(10 * between)), []
    for _ in range(150):
        made = arms(rng, between=between)
        scatter = of_each_arm([log_medians(arm) for arm in made])
        found = median(3 * made[0], scatter[0])
        ratio = median_ratio(2 * made[0], made[1], scatter[:2])
        held.append([found.low <= 3 <= found.high, ratio.low <= 2 <= ratio.high])
    assert (np.mean(held, axis=0) >= 0.91).all(), np.mean(held, axis=0)
    if between == 0.5:
        assert (np.mean(held, axis=0) <= 0.99).all()


def test_one_training_alone_has_the_interval_of_its_trials():
    """3.92 / (2 f √n) of a median, where the logarithm's density f is log 2 / 2."""
    rng, n, width, held = np.random.default_rng(0), 100, [], 0
    for _ in range(100):
        found = median(rng.exponential(size=(1, n)))
        width.append(np.log(found.high / found.low))
        held += found.low <= np.log(2) <= found.high
    assert 88 <= held
    assert np.mean(width) == pytest.approx(3.92 / (np.log(2) * np.sqrt(n)), rel=0.15)


def test_a_ratio_compares_the_trials_that_both_can_do():
    """An arm that succeeds on easy trials alone looks smooth; on shared ones it is twice as rough."""
    rng = np.random.default_rng(0)
    hard = rng.lognormal(0, 1, 200)
    reference = hard * rng.lognormal(0, 0.1, (2, 200))
    values = np.where(hard < 1, 2 * hard * rng.lognormal(0, 0.1, (3, 200)), np.nan)
    assert median(values).value < median(reference).value
    found = median_ratio(values, reference)
    assert found.low < 2 < found.high and found.high - found.low < 0.3
    pairs = [np.nanmedian(np.log(v) - np.log(r)) for v in values for r in reference]
    assert found.value == pytest.approx(np.exp(np.mean(pairs)))
    swapped = median_ratio(reference, values)
    np.testing.assert_allclose(swapped, 1 / np.array(found)[[0, 2, 1]], rtol=0.01)
    assert median_ratio(values, np.where(hard < 1, np.nan, reference)) is None


def test_pairing_removes_how_hard_trials_are():
    rng = np.random.default_rng(1)
    one, other = arms(rng, 2, 3, 60, between=0.0, missing=0.0)
    paired = median_ratio(one, other)
    shuffled = median_ratio(rng.permutation(one, axis=1), other)
    assert shuffled.high / shuffled.low > 1.2 * paired.high / paired.low


def test_an_auc_leaves_out_what_was_not_measured_and_covers():
    rng, held = np.random.default_rng(0), []
    for _ in range(120):
        level = rng.normal(0.5, 0.3, (6, 2, 1))
        values = level + rng.normal(0, 1, (6, 2, 40))
        values[:, :, ::4] = np.nan
        reference = rng.normal(0, 1, 60)
        scatter = of_each_arm([resampled.auc_components(v, reference) for v in values], relative=True)
        found = auc(values[0], reference, scatter[0])
        held.append(found.low <= 0.63 <= found.high)  # Φ(.5 / √(2 + .3²)) = .635
    assert 0.91 <= np.mean(held)
    measured = values[0][:, np.isfinite(values[0][0])]
    assert found.value == pytest.approx((measured[..., None] > reference).mean())
    assert auc(np.full((2, 30), np.nan), reference) is None
    apart = auc(values[0] + 100, reference, scatter[0])
    assert apart.value == apart.high == 1 and apart.low < 0.99


def test_order_of_trainings_and_trials_does_not_matter():
    rng = np.random.default_rng(0)
    one, other = arms(rng, 2, 3)
    order = rng.permutation(60)
    moved = one[::-1][:, order], other[[1, 2, 0]][:, order]
    np.testing.assert_allclose(median(one), median(moved[0]))
    np.testing.assert_allclose(median_ratio(one, other), median_ratio(*moved))
    reference = rng.lognormal(0, 1, 20)
    np.testing.assert_allclose(auc(one, reference), auc(moved[0], reference[::-1]))


def test_too_little_is_said_to_be():
    nothing = np.full((2, 9), np.nan)
    assert median(nothing) is None and log_medians(nothing) is None
    few = nothing.copy()
    few[0, :3] = 1.0, 2.0, 4.0
    assert median(few).value == 2 and np.isnan(median(few).low)
    ratio = median_ratio(few, 2 * few)
    assert ratio.value == 0.5 and np.isnan(ratio.high)
    few[1] = np.arange(1, 10)
    assert log_medians(few).trainings == 1 and median(few).value == pytest.approx(5)
    above = auc(few[:1], np.array([0.0, 3.0]))
    assert above.value == pytest.approx(4 / 6) and np.isnan(above.low)
    straight = np.where(np.arange(9) < 6, 0.0, 1.0)[None]  # paths without a turn
    assert np.isfinite(median(straight)).all()
