"""The training step: the objective, and what is logged."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from align.alignment.adversarial import DANN
from align.alignment.auxiliary import Auxiliary, Readout
from align.alignment.gradient_ratio import GradientRatio
from align.alignment.mmd import MMD
from align.batch_loss import aligned_samples
from align.data.mixture import weights
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.errors import InputError
from align.module import CotrainingModule
from align.networks import CameraEncoders, ConditionalMLP, ConvEncoder
from align.optimizer import adamw
from align.policy import DiffusionPolicy
from align.sites import SITES


def _policy(**arguments) -> DiffusionPolicy:
    torch.manual_seed(0)
    return DiffusionPolicy(
        ConvEncoder(features=6, width=16, blocks=1),
        partial(ConditionalMLP, horizon=8, width=16, blocks=1),
        NoiseSchedule(prediction="sample"),
        horizon=8,
        n_action_steps=4,
        **arguments,
    )


def _batch(n_sim: int = 5, n_real: int = 3, alpha: float = 0.25) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    n = n_sim + n_real
    return {
        "image": torch.randint(0, 256, (n, 2, 3, 16, 16), generator=g, dtype=torch.uint8),
        "agent_pos": torch.randn(n, 2, 2, generator=g),
        "action": torch.randn(n, 8, 2, generator=g),
        "domain": torch.tensor([Domain.SIM] * n_sim + [Domain.REAL] * n_real),
        "weight": weights(alpha, n_sim, n_real),
        "privileged": torch.cat([torch.randn(n_sim, 3, generator=g), torch.full((n_real, 3), torch.nan)]),
    }


@pytest.fixture
def make(monkeypatch):
    """A module outside a trainer, that keeps what it logs in `logged`."""

    def build(policy=None, step: int = 0, **arguments) -> CotrainingModule:
        module = CotrainingModule(policy or _policy(), **arguments)
        module.logged = {}
        if module.auxiliary is not None:
            module.readout = Readout(module.auxiliary, module.policy.site_sizes()[module.site], 3)
        monkeypatch.setattr(CotrainingModule, "global_step", property(lambda self: step))
        trainer = SimpleNamespace(world_size=1, log_every_n_steps=1)
        monkeypatch.setattr(CotrainingModule, "trainer", property(lambda self: trainer))
        monkeypatch.setattr(CotrainingModule, "global_rank", 0)
        monkeypatch.setattr(CotrainingModule, "log", lambda self, k, v, **_: self.logged.update({k: v}))
        monkeypatch.setattr(CotrainingModule, "log_dict", lambda self, d, **_: self.logged.update(d))
        return module

    return build


def test_loss_is_alpha_real_plus_one_minus_alpha_sim(make, monkeypatch):
    module, batch = make(), _batch(5, 3, alpha=0.25)
    per_sample = torch.arange(8.0)
    monkeypatch.setattr("align.module.denoising_losses", lambda *a: (per_sample.clone(), torch.zeros(8, 4)))
    loss = module.training_step(batch, 0)
    assert float(loss) == pytest.approx(0.25 * per_sample[5:].mean() + 0.75 * per_sample[:5].mean())
    assert float(module.logged["train/real_fraction"]) == 3 / 8
    assert float(module.logged["train/real_weight"]) == pytest.approx(0.25)


@pytest.mark.parametrize("site", SITES)
def test_objective_adds_lambda_times_the_distance_at_the_site(make, site):
    module = make(alignment=MMD(bandwidth=1.0), alignment_weight=2.0, site=site)
    total = float(module.training_step(_batch(), 0).detach())
    logged = {k: float(v) for k, v in module.logged.items()}
    assert total == pytest.approx(logged["train/denoise"] + 2.0 * logged["train/alignment"], rel=1e-5)
    assert logged["train/loss"] == pytest.approx(total) and abs(logged["train/alignment"]) > 1e-6


@pytest.mark.parametrize("scale", [1.0, 1024.0])  # fp16 scales the loss before it goes back
@pytest.mark.parametrize("site", SITES)
def test_gradient_ratio_is_that_of_the_two_terms(make, site, scale):
    module, batch = (
        make(alignment=MMD(bandwidth=1.0), alignment_weight=0.7, site=site, noise_draws=2),
        _batch(),
    )
    kept, at_site = [], module._at_site
    module._at_site = lambda features, hidden: kept.append(at_site(features, hidden)) or kept[-1]
    total = module.training_step(batch, 0)
    (z,) = kept
    both: list[torch.Tensor] = []
    z.register_hook(both.append)
    (scale * total).backward()
    alone = z.detach().requires_grad_()
    distance = 0.7 * module.alignment(*aligned_samples(module.policy, alone, batch))
    (pull,) = torch.autograd.grad(distance, alone)
    denoising = both[0] / scale - pull
    assert module.logged["train/grad_ratio"] == pytest.approx(float(pull.norm() / denoising.norm()), rel=1e-3)


def test_gradient_ratio_at_one_of_several_cameras(make):
    """Denoising reaches it through the features of all cameras, of which it is a part."""
    policy = DiffusionPolicy(
        CameraEncoders(
            {name: ConvEncoder(features=n, width=16, blocks=1) for name, n in {"a": 4, "b": 6}.items()}
        ),
        partial(ConditionalMLP, horizon=8, width=16, blocks=1),
        horizon=8,
        n_action_steps=4,
    )
    batch = _batch()
    batch |= {"image.a": batch["image"], "image.b": batch.pop("image").flip(-1)}
    gradients = []
    for weight in (0.0, 0.7):
        module = make(policy, alignment=MMD(bandwidth=1.0), alignment_weight=weight, site="image.b")
        kept, encode = [], module._encode
        module._encode = lambda *a, kept=kept, encode=encode: kept.append(encode(*a)) or kept[-1]
        (gradient,) = torch.autograd.grad(module.training_step(batch, 0), kept[0].image)
        gradients.append(gradient[:, policy.image_sites["image.b"]])
    pull = (gradients[1] - gradients[0]).norm()
    assert module.logged["train/grad_ratio"] == pytest.approx(float(pull / gradients[0].norm()), rel=1e-3)


def test_the_auxiliary_loss_is_added_and_its_gradient_told_apart(make):
    """With an alignment beside it; against gradients that are taken by themselves."""
    auxiliary = Auxiliary("state", angles=(2,), weight=3.0)
    module, batch = make(alignment=MMD(bandwidth=1.0), alignment_weight=0.7, auxiliary=auxiliary), _batch()
    kept, at_site = [], module._at_site
    module._at_site = lambda features, hidden: kept.append(at_site(features, hidden)) or kept[-1]
    total = module.training_step(batch, 0)
    both: list[torch.Tensor] = []
    kept[0].register_hook(both.append)
    total.backward()
    alone = kept[0].detach().requires_grad_()
    distance = 0.7 * module.alignment(*aligned_samples(module.policy, alone, batch))
    error = 3.0 * module.readout(alone[:5], batch["privileged"][:5])
    pulls = [torch.autograd.grad(term, alone)[0] for term in (distance, error)]
    denoising = (both[0] - sum(pulls)).norm()
    logged = {k: float(v) for k, v in module.logged.items()}
    assert logged["train/grad_ratio"] == pytest.approx(float(pulls[0].norm() / denoising), rel=1e-3)
    assert logged["train/auxiliary_grad_ratio"] == pytest.approx(float(pulls[1].norm() / denoising), rel=1e-3)
    expected = logged["train/denoise"] + 0.7 * logged["train/alignment"] + 3.0 * logged["train/auxiliary"]
    assert float(total.detach()) == pytest.approx(expected, rel=1e-5) == logged["train/loss"]
    assert 3.0 * logged["train/auxiliary"] == pytest.approx(float(error.detach()), rel=1e-5)


def test_image_site_leaves_proprioception_out(make):
    """The pusher's position may differ between domains: that gap is not the encoder's."""
    policy, batch = _policy(), _batch()
    moved = {**batch, "agent_pos": batch["agent_pos"] + 5.0 * batch["domain"][:, None, None]}
    distances = {}
    for site in ("image", "observation"):
        for name, b in (("same", batch), ("moved", moved)):
            module = make(policy, alignment=MMD(bandwidth=1.0), site=site)
            module.training_step(b, 0)
            distances[site, name] = float(module.logged["train/alignment"])
    assert distances["image", "same"] == distances["image", "moved"]
    assert distances["observation", "same"] < distances["observation", "moved"]


def test_lambda_warms_up(make):
    values = [
        make(alignment_weight=0.5, alignment_warmup=10, step=step).alignment_lambda()
        for step in (0, 5, 10, 20)
    ]
    assert values == [0.0, 0.25, 0.5, 0.5]


def test_validation_mmd_is_that_of_the_validation_batches(make):
    module, first, second = make(alignment=MMD(memory=3)), _batch(5, 3), _batch(4, 4)
    module.training_step(_batch(6, 2), 0)
    for i, batch in enumerate((first, second)):
        module.validation_step(batch, i)
    module.on_validation_epoch_end()
    z = [module.ema.model.encode(b["image"], b["agent_pos"]).image for b in (first, second)]
    domain = torch.cat([first["domain"], second["domain"]])
    z = torch.cat(z)
    expected = MMD(bandwidth="median")(z[domain == Domain.SIM], z[domain == Domain.REAL])
    assert float(module.logged["val/mmd2"]) == pytest.approx(float(expected.detach()), abs=1e-6)


def test_a_loss_that_is_not_finite_is_an_error(make):
    module, batch = make(), _batch()
    batch["action"][0] = float("nan")
    with pytest.raises(InputError, match="not finite at step 0"):
        module.training_step(batch, 0)


@pytest.mark.parametrize("averaged", [False, True])
def test_weights_that_are_not_finite_replace_no_checkpoint(make, averaged):
    """A loss may be finite where its gradient is not."""
    module, checkpoint = make(), {}
    module.on_save_checkpoint(checkpoint)
    assert "policy" in checkpoint
    with torch.no_grad():
        next((module.ema.model if averaged else module.policy).parameters()).flatten()[0] = float("inf")
    with pytest.raises(InputError, match=r"weights are not finite at step 0.*the last checkpoint is kept"):
        module.on_save_checkpoint(checkpoint)


@pytest.mark.parametrize(
    "arguments",
    [
        {"alignment_weight": -0.1},
        {"alignment_weight": float("nan")},
        {"site": "pixels"},
        {"noise_draws": 0},
        {"probe_step": 100},
    ],
)
def test_bad_arguments(arguments):
    with pytest.raises(InputError, match=next(iter(arguments))):
        CotrainingModule(_policy(), **arguments)


@pytest.mark.parametrize(
    "arguments", [{"n_image_steps": 3}, {"n_image_steps": -1}, {"n_obs_steps": 6, "n_image_steps": 1}]
)
def test_policy_refuses_steps_that_do_not_fit(arguments):
    with pytest.raises(InputError, match="_steps="):
        _policy(**arguments)


def test_crops_are_random_in_training_and_central_in_use():
    policy = _policy(crop=12)
    image, agent_pos = _batch()["image"], _batch()["agent_pos"]
    plain = policy.encode(image, agent_pos).image
    assert torch.equal(plain, policy.encode(image, agent_pos).image)
    cropped = policy.encode(image, agent_pos, torch.Generator().manual_seed(0)).image
    assert not torch.equal(plain, cropped)


def test_colours_are_jittered_in_training_alone_and_refused_where_there_are_none():
    image, agent_pos = _batch()["image"], _batch()["agent_pos"]
    policy = _policy(color_jitter=0.3)
    plain = policy.encode(image, agent_pos).image
    assert torch.equal(plain, policy.encode(image, agent_pos).image)
    jittered = policy.encode(image, agent_pos, torch.Generator().manual_seed(0)).image
    assert not torch.equal(plain, jittered)
    policy.color_jitter = 0.0
    assert torch.equal(plain, policy.encode(image, agent_pos, torch.Generator().manual_seed(0)).image)
    policy.color_jitter = 0.3
    with pytest.raises(InputError, match=r"color_jitter=0.3: image has 1 channels; expected 3"):
        policy.encode(image[:, :, :1], agent_pos, torch.Generator())


def test_a_ramp_that_a_share_would_undo_is_refused(make):
    with pytest.raises(InputError, match=r"alignment\.ramp=1000: weighting=GradientRatio .*ramp=0"):
        make(alignment=DANN(), weighting=GradientRatio())
    make(alignment=DANN(ramp=0), weighting=GradientRatio())
    make(alignment=DANN(), alignment_weight=0.1)


def test_what_aligns_is_an_objective(make):
    with pytest.raises(InputError, match=r"alignment=Linear: expected a subclass of .*Objective"):
        make(alignment=torch.nn.Linear(2, 1))


@pytest.mark.parametrize("site", ["image", "denoiser"])
@pytest.mark.parametrize("weight", [0.0, 1.0, 1e4])
def test_a_large_alignment_leaves_the_steps_of_what_it_does_not_reach(make, site, weight):
    """The denoiser's gradient is clipped by its own norm, whatever the encoder's is and whatever λ."""
    auxiliary = Auxiliary("state", weight=weight)
    module = make(alignment=DANN(ramp=0), alignment_weight=weight, auxiliary=auxiliary, site=site)
    policy, opponents, readers = module.policy, module._opponents(), module._readers()
    parameters = [*policy.encoder.parameters()], [*policy.denoiser.parameters()], opponents, readers
    optimizer = adamw(policy, opponents, 1e-3, 0.0, readout=readers)
    module.training_step(_batch(), 0).backward()
    before = [[p.grad.clone() for p in part] for part in parameters]
    module.configure_gradient_clipping(optimizer, 1e-3, "norm")
    norms = [_norm(part) for part in before]
    if site == "denoiser":
        norms[:2] = [_norm([*before[0], *before[1]])] * 2
    for part, old, norm in zip(parameters, before, norms, strict=True):
        for parameter, gradient in zip(part, old, strict=True):
            expected = gradient * min(1.0, 1e-3 / max(norm, 1e-12))
            torch.testing.assert_close(parameter.grad, expected, rtol=1e-3, atol=1e-9)


def test_what_is_clipped_is_of_the_optimiser_of_this_training(make):
    module = make()
    module.training_step(_batch(), 0).backward()
    gradients = [p.grad.clone() for p in module.policy.parameters()]
    for optimizer in (adamw(module.policy.denoiser, [], 1e-3, 0.0), adamw(module.policy, [], 1e-3, 0.0)):
        for parameter, gradient in zip(module.policy.parameters(), gradients, strict=True):
            parameter.grad = gradient.clone()
        module.on_train_start()
        module.configure_gradient_clipping(optimizer, 1e-6, "norm")
        trained = {p for group in optimizer.param_groups for p in group["params"]}
        for parameter, gradient in zip(module.policy.parameters(), gradients, strict=True):
            left = parameter not in trained or not gradient.any()
            assert torch.equal(parameter.grad, gradient) == left
    module = make()
    frozen, *others = module.policy.parameters()
    optimizer = torch.optim.SGD(others, lr=1.0)
    for added in (False, True):  # a callback may unfreeze a part and add its group while it trains
        frozen.grad = torch.ones_like(frozen)
        module.configure_gradient_clipping(optimizer, 1e-6, "norm")
        assert torch.equal(frozen.grad, torch.ones_like(frozen)) != added
        optimizer.add_param_group({"params": [frozen]}) if not added else None


def test_the_average_looks_for_weights_anew_as_training_begins(make):
    module = make()
    module.ema.update(module.policy, 0)
    last = list(module.policy.denoiser.modules())[-1]
    owner, name = last, next(iter(dict(last.named_parameters(recurse=False))))
    setattr(owner, name, torch.nn.Parameter(torch.full_like(getattr(owner, name), 5.0)))
    module.on_train_start()
    module.ema.move(module.policy, 1.0)
    assert all(map(torch.equal, module.ema.model.parameters(), module.policy.parameters()))


def _norm(tensors: list[torch.Tensor]) -> float:
    return float(torch.cat([x.flatten() for x in tensors]).norm())
