import numpy as np
import pytest
import torch

from align.data import pairing as module
from align.data.episodes import Episodes
from align.data.mixture import MixtureSampler
from align.data.pairing import Pairing
from align.data.warping import warp
from align.data.windows import Windows
from align.domain import Domain
from align.errors import InputError
from align.seeding import torch_generator


def episodes(motions, state=True):
    """Episodes of given motions (n, P), actions in other units, images that carry nothing."""
    values = np.concatenate(motions).astype(np.float32)
    return Episodes(
        images={"image": np.zeros((len(values), 2, 2, 3), np.uint8)},
        agent_pos=values,
        action=100 * values + 7,
        state=np.concatenate([values, values[:, :1] ** 2], axis=1) if state else None,
        ends=np.cumsum([len(v) for v in motions]),
    )


def windows(motions, ids=None, **arguments):
    data = episodes(motions, **arguments)
    ids = range(data.n_episodes) if ids is None else ids
    return Windows(data, ids, n_obs_steps=2, horizon=8, n_action_steps=4)


def walks(seed, n, low=12, high=40):
    rng = np.random.default_rng(seed)
    return [256 + rng.normal(0, 10, (rng.integers(low, high), 2)).cumsum(0) for _ in range(n)]


@pytest.fixture(scope="module")
def domains():
    """Sim of 12 demonstrations, of which 2 and 7 are not trained on and 4 has no window; real of 5."""
    motions = walks(0, 12)
    motions[4] = motions[4][:3]
    sim = windows(motions, [i for i in range(12) if i not in (2, 7)])
    assert sim.skipped.tolist() == [4]
    return sim, windows(walks(1, 5))


def places(which: Windows, indices):
    batch = which.gather(indices, images=False)
    return list(zip(batch["episode"].tolist(), batch["step"].tolist(), strict=True))


def drawn_pairs(partners, sim, real, draws=20):
    every = torch.arange(len(real)).repeat(draws)
    partner = partners.draw(every, torch_generator(0, "test"))
    return list(zip(places(real, every), places(sim, partner), strict=True))


def aligned_cells(sim, real):
    """Cells of the warping path of every pair, with the scale found here by other means."""
    seen = {d: w.episodes.agent_pos[w.newest].astype(float) for d, w in (("sim", sim), ("real", real))}
    low = np.minimum(seen["sim"].min(0), seen["real"].min(0))
    high = np.maximum(seen["sim"].max(0), seen["real"].max(0))

    def motion(which, episode):
        start, length = which.episodes.starts[episode], which.episodes.lengths[episode]
        steps = length - 8 + 4 + 2 - 1  # windows of an episode, one for each of its first steps
        return 2 * (which.episodes.agent_pos[start : start + steps] - low) / (high - low) - 1

    cells, distance = set(), {}
    for r in real.episode_ids:
        for s in set(sim.episode_ids) - set(sim.skipped):
            x = motion(real, r)
            path = warp([x], [motion(sim, s)])
            distance[r, s] = path.cost[0] / path.length[0]
            for i in range(len(x)):
                cells |= {((r, i), (s, j)) for j in range(path.first[0, i], path.last[0, i] + 1)}
    return cells, distance


def test_pairs_lie_on_the_warping_path_and_any_of_it_is_drawn(domains):
    cells, _ = aligned_cells(*domains)
    sim, real = domains
    partners = Pairing(slope=0).match(sim, real)
    table = set()
    for w, place in enumerate(places(real, torch.arange(len(real)))):
        for low, high in zip(partners.low[w].tolist(), partners.high[w].tolist(), strict=True):
            table |= {(place, other) for other in places(sim, torch.arange(low, high + 1))}
    assert table == cells
    found = set(drawn_pairs(partners, sim, real, draws=100))
    assert found <= cells and len(found) > 0.8 * len(cells)


def test_a_window_widens_the_path_and_stays_within_the_demonstration(domains):
    cells, _ = aligned_cells(*domains)
    sim, real = domains
    found = drawn_pairs(Pairing(slope=0, window=2).match(*domains), sim, real, draws=100)
    allowed = {(a, (s, j + shift)) for a, (s, j) in cells for shift in range(-2, 3)}
    assert set(found) <= allowed and not set(found) <= cells


def test_neighbours_are_the_nearest_and_drawn_by_the_weight_of_their_distance(domains):
    sim, real = domains
    _, distance = aligned_cells(sim, real)
    partners = Pairing(neighbours=3, slope=20, midpoint=0.1).match(sim, real)
    found = drawn_pairs(partners, sim, real, draws=400)
    for r in real.episode_ids:
        near = sorted((d, s) for (a, s), d in distance.items() if a == r)[:3]
        weight = np.array([1 / (1 + np.exp(20 * (d - 0.1))) for d, _ in near])
        drawn = [s for (a, _), (s, _) in found if a == r]
        share = [np.mean(np.array(drawn) == s) for _, s in near]
        np.testing.assert_allclose(share, weight / weight.sum(), atol=0.02)
        assert sum(share) == pytest.approx(1)


def test_a_slower_copy_of_a_real_demonstration_is_its_partner():
    real = walks(2, 3, 30, 31)
    sim = windows([*walks(3, 4), *(np.repeat(v, 2, axis=0) for v in real)])
    real = windows(real)
    partners = Pairing(neighbours=1).match(sim, real)
    for (r, i), (s, j) in drawn_pairs(partners, sim, real):
        assert s == 4 + r
        if i < 20:  # at the end, fewer steps lack a window in the slower one
            assert j in (2 * i, 2 * i + 1)


def test_pairs_are_those_of_the_key_whatever_its_units(domains):
    agent_pos, action = (Pairing(key=key).match(*domains) for key in ("agent_pos", "action"))
    assert torch.equal(agent_pos.low, action.low) and torch.equal(agent_pos.high, action.high)
    assert not torch.equal(agent_pos.low, Pairing(key="state").match(*domains).low)


