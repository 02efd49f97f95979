from itertools import permutations

import numpy as np
import ot
import pytest
from clustered import clustered
from sklearn.model_selection import StratifiedGroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC

from align.analysis.statistics.geometry import (
    a_distance,
    linear_cka,
    paired_cka,
    principal_components,
    random_projections,
    relative_wasserstein,
    sliced_wasserstein,
)
from align.analysis.statistics.intervals import Interval, percentile
from align.analysis.statistics.probing.classifiers import linear
from align.analysis.statistics.probing.cross_validation import cross_validate
from align.analysis.statistics.probing.discrimination import bootstrap
from align.errors import InputError


@pytest.mark.parametrize("shift", [0.0, 1.5, 6.0])
def test_a_distance_agrees_with_a_support_vector_machine(shift):
    x, label, cluster = clustered(episodes=(20, 20), shift=shift)
    scored = cross_validate(linear, x, label, cluster, np.random.default_rng(0)).scored
    found = a_distance(percentile(*bootstrap(scored)["accuracy"]))
    folds = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    machine = make_pipeline(StandardScaler(), LinearSVC(C=0.01))
    error = (
        1 - cross_val_score(machine, x, label, groups=cluster, cv=folds, scoring="balanced_accuracy").mean()
    )
    assert found.value == pytest.approx(2 * (1 - 2 * error), abs=0.15)
    assert found.low <= found.value <= found.high


def test_a_distance_runs_from_chance_to_certainty():
    assert a_distance(Interval(0.5, 0.4, 1.0)) == pytest.approx((0.0, -0.4, 2.0))


@pytest.mark.parametrize("sizes", [(30, 30), (30, 47)])
@pytest.mark.parametrize("count", [1, 20])
def test_sliced_wasserstein_agrees_with_pot_on_the_same_projections(count, sizes):
    rng = np.random.default_rng(0)
    x, y = (rng.normal(i, 1 + i, size=(n, 4)) for i, n in enumerate(sizes))
    projections = random_projections(4, count, rng)
    np.testing.assert_allclose(np.linalg.norm(projections, axis=0), 1)
    expected = ot.sliced_wasserstein_distance(x, y, projections=projections)
    assert sliced_wasserstein(x @ projections, y @ projections) == pytest.approx(expected)


def test_relative_wasserstein_has_no_unit_and_a_null_that_holds_equal_distributions():
    x, label, cluster = clustered(shift=0.4)
    found, scaled = relative_wasserstein(x, label, cluster), relative_wasserstein(100 * x + 7, label, cluster)
    assert (scaled.value, scaled.null_high) == pytest.approx((found.value, found.null_high))
    assert scaled.scale == pytest.approx(100 * found.scale)
    above = [w.value > w.null_high for w in (relative_wasserstein(*clustered(seed)) for seed in range(60))]
    assert np.mean(above) < 0.17
    far = relative_wasserstein(*clustered(shift=5.0))
    assert far.value > 2 * far.null_high > 2 * far.null


def test_cka_is_invariant_to_rotation_and_scale_and_sees_no_more():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    rotation = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    for debiased in (False, True):
        assert linear_cka(x, 3 * x @ rotation + 1, debiased) == pytest.approx(1)
        y = x + rng.normal(size=x.shape)
        assert linear_cka(x, y, debiased) == pytest.approx(linear_cka(y, x, debiased))
        assert linear_cka(x, x * [10, 1, 1, 1, 1, 0.1], debiased) < 0.9


def test_biased_cka_agrees_with_its_definition_on_features():
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(30, 4)), rng.normal(size=(30, 7))
    x, y = x - x.mean(0), y - y.mean(0)
    expected = np.linalg.norm(x.T @ y) ** 2 / (np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y))
    assert linear_cka(x, y, debiased=False) == pytest.approx(expected)


def test_debiased_cka_is_made_of_u_statistics_over_four_distinct_states():
    rng = np.random.default_rng(2)
    x, y = rng.normal(size=(7, 3)), rng.normal(size=(7, 2))
    y[:, 0] += x[:, 0]

    def hsic(a, b):
        k, g = a @ a.T, b @ b.T
        terms = [k[i, j] * (g[i, j] + g[q, r] - 2 * g[i, q]) for i, j, q, r in permutations(range(7), 4)]
        return np.mean(terms)

    expected = hsic(x, y) / np.sqrt(hsic(x, x) * hsic(y, y))
    assert linear_cka(x, y) == pytest.approx(expected)


def test_unrelated_responses_of_many_dimensions_are_alike_only_with_bias():
    rng = np.random.default_rng(3)
    found = [paired_cka(rng.normal(size=(40, 200)), rng.normal(size=(40, 200))) for _ in range(20)]
    assert min(c.biased for c in found) > 0.75
    assert abs(np.mean([c.debiased for c in found])) < 0.03
    states = rng.normal(size=(40, 5)) @ rng.normal(size=(5, 200))
    alike = paired_cka(states, states + 0.3 * rng.normal(size=(40, 200)))
    assert alike.debiased > 0.9 and abs(alike.mismatched) < 0.3 and alike.states == 40


def test_principal_components_are_those_of_standardised_features():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 2)) @ rng.normal(size=(2, 5)) + 0.1 * rng.normal(size=(50, 5))
    xy, share = principal_components(1000 * x * [1, 10, 1, 1, 1] + 7)
    z = (x - x.mean(0)) / x.std(0)
    left, size, _ = np.linalg.svd(z, full_matrices=False)
    np.testing.assert_allclose(np.abs(xy), np.abs(left[:, :2] * size[:2]), atol=1e-6)
    np.testing.assert_allclose(share, (size**2 / np.sum(size**2))[:2])
    wide, _ = principal_components(np.repeat(x, 20, axis=1))  # more features than windows
    np.testing.assert_allclose(np.abs(wide), np.sqrt(20) * np.abs(left[:, :2] * size[:2]), atol=1e-6)


@pytest.mark.parametrize("x", [np.ones((6, 3)), np.arange(6.0)[:, None]])
def test_an_axis_that_is_lacking_is_zero(x):
    xy, share = principal_components(x)
    assert xy.shape == (6, 2) and (xy[:, 1] == 0).all() and share[1] == 0 and np.isfinite(xy).all()


def test_cka_needs_paired_rows():
    with pytest.raises(InputError, match="5 and 4 rows"):
        linear_cka(np.zeros((5, 2)), np.zeros((4, 2)))
