"""What a run keeps for probes: the same again from its checkpoint, and the same states in both worlds."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
import yaml

from align.cli import main
from align.commands import demos
from align.datamodule import CotrainingData
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.embeddings import collect, collect_paired
from align.networks import ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy
from align.seeding import torch_generator
from align.sites import SITES, embed
from align.worlds.pushing.gaps import SIM, Gap
from align.worlds.pushing.rerender import recorded_in, rerender


def make_policy(**arguments) -> DiffusionPolicy:
    torch.manual_seed(0)
    return DiffusionPolicy(
        ConvEncoder(features=6, width=16, blocks=1),
        partial(ConditionalMLP, horizon=8, width=16, blocks=1),
        NoiseSchedule(prediction="sample"),
        horizon=8,
        n_action_steps=4,
        relative_actions=True,
        **arguments,
    ).eval()


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    """Paths of demonstrations in sim, twice, and with a visual gap."""
    folder = tmp_path_factory.mktemp("worlds")
    paths = {}
    for name, gap, seed in (("sim", Gap(), 0), ("same", Gap(), 1), ("real", Gap(visual=0.5), 1)):
        paths[name] = str(folder / f"{name}.zarr")
        demos(paths[name], n=4, world=gap, seed=seed, size=32, jobs=1)
    return paths


def read(policy, sim: str, real: str) -> CotrainingData:
    data = CotrainingData(sim, real, validation=2)
    data.read(policy)
    policy.normalizer.load_state_dict(data.normalizer.state_dict())
    return data


def test_a_finished_runs_embeddings_are_computed_again_bit_for_bit(write_config, tmp_path, capsys):
    config = write_config(**{"embeddings": {"per_domain": 30}, "model.probe_step": 7, "seed_everything": 3})
    assert main(["fit", "--config", config]) == 0
    run = tmp_path / "run"
    first = dict(np.load(run / "embeddings.npz"))
    (run / "embeddings.npz").unlink()
    assert main(["embed", str(run)]) == 0
    again = dict(np.load(run / "embeddings.npz"))
    assert first.keys() == again.keys()
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key], err_msg=key)

    sites = ["denoiser.layers.0@7", "denoiser@7", "encoder.pool"]
    assert main(["embed", str(run), "--sites", f"[{', '.join(sites)}]", "--per_domain", "10"]) == 0
    other = np.load(run / "embeddings.npz")
    assert {*sites, *(f"untrained/{s}" for s in sites)} < set(other) and "image" not in other
    assert len(other["domain"]) == 20 and other["denoiser@7"].shape == (20, 16)
    capsys.readouterr()
    assert main(["embed", str(run), "--sites", "[encoder.bakbone]"]) == 2
    assert "encoder.backbone" in capsys.readouterr().err
    (tmp_path / "no run").mkdir()
    for path in ("nowhere", "no run"):
        assert main(["embed", str(tmp_path / path)]) == 2
        assert "config.yaml" in capsys.readouterr().err
    assert not list((tmp_path / "no run").iterdir())
    recorded = yaml.safe_load((run / "config.yaml").read_text())
    for section, name, value in (
        ("data", "sim", 10**30),
        ("data", "seed", None),
        ("embeddings", "paired", None),
    ):
        damaged = recorded | {section: recorded[section] | {name: value}}
        (run / "config.yaml").write_text(yaml.safe_dump(damaged))
        assert main(["embed", str(run)]) == 2
        assert f"config.yaml: {section}" in (error := capsys.readouterr().err) and name in error


def test_arrays_are_of_the_windows_they_stand_beside(worlds):
    policy = make_policy()
    data = read(policy, worlds["sim"], worlds["real"])
    arrays = collect(policy, data, SITES, 20, 8, 10, 0)
    n = len(arrays["domain"])
    assert n == 40 and all(
        len(a) == n and (a.dtype in (np.float32, np.int64, np.uint8) or name == "store")
        for name, a in arrays.items()
        if not name.startswith("codec/")
    )
    for i in (0, 13, 27, 39):
        domain = Domain(arrays["domain"][i])
        episodes = data.held_out[domain].episodes
        frame = episodes.starts[arrays["episode"][i]] + arrays["step"][i]
        np.testing.assert_array_equal(arrays["state"][i], episodes.state[frame])
        np.testing.assert_array_equal(arrays["agent_pos"][i], episodes.state[frame, :2])
    windows = data.held_out[Domain.SIM]
    batch = windows.gather(windows.spread(20))
    action = policy.normalizer.unnormalize_action(
        torch.from_numpy(arrays["action"][:20]).unflatten(1, (8, 2)), batch["agent_pos"]
    )
    assert torch.allclose(action, batch["action"], atol=1e-3)
    chosen = policy.normalizer.unnormalize_action(
        torch.from_numpy(arrays["chosen"][:20]).unflatten(1, (8, 2)), batch["agent_pos"]
    )
    variance = batch["action"].double().flatten(0, 1).var(0, unbiased=False)
    error = ((chosen - batch["action"]).square() / variance).mean((1, 2))
    np.testing.assert_allclose(arrays["action_error"][:20], error, rtol=1e-3)
    assert np.abs(arrays["untrained/image"] - arrays["image"]).max() > 1e-3


def test_chosen_actions_are_those_of_a_policy_told_that_it_is_on_the_robot(worlds):
    policy = make_policy(domain_conditioning=True, guidance_weight=0.5)
    data = read(policy, worlds["sim"], worlds["real"])
    chosen = torch.from_numpy(collect(policy, data, ["image"], 20, 8, 10, 4)["chosen"])
    for index, batch in enumerate(data.held_out_batches(20)):
        noise = torch.randn(20, 8, 2, generator=torch_generator(4, "chosen", index))
        act = [policy.act(batch, noise, domain=domain) for domain in Domain]
        assert not torch.allclose(*act)
        rows = chosen[20 * index :][:20].unflatten(1, (8, 2))
        actions = policy.normalizer.unnormalize_action(rows, batch["agent_pos"])
        assert torch.allclose(actions[:, 1:5], act[Domain.REAL], atol=1e-3)  # px


def test_the_sim_world_is_rendered_as_its_demonstrations_were(worlds):
    policy = make_policy()
    data = read(policy, worlds["sim"], worlds["real"])
    windows = data.held_out[Domain.SIM]
    rows = windows.spread(30)
    images = rerender(SIM, windows.states(rows).numpy(), 32, np.zeros(30))
    stored = windows.gather(rows)["image"].permute(0, 1, 3, 4, 2).numpy()
    assert np.abs(images.astype(int) - stored).max() <= 8  # states were stored as float32
    assert (images == stored).mean() > 0.999


def test_paired_states_are_the_same_in_both_worlds_but_for_the_look(worlds):
    policy = make_policy(n_image_steps=1)
    data = read(policy, worlds["sim"], worlds["real"])
    paired = collect_paired(policy, data, ["image", "denoiser@3"], 30, 10, 0)
    assert set(paired) == {"sim/image", "real/image", "sim/denoiser@3", "real/denoiser@3", "episode", "state"}
    assert {len(a) for a in paired.values()} == {30}
    windows = data.held_out[Domain.SIM]
    rows = windows.spread(30)
    np.testing.assert_array_equal(paired["state"], windows.states(rows)[:, -1])
    np.testing.assert_array_equal(paired["episode"], windows.gather(rows)["episode"])
    stored = embed(policy, windows.gather(rows), ["image"], torch.Generator())["image"].numpy()
    gap = np.abs(paired["real/image"] - paired["sim/image"]).max()
    assert np.abs(paired["sim/image"] - stored).max() < 0.2 * gap and gap > 0

    same = collect_paired(
        policy, read(policy, worlds["sim"], worlds["same"]), ["image", "denoiser"], 30, 10, 0
    )
    for site in ("image", "denoiser"):
        np.testing.assert_array_equal(same[f"sim/{site}"], same[f"real/{site}"])


def test_only_pushing_worlds_are_paired(worlds):
    policy = make_policy()
    data = read(policy, worlds["sim"], worlds["real"])
    assert collect_paired(policy, data, SITES, 0, 10, 0) is None
    real = data.held_out[Domain.REAL].episodes
    for attrs in ({}, {"world": "kitchen"}, {"world": {"look": {"lamps": 3}}}):
        assert recorded_in(attrs) is None
        real.attrs = attrs
        assert collect_paired(policy, data, SITES, 30, 10, 0) is None
    assert recorded_in({"world": {"look": {"zoom": 2.0}}}).look == replace(SIM.look, zoom=2.0)
