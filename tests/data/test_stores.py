"""Several stores as one domain: the same windows as of one store of all of them, in the shares asked for."""

import itertools
from functools import partial

import numpy as np
import pytest
import torch
from random_episodes import random_episode

from align.data.episodes import read_store, write_store
from align.data.mixture import MixtureSampler, Stratum
from align.data.shares import store_quotas, store_weights
from align.data.stores import join, short_names, split_stores
from align.data.windows import Windows
from align.datamodule import CotrainingData
from align.domain import Domain
from align.errors import InputError
from align.networks import ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy
from align.seeding import numpy_rng
from align.step.batches import _mixed

SIZES = (5, 9, 6)


def _policy():
    denoiser = partial(ConditionalMLP, width=16, blocks=1)
    return DiffusionPolicy(ConvEncoder(features=8, width=16, blocks=1), denoiser)


@pytest.fixture
def labs(tmp_path):
    """Three stores of different sizes, and one that holds the episodes of all of them."""
    episodes = [
        [random_episode(numpy_rng(k, "lab", n), 14 + n) for n in range(m)] for k, m in enumerate(SIZES)
    ]
    paths = []
    for name, made in zip("abc", episodes, strict=True):
        paths.append(str(tmp_path / f"{name}.zarr"))
        write_store(paths[-1], made, {"domain": "real", "rate_hz": 10, "lab": name})
    write_store(tmp_path / "all.zarr", itertools.chain(*episodes), {"domain": "real", "rate_hz": 10})
    return paths, str(tmp_path / "all.zarr")


def _data(sim, real, **changes):
    options = {"alpha": 0.5, "batch_size": 16, "validation": 2, "val_windows": 8} | changes
    data = CotrainingData(sim=sim, real=real, **options)
    data.read(_policy())
    return data


def _batches(data, steps=range(6), rank=0, processes=1):
    return list(_mixed(data, steps, rank, processes, data.train))


def _equal(batches, others):
    for a, b in zip(batches, others, strict=True):
        assert a.keys() == b.keys()
        for key, value in a.items():
            assert torch.equal(value, b[key]) if torch.is_tensor(value) else value == b[key], key


def test_windows_of_several_stores_are_those_of_one_that_holds_all(labs):
    paths, whole = labs
    joined, one = join([read_store(p) for p in paths], "abc"), read_store(whole)
    assert joined.stores[1].episodes == range(5, 14) and joined.attrs == {"domain": "real", "rate_hz": 10}
    ids = np.array([0, 3, 4, 5, 6, 13, 14, 19])
    windows = [Windows(episodes, ids, n_image_steps=2) for episodes in (joined, one)]
    order = torch.randperm(len(windows[0]), generator=torch.Generator().manual_seed(0))
    moved = [windows[0].to(torch.device("cpu")), windows[1]]
    for pair in (windows, moved):
        _equal([pair[0].gather(order)], [pair[1].gather(order)])
    assert windows[0].n_bytes == windows[1].n_bytes


def test_images_of_stores_are_not_copied(labs):
    stores = [read_store(p) for p in labs[0]]
    arrays = join(stores, "abc").image.arrays
    assert all(a is e.image for a, e in zip(arrays, stores, strict=True))


def test_a_list_of_one_store_is_that_store(labs, make_store):
    sim = make_store("sim", 8)
    plain, listed = _data(sim, labs[0][1]), _data([sim], [labs[0][1]], real_shares=[2.0])
    _equal(_batches(plain), _batches(listed))
    _equal([plain.normalizer.state_dict()], [listed.normalizer.state_dict()])
    assert torch.equal(plain.weights()[Domain.REAL], listed.weights()[Domain.REAL])


