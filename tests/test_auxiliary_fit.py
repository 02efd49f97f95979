"""The auxiliary loss in training: from the store into features, from sim samples alone."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from run_weights import last_weights

from align.alignment.auxiliary import Auxiliary
from align.cli import main
from align.data.episodes import write_store
from align.datamodule import CotrainingData
from align.domain import Domain
from align.module import CotrainingModule
from align.networks import ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy
from align.seeding import numpy_rng

POSE = {"model.auxiliary": {"targets": "state[2:5]", "angles": [2], "weight": 0.5, "width": 8}}


@pytest.fixture
def stores_of_dots(tmp_path):
    """Stores whose images show where a dot is; the real one says nothing of it."""

    def episode(rng, told: bool) -> dict:
        dot = rng.uniform(2, 14, (24, 2))
        y, x = np.mgrid[:16, :16]
        light = np.exp(-((x - dot[:, 0, None, None]) ** 2 + (y - dot[:, 1, None, None]) ** 2) / 8)
        image = np.repeat((255 * light)[..., None], 3, axis=3).astype(np.uint8)
        arrays = {"img": image, "agent_pos": rng.normal(0, 1, (24, 2)), "action": rng.normal(0, 1, (24, 2))}
        return arrays | ({"dot": dot} if told else {})

    paths = {}
    for name, told in (("sim", True), ("real", False)):
        paths[name] = str(tmp_path / f"dots_{name}.zarr")
        write_store(paths[name], [episode(numpy_rng(i, name), told) for i in range(10)])
    return paths


def _module(data: CotrainingData, auxiliary: Auxiliary, **options) -> CotrainingModule:
    torch.manual_seed(0)
    policy = DiffusionPolicy(
        ConvEncoder(features=16, width=16, blocks=1),
        partial(ConditionalMLP, width=16, blocks=1),
        relative_actions=False,
    )
    data.serve(policy, 1, None, auxiliary.targets)
    data.setup()
    module = CotrainingModule(policy, auxiliary=auxiliary, **options)
    module.make_readout(data)
    return module


def _batch(data: CotrainingData, n: int = 32) -> dict[str, torch.Tensor]:
    parts = [data.train[d].gather(torch.arange(n)) for d in Domain]
    batch = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
    return batch | {"domain": torch.tensor([Domain.SIM] * n + [Domain.REAL] * n)}


@pytest.mark.parametrize("site", ["image", "denoiser"])
def test_the_gradient_is_that_of_sim_samples_alone(site, stores_of_dots):
    data = CotrainingData(**stores_of_dots, validation=2, batch_size=8)
    module = _module(data, Auxiliary("dot"), site=site)
    batch = _batch(data, 4)
    assert batch["privileged"][:4].isfinite().all() and batch["privileged"][4:].isnan().all()
    layer = torch.randn(16, module.policy.site_sizes()[site], requires_grad=True)  # 2 noise draws of 8
    sim, state = module._told(layer, batch)
    module.readout(sim, state).backward()
    pulls = layer.grad.unflatten(0, (2, 8)).abs().sum((0, 2))
    assert (pulls[:4] > 0).all() and (pulls[4:] == 0).all()
    torch.testing.assert_close(state, batch["privileged"][:4])


def test_features_learn_what_the_store_tells(stores_of_dots):
    """Held-out sim images are read after some steps."""
    data = CotrainingData(**stores_of_dots, validation=2, batch_size=8)
    module = _module(data, Auxiliary("dot", width=0))
    batch = _batch(data, 96)
    parameters = [*module.policy.encoder.parameters(), *module.readout.parameters()]
    optimizer = torch.optim.Adam(parameters, 1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        image = module.policy.encode(batch, batch["agent_pos"]).image
        error = module.readout(*module._told(image, batch))
        error.backward()
        optimizer.step()
    held_out = data.held_out[Domain.SIM].gather(torch.arange(len(data.held_out[Domain.SIM])))
    with torch.no_grad():
        image = module.policy.encode(held_out, held_out["agent_pos"]).image
        assert float(module.readout(image, held_out["privileged"])) < 0.1


def test_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(write_config, resumed_equals_whole):
    fading = {"schedule": "linear", "steps": 6}
    options = {"model.auxiliary": POSE["model.auxiliary"] | fading, "model.alignment_weight": 0.5}
    run = resumed_equals_whole(
        partial(write_config, **options, **{"checkpoint": {"every": 2}, "trainer.log_every_n_steps": 2})
    )
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["auxiliary"], summary["auxiliary_weight"]) == ("state[2:5]", 0.5)
    assert summary["train_auxiliary_weight"] == pytest.approx(0.5 / 6)  # at the last step, number 5
    parts = summary["train_denoise"], 0.5 * summary["train_alignment"], 0.5 / 6 * summary["train_auxiliary"]
    assert summary["train_loss"] == pytest.approx(sum(parts), rel=1e-5)
    assert summary["train_auxiliary_grad_ratio"] > 0 and summary["train_grad_ratio"] > 0


def test_a_run_without_a_weight_is_the_run_without_it(write_config, tmp_path):
    """Nothing is drawn and nothing moved by what reads: comparisons of with and without are paired."""
    weights = []
    for name, changes in (("none", {}), ("zero", {"model.auxiliary": {"targets": "state", "weight": 0}})):
        assert main(["fit", "--config", write_config(name, run=str(tmp_path / name), **changes)]) == 0
        weights.append(last_weights(tmp_path / name))
    assert all(torch.equal(value, weights[1][key]) for key, value in weights[0].items())


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"targets": "pose"}, "model.auxiliary.targets='pose': store "),
        ({"targets": "state[2:9]"}, "has 5 columns; the slice [2:9] asks for others"),
        ({"angles": [3]}, "auxiliary.angles=[3]: targets='state[2:5]' has 3; expected numbers from 0 to 2"),
    ],
)
def test_mistakes_are_one_line_before_training(changes, words, write_config, refused):
    refused(write_config(**{"model.auxiliary": POSE["model.auxiliary"] | changes}), words)
