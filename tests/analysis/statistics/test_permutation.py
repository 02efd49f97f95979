import tracemalloc
from itertools import combinations

import numpy as np
import pytest
import torch
from scipy.stats import binom, energy_distance
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

from align.analysis.statistics import on_device, permutation, two_sample
from align.analysis.statistics.permutation import bundled, energy_test, holm, mmd_test, permuted_labels
from align.analysis.statistics.two_sample import (
    discrepancy,
    energy,
    mean_kernels,
    pooled_bandwidth,
    quadratic_forms,
    rbf,
)
from align.errors import InputError

TESTS = [mmd_test, energy_test]


def windows(seed=0, episodes=6, size=5, shift=0.0, spread=1.0, dims=3):
    """Two domains of episodes with an offset each; label, and sizes between `size` and 2 `size`."""
    rng = np.random.default_rng(seed)
    sizes = rng.integers(size, 2 * size + 1, 2 * episodes)
    cluster = np.repeat(np.arange(2 * episodes), sizes)
    label = (cluster >= episodes).astype(int)
    x = spread * rng.normal(size=(2 * episodes, dims))[cluster] + rng.normal(size=(len(cluster), dims))
    return x + shift * label[:, None], label, cluster


def by_hand(kernel, label, cluster):
    """E k(x, x') + E k(y, y') - 2 E k(x, y) of a kernel matrix, pair by pair."""
    sums, counts = np.zeros((2, 2)), np.zeros((2, 2))
    for i in range(len(label)):
        for j in range(len(label)):
            if cluster[i] != cluster[j]:
                sums[label[i], label[j]] += kernel[i, j]
                counts[label[i], label[j]] += 1
    mean = sums / counts
    return mean[0, 0] + mean[1, 1] - mean[0, 1] - mean[1, 0]


@pytest.mark.parametrize("test", TESTS)
def test_statistic_and_permutations_agree_with_loops_over_scikit_learns_kernels(test, monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 6)
    x, label, cluster = windows(episodes=4, shift=0.5)
    if test is mmd_test:
        kernel = rbf_kernel(x, gamma=1 / pooled_bandwidth(x))
    else:
        kernel = -euclidean_distances(x)
    found = test(x, label, cluster)
    permuted = permuted_labels(label[np.unique(cluster, return_index=True)[1]], 6, 0).astype(int)
    expected = [by_hand(kernel, episodes[cluster], cluster) for episodes in permuted]
    np.testing.assert_allclose([found.statistic, *found.null], expected, atol=1e-10)
    assert found.p_value == (1 + np.sum(np.array(expected[1:]) >= expected[0])) / 7
    assert (permuted.sum(1) == 4).all()


def test_energy_distance_agrees_with_scipy_in_one_dimension():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=40), rng.normal(0.5, 2, size=55)
    real = (np.arange(95) >= 40).astype(float)[None]
    sim_mean, real_mean, cross = (
        float(m[0]) for m in mean_kernels(np.append(x, y)[:, None], np.arange(95), energy, 1 - real, real)
    )
    with_diagonal = sim_mean * 39 / 40 + real_mean * 54 / 55 - 2 * cross  # scipy's is the V-statistic
    assert with_diagonal == pytest.approx(energy_distance(x, y) ** 2)


def test_resamples_are_data_sets_of_repeated_episodes():
    x, _, cluster = windows(episodes=3)
    sim, real = np.array([[2, 0, 1, 0, 0, 0.0]]), np.array([[0, 0, 0, 1, 1, 1.0]])
    rows = [np.flatnonzero(cluster == e) for e in (0, 0, 2, 3, 4, 5)]
    repeated = np.repeat(cluster[[r[0] for r in rows]], [len(r) for r in rows])  # copies stay one episode
    label = np.repeat([0, 0, 0, 1, 1, 1], [len(r) for r in rows])
    kernel = rbf_kernel(x[np.concatenate(rows)], gamma=0.5)
    found = discrepancy(mean_kernels(x, cluster, rbf(2.0), sim, real))
    assert found[0] == pytest.approx(by_hand(kernel, label, repeated))


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("own_episodes", [False, True])
def test_no_result_depends_on_the_block(test, own_episodes, monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 50)
    x, label, cluster = windows(shift=0.2)
    cluster = np.arange(len(x)) if own_episodes else cluster
    whole = test(x, label, cluster)
    for block, columns in ((1, 5), (7, 1), (64, 13)):
        monkeypatch.setattr(two_sample, "BLOCK", block)
        monkeypatch.setattr(two_sample, "COLUMNS", columns)
        found = test(x, label, cluster)
        np.testing.assert_allclose(found.null, whole.null, atol=1e-12)
        assert (found.p_value, found.power) == (whole.p_value, whole.power)


