"""MMD against a double loop, its theory, and its gradient."""

import itertools
import math

import pytest
import torch
from scipy.stats import energy_distance

from align.alignment import JointMMD, Samples
from align.alignment.mmd import MMD, mmd2_from_kernel, squared_distances
from align.errors import InputError


def _samples(n, m, dim=5, shift=0.0, seed=0, dtype=torch.float64):
    g = torch.Generator().manual_seed(seed)
    x, y = torch.randn(n, dim, generator=g, dtype=dtype), torch.randn(m, dim, generator=g, dtype=dtype)
    return x, y + shift


def _double_loop(x, y, sigma2, multipliers, unbiased):
    """MMD² as one would write it from its definition."""

    def k(a, b):
        d2 = sum((ai - bi) ** 2 for ai, bi in zip(a.tolist(), b.tolist(), strict=True))
        return sum(math.exp(-d2 / (c * sigma2)) for c in multipliers) / len(multipliers)

    def within(z):
        pairs = itertools.permutations(z, 2) if unbiased else itertools.product(z, z)
        return sum(k(a, b) for a, b in pairs) / (len(z) * (len(z) - unbiased))

    between = sum(k(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x) + within(y) - 2 * between


@pytest.mark.parametrize("unbiased", [True, False])
@pytest.mark.parametrize("multipliers", [(1.0,), (0.25, 1.0, 4.0)])
@pytest.mark.parametrize(("n", "m"), [(7, 7), (4, 9)])
def test_matches_a_double_loop(unbiased, multipliers, n, m):
    x, y = _samples(n, m, shift=0.7)
    value = MMD(bandwidth=3.0, multipliers=multipliers, unbiased=unbiased)(x, y)
    assert float(value) == pytest.approx(_double_loop(x, y, 3.0, multipliers, unbiased), abs=1e-6)


@pytest.mark.parametrize(("statistic", "reduce"), [("median", torch.median), ("mean", torch.mean)])
def test_bandwidth_is_over_pairs_of_distinct_samples_of_each_kind(statistic, reduce):
    x, y = _samples(6, 5, shift=1.0)
    kinds = torch.pdist(x), torch.pdist(y), torch.cdist(x, y).flatten()
    sigma2 = sum(float(reduce(d.square())) for d in kinds) / 3
    assert float(MMD(bandwidth=statistic)(x, y)) == pytest.approx(
        float(MMD(bandwidth=sigma2)(x, y)), abs=1e-6
    )


@pytest.mark.parametrize("shift", [0.0, 2.0, 8.0, 30.0])
@pytest.mark.parametrize("statistic", ["median", "mean"])
def test_value_and_gradient_do_not_hang_on_the_numbers_of_samples(statistic, shift):
    """On all pairs at once the median was .98 of one and .0006 of another at 40/40 and 40/20."""

    def averages(m: int) -> tuple[float, float]:
        found = []
        for seed in range(20):
            x, y = _samples(40, m, shift=shift, seed=seed)
            x.requires_grad_()
            value = MMD(bandwidth=statistic)(x, y)
            value.backward()
            found.append((float(value.detach()), float(x.grad.sum(0).norm())))
        return tuple(sum(column) / 20 for column in zip(*found, strict=True))

    equal = averages(40)
    for m in (39, 30, 20):
        value, gradient = averages(m)
        assert value == pytest.approx(equal[0], rel=0.03, abs=0.01)
        assert shift == 0 or gradient == pytest.approx(equal[1], rel=0.1)


def test_unbiased_has_zero_mean_under_equal_distributions_and_biased_has_not():
    values = {
        unbiased: torch.stack(
            [MMD(bandwidth=10.0, unbiased=unbiased)(*_samples(8, 12, seed=s)) for s in range(600)]
        )
        for unbiased in (True, False)
    }
    standard_error = values[True].std() / math.sqrt(600)
    assert abs(values[True].mean()) < 3 * standard_error
    assert (values[True] < 0).any()  # an unbiased estimate of zero must be negative at times
    assert values[False].min() >= 0
    assert values[False].mean() > 10 * standard_error


def test_tells_distributions_apart():
    near, far = (MMD()(*_samples(200, 200, shift=s)) for s in (0.2, 2.0))
    assert 0 < near < far


@pytest.mark.parametrize("unbiased", [True, False])
def test_gradient_to_both_domains(unbiased):
    x, y = (z.requires_grad_() for z in _samples(5, 4, dim=3, shift=0.5))

    def in_double(a, b):
        k = [torch.exp(-squared_distances(p, q) / 2.0) for p, q in ((a, a), (b, b), (a, b))]
        return mmd2_from_kernel(*k, unbiased=unbiased)

    assert torch.autograd.gradcheck(in_double, (x, y))
    module = MMD(bandwidth=2.0, multipliers=(1.0,), unbiased=unbiased)
    expected = torch.autograd.grad(in_double(x, y), (x, y))
    for ours, theirs in zip(torch.autograd.grad(module(x, y), (x, y)), expected, strict=True):
        assert torch.allclose(ours, theirs, atol=1e-6)
        assert theirs.abs().max() > 1e-3


def test_is_symmetric_and_blind_to_order_and_translation():
    x, y = _samples(9, 6, shift=0.5)
    mmd = MMD(multipliers=(1.0,))
    reference = float(mmd(x, y))
    g = torch.Generator().manual_seed(3)
    shuffled = mmd(x[torch.randperm(9, generator=g)], y[torch.randperm(6, generator=g)])
    assert float(shuffled) == pytest.approx(reference, abs=1e-6)
    assert float(mmd(y, x)) == pytest.approx(reference, abs=1e-6)
    assert float(mmd(x + 1000, y + 1000)) == pytest.approx(reference, abs=1e-5)


@pytest.mark.parametrize(("n", "m"), [(0, 5), (1, 5), (5, 1), (0, 0)])
def test_too_few_samples_give_a_differentiable_zero(n, m):
    x, y = (z.requires_grad_() for z in _samples(n, m))
    value = MMD()(x, y)
    value.backward()
    assert value.item() == 0 and x.grad is not None


def test_bandwidth_carries_no_gradient():
    """Scaling both samples leaves the median-bandwidth MMD as it is; a fixed bandwidth's it changes."""
    x, y = _samples(6, 6, shift=1.0)
    scale = torch.ones((), dtype=torch.float64, requires_grad=True)
    MMD()(scale * x, scale * y).backward()
    assert scale.grad.abs() > 1e-3  # would be exactly 0 if the gradient went through the bandwidth


def test_memory_joins_past_batches_without_gradient_and_is_skipped_in_validation():
    first, second = _samples(4, 4, seed=1, shift=0.5), _samples(4, 4, seed=2, shift=0.5)
    mmd, plain = MMD(bandwidth=4.0, memory=1), MMD(bandwidth=4.0)
    mmd(*first)
    x, y = (z.requires_grad_() for z in second)
    joined = mmd(x, y)
    assert joined.item() == pytest.approx(
        float(plain(torch.cat([x, first[0]]), torch.cat([y, first[1]]))), abs=1e-6
    )
    joined.backward()
    assert x.grad.abs().sum() > 0 and first[0].grad is None
    state = mmd.state_dict()
    mmd.eval()
    assert float(mmd(*first)) == pytest.approx(float(plain(*first)), abs=1e-6)
    resumed = MMD(bandwidth=4.0, memory=1)
    resumed.load_state_dict(state)
    mmd.train()
    assert torch.equal(resumed(*first), mmd(*first))


def test_ema_bandwidth_follows_the_median_slowly():
    mmd = MMD(bandwidth="ema", ema_decay=0.9)
    mmd(*_samples(8, 8))
    start = float(mmd.sigma2)
    x, y = _samples(8, 8)
    mmd(10 * x, 10 * y)
    assert float(mmd.sigma2) == pytest.approx(start + 0.1 * (100 * start - start), rel=1e-4)


def test_is_fp32_under_autocast():
    x, y = _samples(6, 6, shift=1.0, dtype=torch.float32)
    with torch.autocast("cpu", torch.bfloat16):
        value = MMD()(x, y)
    assert value.dtype == torch.float32
    assert float(value) == pytest.approx(float(MMD()(x, y)), abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"bandwidth": 0.0}, "bandwidth"),
        ({"bandwidth": "medain"}, "bandwidth"),
        ({"multipliers": ()}, "multipliers"),
        ({"multipliers": (1.0, -1.0)}, "multipliers"),
        ({"memory": -1}, "memory"),
        ({"ema_decay": 1.0}, "ema_decay"),
    ],
)
def test_bad_arguments(arguments, name):
    with pytest.raises(InputError, match=name):
        MMD(**arguments)


