"""Gating: what is drawn is admitted, diffusion steps stay uniform, batches are a function of their number."""

import pytest
import torch
from scipy.stats import chisquare

from align.data.gating.levels import Bands, Gating, bands, everywhere, up_to
from align.data.gating.sampler import GatedSampler
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.errors import InputError

SIGMAS = NoiseSchedule().sigmas
T, N_REAL = len(SIGMAS), 7


def _per_sample() -> Bands:
    """Sim samples with levels of their own; one never admitted, one everywhere."""
    return bands(SIGMAS, torch.tensor([0.3, 0.6, 1.0, 0.0, 0.31, 0.9]), sigma_max=0.08)


def _sampler(
    sim: Bands | None = None, real: Bands | None = None, draws: int = 1, **arguments
) -> GatedSampler:
    admitted = {Domain.SIM: sim or _per_sample(), Domain.REAL: real or everywhere(N_REAL)}
    return GatedSampler(admitted, T, 16, draws, **{"alpha": 0.25, "seed": 3, **arguments})


def _table(admitted: Bands) -> torch.Tensor:
    """(n, T) by brute force: which steps admit which sample."""
    steps = torch.arange(T)
    return (steps < admitted.below[:, None]) | (steps >= admitted.above[:, None])


def _pairs(sampler: GatedSampler, n: int) -> torch.Tensor:
    """(N_SIM + N_REAL, T) how often each sample met each diffusion step in n training steps; sim first."""
    n_sim = len(_per_sample().above)
    counts = torch.zeros((n_sim + N_REAL) * T, dtype=torch.int64)
    for step in range(n):
        for domain, draw in sampler.batch(step).items():
            rows = (draw.index + (domain == Domain.REAL) * n_sim)[:, None] * T + draw.steps
            counts += rows.flatten().bincount(minlength=len(counts))
    return counts.view(-1, T)


def _expected(alpha: float) -> torch.Tensor:
    """p(s, t) by brute force, with t uniform."""
    table = torch.cat([_table(_per_sample()), torch.ones(N_REAL, T, dtype=torch.bool)]).double()
    n_sim = len(table) - N_REAL
    share = torch.cat([torch.full((n_sim,), (1 - alpha) / n_sim), torch.full((N_REAL,), alpha / N_REAL)])
    joint = share[:, None] * table
    return joint / joint.sum(0) / T


def test_bands_are_the_levels_that_were_asked():
    sigma_min = torch.tensor([0.0, 0.0251, 0.3, 0.5, 0.9999999])
    table = _table(bands(SIGMAS, sigma_min, sigma_max=0.4))
    assert torch.equal(table, (SIGMAS > sigma_min[:, None]) | (SIGMAS < 0.4))
    assert torch.equal(_table(bands(SIGMAS, sigma_min)), SIGMAS > sigma_min[:, None])
    assert torch.equal(_table(up_to(SIGMAS, 0.3, 2)), (SIGMAS <= 0.3).expand(2, T))