def test_rows_in_any_order_give_the_same(monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 50)
    x, label, cluster = windows(shift=0.2)
    order = np.random.default_rng(0).permutation(len(x))
    found = mmd_test(x[order], label[order], cluster[order])
    np.testing.assert_allclose(found.null, mmd_test(x, label, cluster).null, atol=1e-12)


@pytest.mark.parametrize("own_episodes", [False, True])
def test_the_kernel_is_evaluated_once_for_all_permutations_in_bounded_memory(own_episodes, monkeypatch):
    n, block = 3000, 64
    monkeypatch.setattr(two_sample, "BLOCK", block)
    x = np.random.default_rng(0).normal(size=(n, 2))
    cluster = np.arange(n) // (1 if own_episodes else 50)
    evaluated = []

    def kernel(d2):
        evaluated.append(d2.size)
        return np.exp(-d2)

    weights = np.random.default_rng(0).integers(0, 2, size=(30, cluster.max() + 1)).astype(float)
    quadratic_forms(x, cluster, kernel, weights[:1])
    once = sum(evaluated)
    assert max(evaluated) <= block * n and once < 0.6 * n**2  # half of a symmetric matrix, and its diagonal
    evaluated.clear()
    tracemalloc.start()
    quadratic_forms(x, cluster, kernel, weights)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert sum(evaluated) == once
    assert peak < 0.2 * 8 * n**2


@pytest.mark.parametrize("test", TESTS)
def test_p_values_are_shares_of_all_splits(test, monkeypatch):
    """With 3 + 3 episodes there are 20 splits; rounding must not part a split from its mirror image."""
    monkeypatch.setattr(permutation, "PERMUTATIONS", 4000)
    x, label, cluster = windows(seed=3, episodes=3, shift=0.7)
    kernel = rbf_kernel(x, gamma=1 / pooled_bandwidth(x)) if test is mmd_test else -euclidean_distances(x)
    splits = [np.isin(cluster, real).astype(int) for real in combinations(range(6), 3)]
    values = np.array([by_hand(kernel, split, cluster) for split in splits])
    exact = np.mean(values >= by_hand(kernel, label, cluster) - 1e-12)
    found = test(x, label, cluster).p_value
    assert abs(found - exact) < 4 * np.sqrt(exact * (1 - exact) / 4000) + 1 / 4000


def binomial_range(repeats, rate=0.05, level=0.998):
    return binom.ppf([(1 - level) / 2, (1 + level) / 2], repeats, rate)


@pytest.mark.parametrize("test", TESTS)
def test_size_is_five_percent_by_episode_and_far_more_by_window(test, monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 99)
    by_episode, by_window = 0, 0
    for seed in range(400):
        x, label, cluster = windows(seed, size=3, spread=2.0, dims=2)
        by_episode += test(x, label, cluster, seed).p_value <= 0.05
        if seed < 60:
            by_window += test(x, label, np.arange(len(x)), seed).p_value <= 0.05
    low, high = binomial_range(400)
    assert low <= by_episode <= high
    assert by_window > 0.4 * 60


def test_size_is_five_percent_for_independent_windows(monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 99)
    rejected = 0
    for seed in range(400):
        x = np.random.default_rng(seed).normal(size=(24, 2))
        label = np.repeat([0, 1], 12)
        rejected += mmd_test(x, label, np.arange(24), seed).p_value <= 0.05
    low, high = binomial_range(400)
    assert low <= rejected <= high