def test_without_shares_all_windows_are_drawn_alike(labs, make_store):
    data = _data(make_store("sim", 8), labs[0])
    drawn = torch.cat([data.sampler.batch(step)[Domain.REAL] for step in range(400)])
    n = len(data.train[Domain.REAL])
    epochs = drawn[: len(drawn) // n * n].view(-1, n).sort(1).values
    assert len(epochs) > 3 and torch.equal(epochs, torch.arange(n).expand_as(epochs))


def test_shares_are_those_of_the_loss_to_the_last_digit_and_of_each_batch(labs, make_store):
    data = _data(
        [make_store("sim", 8), make_store("mujoco", 5)], labs[0], sim_shares=[1, 3], real_shares=[6, 1, 1]
    )
    assert [[s.quota for s in data.sampler.strata[d]] for d in Domain] == [[2, 6], [6, 1, 1]]
    for batch in _batches(data, range(0, 60, 7)):
        for domain, shares in ((Domain.SIM, [1 / 4, 3 / 4]), (Domain.REAL, [6 / 8, 1 / 8, 1 / 8])):
            rows = batch["domain"] == domain
            assert batch["domain"].tolist() == sorted(batch["domain"].tolist()), "sim first: fixed slices"
            store = np.array(data.stores_of(batch["domain"].numpy(), batch["episode"].numpy()))
            for part, share in zip(data.stores[domain], shares, strict=True):
                of = torch.from_numpy(store == part.name) & rows
                assert float(batch["weight"][of].sum() / len(batch["weight"])) == pytest.approx(0.5 * share)
    uneven = store_weights([0.5, 0.3, 0.2], store_quotas([0.5, 0.3, 0.2], 7, "real_shares"))
    assert float(uneven.mean()) == pytest.approx(1) and len(uneven.unique()) == 3
    assert "c (36 windows, 12.5%, 1 a batch)" in data.describe()


@pytest.mark.parametrize("quota", [3, 4, 7, 31, 100])
def test_quotas_are_the_largest_remainders_and_nobody_is_left_out(quota):
    shares = [0.9, 0.07, 0.03]
    counts = store_quotas(shares, quota, "real_shares")
    assert sum(counts) == quota and min(counts) >= 1
    if quota == 100:
        assert counts == [90, 7, 3]
    with pytest.raises(InputError, match="real_shares: a batch holds 2 windows of 3 stores"):
        store_quotas(shares, 2, "real_shares")


def test_a_store_is_walked_in_epochs_at_its_own_pace_from_any_step():
    def sampler():
        strata = {Domain.REAL: [Stratum(7, 2), Stratum(50, 6)]}
        return MixtureSampler({Domain.SIM: 30, Domain.REAL: 57}, 16, 8, 3, strata=strata)

    whole, late = sampler(), sampler()
    drawn = [whole.batch(step)[Domain.REAL] for step in range(40)]
    assert all(torch.equal(late.batch(step)[Domain.REAL], drawn[step]) for step in range(39, 20, -3))
    first = torch.cat([d[:2] for d in drawn])[:77].view(-1, 7).sort(1).values
    assert torch.equal(first, torch.arange(7).expand_as(first))
    assert all(((d[2:] >= 7) & (d[2:] < 57)).all() for d in drawn)
    plain = MixtureSampler({Domain.SIM: 30, Domain.REAL: 57}, 16, 8, 3)
    assert torch.equal(plain.batch(5)[Domain.SIM], whole.batch(5)[Domain.SIM]), "sim is drawn as without"


def test_processes_share_a_batch_and_its_weights(labs, make_store):
    data = _data(make_store("sim", 8), labs[0], real_shares=[5, 2, 1])
    (whole,) = _batches(data, [11])
    halves = [_batches(data, [11], rank, 2)[0] for rank in (0, 1)]
    for domain in Domain:
        rows = whole["domain"] == domain
        parts = [half["action"][half["domain"] == domain] for half in halves]
        assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole["action"][rows])
    loss = whole["action"].square().mean((1, 2))  # any, of each sample
    expected = (whole["weight"] * loss).mean()
    means = [(h["weight"] * h["action"].square().mean((1, 2))).mean() for h in halves]
    assert float(sum(means) / 2) == pytest.approx(float(expected), rel=1e-5)


