import pytest
import torch

from align.data.mixture import MixtureSampler, real_quota, resolve_alpha, weights
from align.domain import Domain
from align.errors import InputError

SIZES = {Domain.SIM: 103, Domain.REAL: 17}


def drawn(sampler, steps):
    batches = [sampler.batch(step) for step in steps]
    return {domain: torch.cat([batch[domain] for batch in batches]) for domain in Domain}


def test_a_resumed_run_sees_what_an_uninterrupted_one_would():
    whole = drawn(MixtureSampler(SIZES, 16, 6, seed=1), range(60))
    first = drawn(MixtureSampler(SIZES, 16, 6, seed=1), range(23))
    second = drawn(MixtureSampler(SIZES, 16, 6, seed=1), range(23, 60))
    for domain in Domain:
        assert torch.equal(whole[domain], torch.cat([first[domain], second[domain]]))


def test_steps_may_be_drawn_in_any_order():
    forth, back = MixtureSampler(SIZES, 16, 6, seed=1), MixtureSampler(SIZES, 16, 6, seed=1)
    expected = [forth.batch(step)[Domain.REAL] for step in range(30)]
    for step in reversed(range(30)):
        assert torch.equal(back.batch(step)[Domain.REAL], expected[step])


@pytest.mark.parametrize("quota", [6, 40])
def test_every_window_once_an_epoch(quota):
    """Also where an epoch ends inside a batch, or a batch holds several epochs."""
    samples = drawn(MixtureSampler(SIZES, 46, quota, seed=0), range(60))
    for domain, n in SIZES.items():
        epochs = samples[domain][: len(samples[domain]) // n * n].view(-1, n)
        assert len(epochs) >= 3
        assert torch.equal(epochs.sort(1).values, torch.arange(n).expand_as(epochs))
        assert not torch.equal(epochs[0], epochs[1])


def test_quotas_are_fixed():
    sampler = MixtureSampler(SIZES, 16, 5, seed=0)
    for step in range(50):
        batch = sampler.batch(step)
        assert (len(batch[Domain.SIM]), len(batch[Domain.REAL])) == (11, 5)


def test_seeds_differ_and_domains_do_not_share_a_shuffle():
    same = {Domain.SIM: 50, Domain.REAL: 50}
    a, b = (MixtureSampler(same, 50, 25, seed).batch(0) for seed in (0, 1))
    assert not torch.equal(a[Domain.SIM], b[Domain.SIM])
    assert not torch.equal(a[Domain.SIM], a[Domain.REAL])


def test_one_domain_alone():
    batch = MixtureSampler({Domain.SIM: 10}, 4, 0, seed=0).batch(0)
    assert len(batch[Domain.SIM]) == 4 and batch[Domain.REAL].tolist() == []


@pytest.mark.parametrize(
    "size, quota, message", [(8, 9, "quota: 9"), (8, -1, "quota: -1"), (0, 0, "at least 1")]
)
def test_impossible_quotas(size, quota, message):
    with pytest.raises(InputError, match=message):
        MixtureSampler(SIZES, size, quota, seed=0)


def test_an_empty_domain_that_is_drawn_from():
    with pytest.raises(InputError, match="real: no training windows"):
        MixtureSampler({Domain.SIM: 10, Domain.REAL: 0}, 8, 4, seed=0)


def test_natural_alpha_is_the_share_of_real():
    assert resolve_alpha(None, 30, 10) == resolve_alpha("natural", 30, 10) == 0.25
    assert resolve_alpha(None, 30, 0) == 0 and resolve_alpha(None, 0, 10) == 1


@pytest.mark.parametrize("alpha", [-0.1, 1.1, float("nan"), float("inf"), "half", True])
def test_alpha_out_of_range(alpha):
    with pytest.raises(InputError, match=r"alpha: .*expected a number in"):
        resolve_alpha(alpha, 10, 10)


@pytest.mark.parametrize(
    "alpha, sizes, domain", [(0.5, (10, 0), "real"), (0, (0, 10), "sim"), (None, (0, 0), "sim")]
)
def test_a_weight_on_an_empty_domain(alpha, sizes, domain):
    with pytest.raises(InputError, match=f"gives {domain} the weight"):
        resolve_alpha(alpha, *sizes)


@pytest.mark.parametrize(
    "alpha, balanced, expected",
    [
        (0, False, 0),
        (1, False, 64),
        (0.25, False, 16),
        (0.001, False, 1),
        (0.999, False, 63),
        (None, False, 6),
        (0, True, 32),
        (1, True, 32),
        (0.25, True, 32),
    ],
)
def test_real_quota(alpha, balanced, expected):
    assert real_quota(alpha, 64, 900, 100, balanced) == expected


def test_a_batch_of_both_domains_needs_two():
    assert real_quota(1, 1, 10, 10) == 1
    for arguments in ((0.5, False), (1, True)):
        with pytest.raises(InputError, match="batch_size: 1; expected at least 2"):
            real_quota(arguments[0], 1, 10, 10, arguments[1])


@pytest.mark.parametrize("alpha", [0, 0.1, 0.5, 1])
@pytest.mark.parametrize("n_sim, n_real", [(32, 32), (61, 3), (1, 1)])
def test_weighted_mean_is_the_objective(alpha, n_sim, n_real):
    loss = torch.rand(n_sim + n_real, generator=torch.Generator().manual_seed(0))
    objective = alpha * loss[n_sim:].mean() + (1 - alpha) * loss[:n_sim].mean()
    torch.testing.assert_close((weights(alpha, n_sim, n_real) * loss).mean(), objective)


def test_weights_of_one_domain_alone():
    assert weights(0, 4, 0).tolist() == weights(1, 0, 4).tolist() == [1, 1, 1, 1]
    with pytest.raises(InputError, match=r"gives real the weight 0\.5"):
        weights(0.5, 4, 0)