def test_energy_kernel_is_the_energy_distance():
    x, y = _samples(7, 9, dim=1, shift=0.8)
    value = MMD(kernel="energy", bandwidth=1.0, multipliers=(1.0,), unbiased=False)(x, y)
    expected = energy_distance(x.squeeze().numpy(), y.squeeze().numpy()) ** 2
    assert float(value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    ("kernel", "kappa"), [("laplacian", lambda r: math.exp(-r)), ("energy", lambda r: -r)]
)
def test_other_kernels_match_a_double_loop(kernel, kappa):
    x, y = _samples(5, 6, shift=0.7)
    sigma2, multipliers = 3.0, (0.5, 2.0)

    def k(a, b):
        return sum(kappa(float((a - b).norm()) / math.sqrt(c * sigma2)) for c in multipliers) / 2

    def within(z):
        return sum(k(a, b) for a, b in itertools.permutations(z, 2)) / (len(z) * (len(z) - 1))

    expected = within(x) + within(y) - 2 * sum(k(a, b) for a in x for b in y) / 30
    value = MMD(kernel=kernel, bandwidth=sigma2, multipliers=multipliers)(x, y)
    assert float(value) == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize("kernel", ["laplacian", "energy"])
def test_equal_samples_have_a_finite_gradient(kernel):
    """√r has none at r = 0, as between a sample and its copy in the other domain."""
    x = _samples(4, 4)[0].requires_grad_()
    MMD(kernel=kernel)(x, x.detach().clone()).backward()
    assert x.grad.isfinite().all()