@pytest.mark.parametrize("test", TESTS)
def test_single_precision_tells_the_same_of_many_windows(test, monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 200)
    x, label, cluster = windows(episodes=60, size=2, shift=0.2)
    double = test(100 + x, label, cluster)
    for name, value in (("DOUBLE_EPISODES", 10), ("DOUBLE_WINDOWS", 20)):  # in the sums, in the kernel
        with monkeypatch.context() as changed:
            changed.setattr(two_sample, name, value)
            found = test(100 + x, label, cluster)
        np.testing.assert_allclose(found.null, double.null, atol=2e-3 * double.null.std())
        assert abs(found.p_value - double.p_value) <= 1 / 201 and found.effect != double.effect
    monkeypatch.setattr(two_sample, "DOUBLE_EPISODES", 10)
    assert test(0 * x + 0.3, label, cluster).p_value == 1
    assert two_sample.precision(x, cluster, np.array([[0.0, 1, 1, 0]])) is np.float32
    for real in (2, 58):  # of the other there are few, whose sum would be what two large ones leave
        few = (cluster < 60 - real) | (cluster >= 120 - real)
        given = x[few], np.where(cluster[few] < 60, 0, 1), cluster[few]
        with monkeypatch.context() as changed:
            changed.setattr(two_sample, "DOUBLE_EPISODES", 1000)
            double = test(*given)
        assert np.array_equal(test(*given).null, double.null), real


def test_a_window_far_from_all_hides_no_difference_in_single_precision(monkeypatch):
    """Beside it all others are alike: their kernels differ by what single precision rounds."""
    monkeypatch.setattr(permutation, "PERMUTATIONS", 200)
    x, label = np.random.default_rng(0).normal(size=(120, 8)), np.repeat([0, 1], 60)
    x[label == 1] += 1.0
    for far in (3e3, 1e4):
        x[0] = far
        double = mmd_test(x, label, np.arange(120))
        with monkeypatch.context() as changed:
            changed.setattr(two_sample, "DOUBLE_EPISODES", 10)
            found = mmd_test(x, label, np.arange(120))
        assert double.effect > 10 and found.summary() == pytest.approx(double.summary(), rel=0.01), far


def test_a_resample_draws_as_many_of_all_episodes_alike():
    counts = two_sample.bootstrap_counts(5, 4000, np.random.default_rng(0))
    assert counts.shape == (4000, 5) and (counts.sum(1) == 5).all()
    np.testing.assert_allclose(counts.mean(0), 1, atol=0.06)  # four standard errors of a binomial's mean
    np.testing.assert_allclose(counts.var(0), 0.8, atol=0.08)


def test_bundles_hold_whole_episodes_of_one_domain_as_many_in_either(monkeypatch):
    monkeypatch.setattr(permutation, "BUNDLES", 25)
    monkeypatch.setattr(permutation, "FEW", 5)
    _, label, cluster = windows(episodes=60, size=2)
    keep = (cluster < 60) | (cluster >= 95)  # 60 of sim, 25 of real
    label, cluster = label[keep], cluster[keep]
    of = bundled(label, cluster, 0)
    pairs = np.unique(np.stack([cluster, of]), axis=1)
    assert pairs.shape[1] == 85 and len(np.unique(of)) == 21  # 4 together: 15 and 6
    sizes = np.unique(pairs[1], return_counts=True)[1]
    assert set(sizes[:15]) == {4} and set(sizes[15:]) == {4, 5}
    assert (np.unique(np.stack([of, label]), axis=1)[0] == np.arange(21)).all()
    monkeypatch.setattr(permutation, "FEW", 20)
    assert bundled(label, cluster, 0) is cluster