@pytest.mark.parametrize("draws", [1, 4])
def test_every_pair_is_admitted_and_distributed_as_t_first_then_a_sample(draws):
    """Chi-square over all (sample, diffusion step) pairs against p(t) p(s | t), and over t alone."""
    counts = _pairs(_sampler(draws=draws), 1600 // draws)
    expected = _expected(0.25) * counts.sum()
    assert (counts[expected == 0] == 0).all()
    seen = expected > 0
    # Stratified draws vary less than independent ones: the statistic may fall short, not exceed.
    assert chisquare(counts[seen].double(), expected[seen]).pvalue > 1e-3
    t = counts.sum(0).double()
    assert chisquare(t, torch.full((T,), float(t.mean()))).pvalue > 1e-3


def test_drawing_a_sample_first_would_be_noticed():
    """A sampler that draws samples alike and then an admitted step fails the test above."""
    p = _table(_per_sample())[[0, 1, 3, 4, 5]].double()
    by_sample_first = (p / p.sum(1, keepdim=True)).mean(0)
    n = 1600 * 16
    statistic = n * ((by_sample_first - 1 / T).square() * T).sum()
    assert statistic > 10 * T


@pytest.mark.parametrize("draws", [1, 3])
def test_balanced_batches_are_weighed_back_to_the_objective(draws):
    sampler = _sampler(draws=draws, alpha=0.1, balanced=True)
    n_sim = len(_per_sample().above)
    weighed = torch.zeros(n_sim + N_REAL, T, dtype=torch.float64)
    real = total = 0
    for step in range(1500):
        for domain, draw in sampler.batch(step).items():
            rows = draw.index + (domain == Domain.REAL) * n_sim
            weighed.index_put_((rows[:, None], draw.steps), draw.weight.double(), accumulate=True)
            real, total = real + len(rows) * (domain == Domain.REAL), total + len(rows)
    weighed /= weighed.sum()
    expected = _expected(0.1)
    torch.testing.assert_close(weighed.sum(1), expected.sum(1), rtol=0.1, atol=1e-3)
    tenths = [x.sum(0).view(10, 10).sum(1) for x in (weighed, expected)]
    torch.testing.assert_close(*tenths, rtol=0.05, atol=0)
    assert real / total == pytest.approx(sampler.real_share, abs=0.02) and real / total > 0.5


def test_draws_of_one_sample_spread_over_what_it_admits():
    """Four strata: the smallest of four steps lies in the lowest quarter of p(t | s)."""
    sampler = _sampler(bands(SIGMAS, torch.full((4,), 0.475)), draws=4)
    first = int((SIGMAS <= 0.475).sum())
    edges = torch.arange(5) * (T - first) / 4
    for step in range(50):
        t = sampler.batch(step)[Domain.SIM].steps - first
        assert (t >= edges[:4].floor()).all() and (t <= edges[1:].floor()).all()


def test_exclusive_bands_share_no_level():
    sigma = 0.3
    sampler = _sampler(bands(SIGMAS, torch.full((5,), sigma)), up_to(SIGMAS, sigma, N_REAL), draws=2)
    for step in range(100):
        batch = sampler.batch(step)
        assert (SIGMAS[batch[Domain.SIM].steps] > sigma).all()
        assert (SIGMAS[batch[Domain.REAL].steps] <= sigma).all()


def test_batches_have_a_fixed_size_and_are_a_pure_function_of_seed_and_step():
    sampler, again, other = _sampler(draws=2), _sampler(draws=2), _sampler(draws=2, seed=4)
    torch.manual_seed(0)
    forth = [sampler.batch(step) for step in range(20)]
    torch.manual_seed(1)
    for step in reversed(range(20)):
        for domain in Domain:
            for a, b in zip(forth[step][domain], again.batch(step)[domain], strict=True):
                assert torch.equal(a, b)
        assert sum(len(draw.index) for draw in forth[step].values()) == 16
    assert any(not torch.equal(forth[0][d].steps, other.batch(0)[d].steps) for d in Domain)


def test_processes_share_a_batch():
    sampler = _sampler(draws=2)
    whole, parts = sampler.batch(5), [sampler.batch(5, rank, 4) for rank in range(4)]
    for part in parts:
        assert sum(len(draw.index) for draw in part.values()) == 4
    for domain in Domain:
        joined = torch.cat([torch.cat([p[domain].index[:, None], p[domain].steps], 1) for p in parts])
        expected = torch.cat([whole[domain].index[:, None], whole[domain].steps], 1)
        assert sorted(joined.tolist()) == sorted(expected.tolist())


def test_without_a_threshold_it_is_cotraining():
    """All admitted: real has the share α at every diffusion step, and all weights are 1."""
    sampler = _sampler(bands(SIGMAS, torch.zeros(9)), draws=2)
    assert sampler.real_share == pytest.approx(0.25)
    for draw in sampler.batch(0).values():
        assert torch.equal(draw.weight, torch.ones_like(draw.weight))


def test_what_is_never_admitted_is_refused():
    with pytest.raises(InputError, match=r"admits none of the 5 sim windows .* a lower σ_min"):
        _sampler(bands(SIGMAS, torch.ones(5)))
    only_above = {Domain.SIM: bands(SIGMAS, torch.full((5,), 0.001)), Domain.REAL: up_to(SIGMAS, 0.001, 3)}
    with pytest.raises(InputError, match=r"admits none of the 3 real windows .* a higher σ_min"):
        GatedSampler(only_above, len(SIGMAS), 8, 1, 0.5, 0)
    with pytest.raises(InputError, match="no window is admitted at 18 of 100 diffusion steps"):
        _sampler(bands(SIGMAS, torch.full((5,), 0.3)), alpha=0.0)
    _sampler(bands(SIGMAS, torch.ones(5)), alpha=1.0)  # sim has no share: nothing is missing


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "expected one of them"),
        ({"sigma_min": 0.1, "annotation": "a.npz"}, "expected one of them"),
        ({"sigma_min": 1.0}, "sigma_min=1.0"),
        ({"sigma_min": 17}, "sigma_min=17"),
        ({"sigma_min": "low"}, "sigma_min='low'"),
        ({"sigma_min": 0.1, "sigma_max": "low"}, "sigma_max='low'"),
        ({"sigma_min": 0.1, "sigma_max": -0.1}, "sigma_max=-0.1"),
        ({"sigma_min": 0.1, "sigma_max": "annotation"}, "needs gating.annotation"),
        ({"sigma_min": 0.1, "sigma_max": 0.05, "exclusive": True}, "exclusive"),
    ],
)
def test_bad_arguments(arguments, words):
    with pytest.raises(InputError, match=words):
        Gating(**arguments)