def test_far_demonstrations_still_have_a_partner():
    probabilities = Pairing().probabilities(np.array([[500.0, 500.1, 900.0], [0.0, 0.2, 1e9]]))
    np.testing.assert_allclose(probabilities.sum(1), 1)
    assert probabilities[0, 0] / probabilities[0, 1] == pytest.approx(np.e)


def test_reach_is_one_where_pairs_are_uniform_and_the_share_of_one_demonstration_where_there_is_one():
    motion = walks(4, 1, 30, 31)
    assert Pairing().match(windows(motion), windows(motion)).reach() == pytest.approx(1)
    sim = windows([*motion, *(v + 4000 for v in walks(5, 2, 30, 31))])
    assert Pairing(neighbours=1).match(sim, windows(motion)).reach() == pytest.approx(1 / 3)


def sampler(domains, size, quota, **arguments):
    sim, real = domains
    n = {Domain.SIM: len(sim), Domain.REAL: len(real)}
    return MixtureSampler(n, size, quota, 3, Pairing().match(sim, real), **arguments)


@pytest.mark.parametrize("quota, share, pairs", [(6, 1.0, 6), (6, 0.5, 3), (11, 1.0, 5), (6, 0.01, 1)])
def test_the_first_places_of_a_batch_are_pairs_and_the_rest_is_drawn_as_ever(domains, quota, share, pairs):
    sim, real = domains
    mixture = sampler(domains, 16, quota, share=share)
    plain = MixtureSampler(mixture.n_windows, 16 - pairs, quota, 3)
    cells, _ = aligned_cells(sim, real)
    for step in range(40):
        batch, unpaired = mixture.batch(step), plain.batch(step)
        assert len(batch[Domain.SIM]) == 16 - quota
        assert torch.equal(batch[Domain.REAL], unpaired[Domain.REAL])
        assert torch.equal(batch[Domain.SIM][pairs:], unpaired[Domain.SIM])
        for rank in range(2):  # each of two processes has whole pairs
            a, b = (places(w, batch[d][:pairs][rank::2]) for d, w in zip(Domain, domains, strict=True))
            assert set(zip(b, a, strict=True)) <= cells


def test_a_resumed_run_sees_the_pairs_of_an_uninterrupted_one(domains):
    whole = [sampler(domains, 16, 6).batch(step) for step in range(30)]
    later = sampler(domains, 16, 6)
    for step in reversed(range(11, 30)):
        assert all(torch.equal(later.batch(step)[d], whole[step][d]) for d in Domain)
    assert not torch.equal(whole[0][Domain.SIM], whole[1][Domain.SIM])


def test_the_cache_holds_what_is_computed_and_knows_data_and_arguments(domains, tmp_path, monkeypatch):
    folder = str(tmp_path / "pairs")
    fresh = Pairing(cache=folder).match(*domains)
    with monkeypatch.context() as patch:
        patch.setattr(module, "warp", None)  # what is kept is not computed again
        kept = Pairing(cache=folder, share=0.5).match(*domains)
    for name, value in vars(fresh).items():
        assert torch.equal(torch.as_tensor(value), torch.as_tensor(vars(kept)[name])), name
    for other in (Pairing(cache=folder, window=1), Pairing(cache=folder, key="state")):
        other.match(*domains)
    Pairing(cache=folder).match(domains[1], domains[0])
    files = list((tmp_path / "pairs").iterdir())
    assert len(files) == 4
    for file in files:
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match=r"\.npz: cannot be read .*delete it"):
        Pairing(cache=folder).match(*domains)
    arrays = {n: np.asarray(v) for n, v in vars(fresh).items()}
    damages = [{**arrays, name: arrays[name][:0]} for name in ("low", "high", "cumulative", "distance")]
    damages += [{n: v - 9 for n, v in arrays.items()}, {**arrays, "cumulative": -arrays["cumulative"]}]
    for damaged in damages:
        monkeypatch.setattr(module, "read_table", lambda *_, found=damaged: found)
        with pytest.raises(InputError, match="do not go together"):
            Pairing(cache=folder).match(*domains)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"key": "pose"}, "pairing.key='pose': expected one of agent_pos, action, state"),
        ({"neighbours": 0}, "pairing.neighbours=0: expected a whole number in"),
        ({"slope": -1.0}, r"pairing.slope=-1\.0"),
        ({"midpoint": float("nan")}, "pairing.midpoint=nan"),
        ({"window": -1}, "pairing.window=-1"),
        ({"share": 0.0}, r"pairing.share=0\.0: expected a number in \(0, 1\]"),
        ({"share": 1.5}, r"pairing.share=1\.5"),
    ],
)
def test_arguments_out_of_range(arguments, message):
    with pytest.raises(InputError, match=message):
        Pairing(**arguments)


def test_data_that_cannot_be_paired(domains):
    sim, real = domains
    with pytest.raises(InputError, match=r"pairing\.key='state': the real demonstrations have none"):
        Pairing(key="state").match(sim, windows(walks(1, 2), state=False))
    flat = windows([v[:, :1] for v in walks(1, 2)])
    with pytest.raises(InputError, match=r"dimensions \{'real': 1, 'sim': 2\}; expected as many"):
        Pairing().match(sim, flat)
    with pytest.raises(InputError, match="sim has no training windows"):
        Pairing().match(windows(walks(1, 2), []), real)


@pytest.mark.parametrize("quota", [0, 16])
def test_a_batch_of_one_domain_has_no_pairs(domains, quota):
    with pytest.raises(InputError, match=f"quota: {quota} of 16; expected both domains"):
        sampler(domains, 16, quota)