def test_linear_estimator_is_the_mean_over_disjoint_pairs():
    x, y = _samples(7, 9, shift=0.7)

    def k(a, b):
        return math.exp(-float((a - b).square().sum()) / 4.0)

    h = [k(x[i], x[i + 3]) + k(y[i], y[i + 3]) - k(x[i], y[i + 3]) - k(x[i + 3], y[i]) for i in range(3)]
    value = MMD(bandwidth=4.0, multipliers=(1.0,), estimator="linear")(x, y)
    assert float(value) == pytest.approx(sum(h) / 3, abs=1e-6)


def _joint_double_loop(x, a, y, b, sigma2, action_sigma2):
    def k(p, q):
        embedding, action = (float((u - v).square().sum()) for u, v in zip(p, q, strict=True))
        return math.exp(-embedding / sigma2 - action / action_sigma2)

    first, second = list(zip(x, a, strict=True)), list(zip(y, b, strict=True))

    def within(z):
        return sum(k(p, q) for p, q in itertools.permutations(z, 2)) / (len(z) * (len(z) - 1))

    between = sum(k(p, q) for p in first for q in second) / (len(first) * len(second))
    return within(first) + within(second) - 2 * between


def test_joint_mmd_matches_a_double_loop_over_pairs():
    (x, y), (a, b) = _samples(6, 5, shift=0.5), _samples(6, 5, dim=3, seed=1)
    joint = JointMMD(of_bandwidth=2.0, bandwidth=3.0, multipliers=(1.0,))
    value = joint(Samples(x, action=a), Samples(y, action=b))
    assert float(value) == pytest.approx(_joint_double_loop(x, a, y, b, 3.0, 2.0), abs=1e-6)


def test_joint_mmd_attracts_only_embeddings_of_similar_actions():
    """Two sim and two real embeddings; the real ones differ in their action alone."""
    z = torch.tensor([[0.0], [0.1], [1.0], [1.1]])
    like, unlike = torch.tensor([[0.0], [0.0]]), torch.tensor([[50.0], [50.0]])
    pulls = []
    for action in (like, unlike):
        sim = z[:2].clone().requires_grad_()
        JointMMD(of_bandwidth=1.0, bandwidth=1.0)(Samples(sim, like), Samples(z[2:], action)).backward()
        plain = z[:2].clone().requires_grad_()
        MMD(bandwidth=1.0)(Samples(plain), Samples(z[2:] + 10)).backward()  # nothing across, only within
        pulls.append(float((sim.grad - plain.grad).abs().max()))
    assert pulls[0] > 0.01 and pulls[1] < 1e-5


def test_joint_mmd_needs_what_it_joins():
    x, y = _samples(4, 4)
    with pytest.raises(InputError, match="of='agent_pos'"):
        JointMMD(of="agent_pos")(x, y)
