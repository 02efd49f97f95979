from functools import partial

import numpy as np
import pytest
from clustered import clustered

from align.analysis.statistics import neighbours
from align.analysis.statistics.neighbours import action_neighbours, domain_mixing, nearest
from align.domain import Domain
from align.errors import InputError

windows = partial(clustered, episodes=(12, 12), dims=4)


def test_neighbours_agree_with_a_search_by_hand_at_any_block(monkeypatch):
    x, domain, cluster = windows(episodes=(4, 5), size=5)
    for among in (None, domain == Domain.REAL):
        found = nearest(x, cluster, 3, among)
        for i in range(len(x)):
            allowed = cluster != cluster[i]
            allowed &= True if among is None else among
            distance = np.where(allowed, np.sum((x - x[i]) ** 2, axis=1), np.inf)
            assert set(found[i]) == set(np.argsort(distance)[:3])
        with monkeypatch.context() as patch:
            patch.setattr(neighbours, "BLOCK", 7)
            np.testing.assert_array_equal(np.sort(found), np.sort(nearest(x, cluster, 3, among)))


def test_random_neighbours_are_uniform_over_other_episodes():
    x, _, cluster = windows(episodes=(2, 2), size=3)
    draws = [nearest(x, cluster, 2, rng=np.random.default_rng(i))[0] for i in range(900)]
    counts = np.bincount(np.ravel(draws), minlength=12)
    assert (counts[:3] == 0).all()
    assert abs(counts[3:] - 200).max() < 5 * np.sqrt(200)


@pytest.mark.parametrize("episodes", [(12, 12), (25, 5)])
def test_equal_distributions_mix_whatever_their_sizes_and_however_alike_an_episode(episodes):
    found = [domain_mixing(*windows(seed, episodes=episodes, spread=3.0)) for seed in range(30)]
    for name in ("real", "sim", "mixing"):
        values = np.array([getattr(m, name).value for m in found])
        assert abs(values.mean() - 1) < 4 * values.std(ddof=1) / np.sqrt(30) + 0.02


def test_domains_apart_do_not_mix():
    found = domain_mixing(*windows(shift=50.0))
    assert found.mixing.value == found.mixing.high == found.sim.value == 0
    assert found.real.value == pytest.approx((24 - 1) / (12 - 1))  # all neighbours real, chance 11 of 23


def test_mixing_falls_with_the_shift_and_holds_its_interval():
    found = [domain_mixing(*windows(shift=s)).mixing for s in (0.0, 1.5, 3.0)]
    assert found[0].value > found[1].high and found[1].value > found[2].high
    assert all(m.low <= m.value <= m.high for m in found)


def teachers(x, domain):
    """Actions that follow the state, in another way in each domain."""
    sim, real = np.sin(x[:, :2]), np.sin(x[:, :2]) + 1.0
    return np.where(domain[:, None] == Domain.REAL, real, sim), sim, real


def test_a_policy_that_copies_one_domain_is_nearer_to_it():
    x, domain, cluster = windows()
    action, sim, real = teachers(x, domain)
    for chosen, share in ((sim, 0.0), (real, 1.0), (action, None)):
        found = action_neighbours(x, action, chosen, domain, cluster)
        for d in Domain:
            expected = float(d) if share is None else share
            assert found.closer_to_real[d].value == pytest.approx(expected, abs=0.15)
            nearer = found.to_real if expected else found.to_sim
            assert nearer[d] == min(found.to_real[d], found.to_sim[d])


def test_intervals_hold_a_small_share_and_lie_around_it():
    """Of a policy that mostly does as sim; percentiles of the resamples hold the truth far less often."""
    rng, found = np.random.default_rng(0), []
    for seed in range(60):
        x, domain, cluster = windows(seed, episodes=(15, 15), size=12)
        episode = np.unique(cluster, return_inverse=True)[1].ravel()
        action = np.tanh(x[:, :1]) + 0.3 * domain[:, None] + 0.3 * rng.normal(size=(len(x), 1))
        own = 0.1 * rng.normal(size=episode.max() + 1)[episode, None]
        chosen = np.tanh(x[:, :1]) - 0.5 + 0.2 * rng.normal(size=(len(x), 1)) + own
        found.append(action_neighbours(x, action, chosen, domain, cluster).closer_to_real[Domain.SIM])
    value, low, high = np.array(found).T
    assert 0.02 < value.mean() < 0.2
    assert np.mean((low <= value.mean()) & (value.mean() <= high)) > 0.9
    assert np.mean(value == low) < 0.1


def test_equal_teachers_are_a_draw():
    shares = {name: [] for name in ("closer_to_real", "anywhere")}
    for seed in range(12):
        x, domain, cluster = windows(seed)
        action = np.sin(x[:, :2])
        found = action_neighbours(x, action, action, domain, cluster)
        for name, values in shares.items():
            values.append(np.mean([interval.value for interval in getattr(found, name).values()]))
    for values in shares.values():
        assert abs(np.mean(values) - 0.5) < 4 * np.std(values, ddof=1) / np.sqrt(12)


def test_neighbours_in_a_space_that_holds_the_state_act_alike():
    x, domain, cluster = windows()
    action, noise = np.sin(x[:, :2]), np.random.default_rng(0).normal(size=x.shape)
    near, blind = (action_neighbours(z, action, action, domain, cluster) for z in (x, noise))
    for d in Domain:
        assert max(near.to_sim[d], near.to_real[d]) < 0.7 * min(blind.to_sim[d], blind.to_real[d])


def test_errors_name_what_was_expected():
    x, domain, cluster = windows(episodes=(3, 3), size=4)
    with pytest.raises(InputError, match="k=9: expected 1 to 8"):
        nearest(x, cluster, 9, domain == Domain.REAL)
    with pytest.raises(InputError, match="chosen"):
        action_neighbours(x, np.zeros((24, 4)), np.zeros((24, 6)), domain, cluster)
