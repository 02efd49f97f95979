"""Domain conditioning, classifier-free guidance on the domain, and fine-tuning."""

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from run_weights import last_weights

from align.batch_loss import denoising_losses
from align.cli import main
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.errors import InputError
from align.module import CotrainingModule
from align.networks import ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy


def _policy(**arguments) -> DiffusionPolicy:
    torch.manual_seed(0)
    return DiffusionPolicy(
        ConvEncoder(features=4, width=16, blocks=1),
        partial(ConditionalMLP, horizon=4, width=64, blocks=2),
        NoiseSchedule(prediction="sample"),
        horizon=4,
        n_action_steps=2,
        n_image_steps=1,
        **arguments,
    )


def _observations(n: int = 6) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    image = torch.randint(0, 256, (n, 1, 3, 16, 16), generator=g, dtype=torch.uint8)
    return {"image": image, "agent_pos": torch.randn(n, 2, 2, generator=g)}


def test_the_domain_reaches_the_denoiser_and_nothing_that_is_probed():
    policy, observation = _policy(domain_conditioning=True), _observations()
    told = {d: policy.encode(**observation, domain=torch.full((6,), int(d))) for d in Domain}
    assert torch.equal(told[Domain.SIM].image, told[Domain.REAL].image)
    assert torch.equal(told[Domain.SIM].observation, told[Domain.REAL].observation)
    assert not torch.equal(told[Domain.SIM].condition, told[Domain.REAL].condition)
    assert torch.equal(policy.encode(**observation).label, told[Domain.REAL].label)  # a robot is real
    assert _policy().encode(**observation).label is None


def test_guidance_extrapolates_from_the_withheld_prediction():
    policy, observation = _policy(domain_conditioning=True), _observations()
    g = torch.Generator().manual_seed(2)
    x, steps = torch.randn(6, 4, 2, generator=g), torch.full((6,), 30)
    features = policy.encode(**observation)
    with torch.no_grad():
        told = policy.denoiser(x, steps, features.condition)
        blank = torch.cat([features.observation, torch.zeros(6, 2)], dim=1)
        untold = policy.denoiser(x, steps, blank)
        assert torch.equal(policy._predict(x, steps, features), told)
        policy.guide(1.5)
        assert torch.allclose(policy._predict(x, steps, features), 2.5 * told - 1.5 * untold, atol=1e-6)
    assert not torch.allclose(told, untold, atol=1e-4)


@pytest.mark.parametrize("weight", [-1.0, float("nan")])
def test_guidance_weight_is_checked(weight):
    with pytest.raises(InputError, match="guidance_weight"):
        _policy(domain_conditioning=True).guide(weight)
    with pytest.raises(InputError, match="domain_conditioning"):
        _policy().guide(1.0)


def test_the_domain_is_withheld_from_so_many():
    policy = _policy(domain_conditioning=True)
    batch = {**_observations(400), "domain": torch.arange(400) % 2}
    module = CotrainingModule(policy, label_dropout=0.25)
    features = module._encode(batch, torch.Generator().manual_seed(3))
    given = torch.nn.functional.one_hot(batch["domain"]).float()
    withheld = (features.label == 0).all(1)
    assert torch.equal(features.label[~withheld], given[~withheld])
    assert 70 < int(withheld.sum()) < 130  # 100 ± 3.5 standard deviations
    assert torch.equal(CotrainingModule(policy)._encode(batch, torch.Generator()).label, given)


def test_a_policy_that_is_told_the_domain_acts_as_that_domain_does():
    """Equal observations, actions −1 in sim and 1 in real: only the label tells them apart; guidance
    pushes past the withheld mixture."""
    policy = _policy(domain_conditioning=True)
    module = CotrainingModule(policy, label_dropout=0.2)
    domain = torch.arange(64) % 2
    batch = {**_observations(1), "domain": domain, "weight": torch.ones(64)}
    batch = {k: v.expand(64, *v.shape[1:]) if len(v) == 1 else v for k, v in batch.items()}
    batch["action"] = (2.0 * domain - 1)[:, None, None].expand(64, 4, 2)
    optimizer = torch.optim.Adam(policy.parameters(), 3e-3)
    g = torch.Generator().manual_seed(4)
    for _ in range(150):
        features = module._encode(batch, g)
        loss = denoising_losses(policy, features, batch, g)[0].mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    observation = {key: batch[key] for key in ("image", "agent_pos")}
    noise = torch.randn(64, 4, 2, generator=g)
    means = {d: policy.act(observation, noise, domain=d).mean().item() for d in Domain}
    assert means[Domain.SIM] == pytest.approx(-1, abs=0.15) and means[Domain.REAL] == pytest.approx(
        1, abs=0.15
    )
    untold = policy.sample(policy.encode(**observation).without_label(), batch["agent_pos"], noise)
    assert abs(untold.mean()) < 0.6  # both kinds of action


@pytest.fixture
def trained(write_config, tmp_path) -> Path:
    """A finished run on sim alone."""
    folder = tmp_path / "first"
    assert main(["fit", "--config", write_config("first", run=str(folder), **{"data.alpha": 0.0})]) == 0
    return folder


def test_fine_tuning_starts_from_the_averaged_policy_and_its_normaliser(trained, write_config, tmp_path):
    tiny = 1e-300  # it moves no float32
    still = write_config(
        "still",
        run=str(tmp_path / "still"),
        **{"model.initial": str(trained), "model.learning_rate": tiny},
    )
    moved = write_config(
        "moved", run=str(tmp_path / "moved"), **{"model.initial": str(trained), "data.alpha": 1.0}
    )
    assert main(["fit", "--config", still]) == 0 and main(["fit", "--config", moved]) == 0
    before = {k: v for k, v in last_weights(trained).items() if k.startswith("ema.model.")}
    after = {name: last_weights(tmp_path / name) for name in ("still", "moved")}
    for key, value in before.items():
        if key.endswith(("action_low", "action_high")):  # widened to hold the real actions, which are new
            wider = [run[key] - value if key.endswith("high") else value - run[key] for run in after.values()]
            assert all((w >= -1e-5).all() and (w > 1e-3).any() for w in wider), key
            continue
        assert torch.equal(after["still"][key.replace("ema.model.", "policy.")], value), key
        same = torch.equal(after["moved"][key], value)
        assert same == ("normalizer" in key or not value.is_floating_point()), key


def test_interrupted_fine_tuning_resumes_and_does_not_start_over(trained, write_config, resumed_equals_whole):
    options = {"model.initial": str(trained), "checkpoint": {"every": 2}}
    resumed_equals_whole(partial(write_config, **options))


def test_a_start_that_does_not_fit_is_refused(trained, write_config, capsys):
    config = write_config(**{"model.initial": str(trained), "model.policy.encoder.init_args.features": 4})
    assert main(["fit", "--config", config]) == 2
    error = capsys.readouterr().err
    assert "initial=" in error and error.count("\n") == 1


def test_summary_says_how_the_policy_is_told_the_domain(write_config, tmp_path):
    changes = {
        "model.policy.domain_conditioning": True,
        "model.policy.guidance_weight": 0.5,
        "model.label_dropout": 0.1,
        "run": str(tmp_path / "told"),
    }
    assert main(["fit", "--config", write_config(**changes)]) == 0
    summary = json.loads((tmp_path / "told/summary.json").read_text())
    assert summary["domain_conditioning"] is True and summary["guidance_weight"] == 0.5
    loaded = DiffusionPolicy.from_checkpoint(tmp_path / "told")
    assert loaded.domain_conditioning and loaded.guidance_weight == 0.5