def test_a_test_in_bundles_has_the_size_and_the_power_of_the_full_one(monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 99)
    monkeypatch.setattr(permutation, "RESAMPLES", 1)
    monkeypatch.setattr(permutation, "FEW", 10)
    rejected = {(shift, bundles): [] for shift in (0.0, 0.3) for bundles in (40, 1000)}
    for shift, bundles in rejected:
        monkeypatch.setattr(permutation, "BUNDLES", bundles)
        for seed in range(200):
            x = np.random.default_rng(seed).normal(size=(160, 2))
            x[80:] += shift
            found = mmd_test(x, np.repeat([0, 1], 80), np.arange(160), seed)
            rejected[shift, bundles].append(found.p_value <= 0.05)
    rates = {key: sum(values) for key, values in rejected.items()}
    low, high = binomial_range(200)
    assert low <= rates[0.0, 40] <= high
    assert rates[0.3, 1000] > 60  # of 200: there is power to lose
    assert abs(rates[0.3, 40] - rates[0.3, 1000]) < 20


@pytest.mark.parametrize("test", TESTS)
def test_effect_and_power_grow_with_the_shift(test, monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 200)
    found = [test(*windows(episodes=10, shift=s)) for s in (0.0, 0.8, 3.0)]
    assert found[0].effect < found[1].effect < found[2].effect
    assert found[0].power < 0.6 and found[2].power > 0.98 and found[2].p_value == 1 / 201
    observed, null = found[1].statistic, found[1].null
    assert found[1].effect == pytest.approx((observed - null.mean()) / null.std())


@pytest.mark.parametrize("test", TESTS)
def test_equal_windows_are_no_difference(test, monkeypatch):
    monkeypatch.setattr(permutation, "PERMUTATIONS", 20)
    _, label, cluster = windows()
    found = test(np.ones((len(label), 2)), label, cluster)
    assert (found.p_value, found.effect, found.power) == (1.0, 0.0, 0.0)


def test_holm_steps_down():
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])  # 3 · .01, 2 · .03, then no less
    assert holm([0.2]) == [0.2] and holm([0.9, 0.8]) == [1.0, 1.0]
    rng = np.random.default_rng(0)
    p = rng.uniform(size=(2000, 4)) * 0.4
    errors = np.mean([min(holm(row)) <= 0.05 for row in p])  # reject any: as Bonferroni's for the smallest
    assert errors == np.mean(p.min(1) <= 0.05 / 4)


def test_errors_name_what_was_expected():
    x, label, cluster = windows()
    with pytest.raises(InputError, match="both domains"):
        mmd_test(x, label, cluster % 6)
    with pytest.raises(InputError, match="1 and 11 episodes"):
        energy_test(x, (cluster > 0).astype(int), cluster)


@pytest.mark.parametrize("test", TESTS)
@pytest.mark.parametrize("own_episodes", [False, True])
def test_on_a_device_it_is_the_same_test(test, own_episodes, monkeypatch):
    """In PyTorch, here on the CPU; no result depends on the block."""
    x, label, cluster = windows(shift=0.2)
    cluster = np.arange(len(x)) if own_episodes else cluster
    expected = test(x, label, cluster, 3)
    for rows in (1, 7, 512):
        monkeypatch.setattr(on_device, "ROWS", rows)
        found = test(x, label, cluster, 3, device="cpu:0")
        np.testing.assert_allclose(found.null, expected.null, atol=1e-12)
        assert (found.p_value, found.power) == (expected.p_value, expected.power)
        assert found.statistic == pytest.approx(expected.statistic, abs=1e-12)


def test_on_a_device_many_windows_are_compared_in_single_precision(monkeypatch):
    x, label, cluster = windows(shift=0.2)
    expected = mmd_test(x, label, cluster).null
    monkeypatch.setattr(two_sample, "DOUBLE_WINDOWS", 10)
    found = mmd_test(x, label, cluster, device="cpu:0").null
    assert 0 < np.abs(found - expected).max() < 1e-5


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("test", TESTS)
def test_on_a_gpu_it_is_the_same_test(test):
    x, label, cluster = windows(shift=0.2)
    found, expected = test(x, label, cluster, device="cuda"), test(x, label, cluster)
    np.testing.assert_allclose(found.null, expected.null, atol=1e-10)
    assert (found.p_value, found.power) == (expected.p_value, expected.power)


@pytest.mark.parametrize("device", ["nothing", "meta", "", "cuda:99"])
def test_a_device_that_is_not_there_is_refused(device):
    with pytest.raises(InputError, match=f"device='{device}': expected cpu, or one that"):
        on_device.check_device(device)