def test_every_store_has_held_out_episodes_and_its_part_of_the_others(labs):
    stores = [read_store(p, images=False) for p in labs[0]]
    joined, used = join(stores, "abc"), []
    for most in (None, 12, 7, 3):
        train, held_out = split_stores(joined, stores, 2, most, 0)
        used.append(train)
        assert [sum(h in s.episodes for h in held_out) for s in joined.stores] == [2, 2, 2]
        assert not set(train) & set(held_out) and len(train) == (most or 14)
    assert all(set(b) < set(a) for a, b in itertools.pairwise(used))
    assert [sum(t in s.episodes for t in used[2]) for s in joined.stores] == [2, 3, 2]


def test_the_normaliser_weighs_stores_as_the_loss_does(tmp_path, make_store):
    """Actions of one lab are 1, of the other 3: their mean is that of the shares, whatever the windows."""
    paths = []
    for n, value in ((6, 1.0), (12, 3.0)):
        paths.append(str(tmp_path / f"{value}.zarr"))
        made = [random_episode(numpy_rng(0, "still", k)) for k in range(n)]
        write_store(paths[-1], [{**m, "action": np.full_like(m["action"], value)} for m in made])
    data = _data(make_store("sim", 8), paths, alpha=1.0, real_shares=[3, 1])
    assert torch.allclose(data.normalizer.action_mean, torch.tensor(1.5))
    assert torch.allclose(data.normalizer.action_std, torch.tensor(0.75).sqrt())


def test_names_are_short_and_tell_all_stores_apart():
    assert short_names(["x/sim.zarr", "y/real.hdf5"]) == ["sim", "real"]
    assert short_names(["a/x/real.zarr", "a/y/real.zarr", "b/x/real.zarr"]) == [
        "a-x-real",
        "y-real",
        "b-x-real",
    ]
    assert short_names(["one two.zarr"]) == ["one_two"]
    assert len(set(short_names(["a/r.zarr", "a/r.h5", "a/r"]))) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"real": []}, r"data\.real=\[\]: expected the path"),
        ({"real": ["a.zarr", "b.zarr"], "real_shares": [1.0]}, "1 shares of 2 stores"),
        ({"real": ["a.zarr", "b.zarr"], "real_shares": [1.0, 0.0]}, "real_shares"),
        ({"real": ["a.zarr", "b.zarr"], "real_keys": [None]}, "1 given for 2 stores"),
    ],
)
def test_what_does_not_go_together_is_refused_at_once(changes, message):
    with pytest.raises(InputError, match=message):
        CotrainingData(**{"sim": "sim.zarr", **changes})


def test_stores_of_a_domain_are_held_to_what_domains_are(labs, make_store, tmp_path):
    sim = make_store("sim", 8)
    fast, wide = str(tmp_path / "fast.zarr"), str(tmp_path / "wide.zarr")
    made = [random_episode(numpy_rng(0, "other", n)) for n in range(6)]
    write_store(fast, made, {"rate_hz": 30})
    write_store(wide, [{**m, "action": np.resize(m["action"], (20, 3))} for m in made])
    a, b, _ = labs[0]
    with pytest.raises(InputError, match=r"a\.zarr at 10 Hz, .*fast\.zarr at 30 Hz.*data\.rate_hz=10"):
        _data(sim, [a, fast])
    notes = _data(sim, [a, b], validation=2).notes
    assert [note.split(": ")[1] for note in notes] == [sim, a, b]  # what was taken of each, and no more
    with pytest.raises(InputError, match=r"action: shape \(2,\) a frame in sim .*\(3,\) in real\[1\]"):
        _data(sim, [a, wide])
    with pytest.raises(InputError, match=r"data\.real\[0\], data\.real\[1\]: both"):
        _data(sim, [a, a])
    keys = [None, {"agent_pos": "state[:2]", "action": "action[:2]"}]
    assert _data(sim, [a, wide], real_keys=keys).train[Domain.REAL].action_dim == 2
