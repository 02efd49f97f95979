"""Embeddings at named sites, module paths and diffusion steps; and that no label can be read from them."""

from functools import partial

import pytest
import torch

from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.embeddings import untrained
from align.errors import InputError
from align.networks import ConditionalMLP, ConditionalUnet1D, ConvEncoder
from align.policy import DiffusionPolicy
from align.sites import SITES, embed

PATHS = ("encoder", "encoder.backbone.0", "encoder.pool", "denoiser.condition", "denoiser.layers.0@3")


def make_policy(denoiser=ConditionalMLP, n_image_steps=2, **arguments) -> DiffusionPolicy:
    torch.manual_seed(0)
    sizes = {"width": 16, "blocks": 1, "horizon": 8} if denoiser is ConditionalMLP else {"channels": (8, 16)}
    return DiffusionPolicy(
        ConvEncoder(features=6, width=16, blocks=1),
        partial(denoiser, **sizes),
        NoiseSchedule(train_steps=20, inference_steps=5),
        horizon=8,
        n_action_steps=4,
        n_image_steps=n_image_steps,
        **arguments,
    ).eval()


def make_batch(n: int = 5, n_image_steps: int = 2) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(1)
    return {
        "image": torch.randint(0, 256, (n, n_image_steps, 3, 16, 16), generator=g, dtype=torch.uint8),
        "agent_pos": torch.randn(n, 2, 2, generator=g),
        "action": torch.randn(n, 8, 2, generator=g),
        "domain": torch.arange(n) % 2,
    }


def read(policy, batch, *sites, step=10):
    return embed(policy, batch, sites, torch.Generator().manual_seed(2), step)


def runs(policy, batch, site) -> bool:
    """Whether a module is called as such; a ModuleList is not."""
    try:
        read(policy, batch, site)
    except InputError as error:
        assert "runs" in str(error)
        return False
    return True


def test_named_sites_are_what_encoder_and_denoiser_make():
    policy, batch = make_policy(), make_batch()
    found = read(policy, batch, *SITES)
    features = policy.encode(batch["image"], batch["agent_pos"])
    assert torch.equal(found["image"], features.image)
    assert torch.equal(found["observation"], features.observation)
    x0 = policy.normalizer.normalize_action(batch["action"], batch["agent_pos"])
    noise = torch.randn(x0.shape, generator=torch.Generator().manual_seed(2))
    signal = policy.schedule.alphas_cumprod[10]
    steps = torch.full((5,), 10)
    noisy = signal.sqrt() * x0 + (1 - signal).sqrt() * noise
    hidden = policy.denoiser.features(noisy, steps, features.condition)[1]
    assert torch.allclose(found["denoiser"], hidden)
    assert not found["denoiser"].requires_grad


def test_paths_agree_with_the_modules_called_by_hand():
    policy, batch = make_policy(), make_batch()
    found = read(policy, batch, *PATHS)
    assert torch.equal(found["encoder"], read(policy, batch, "image")["image"])
    frames = batch["image"].flatten(0, 1) / 127.5 - 1  # (B · Ti, C, H, W)
    with torch.no_grad():
        maps = policy.encoder.backbone[0](frames).mean((2, 3))  # averaged over space
        keypoints = policy.encoder.pool(policy.encoder.backbone(frames))
    assert torch.allclose(found["encoder.backbone.0"], maps.view(5, -1), atol=1e-5)
    assert torch.allclose(found["encoder.pool"], keypoints.view(5, -1), atol=1e-5)
    assert all(z.dtype == torch.float32 and len(z) == 5 for z in found.values())


def test_the_layers_of_a_unet_are_read_flat():
    found = read(make_policy(ConditionalUnet1D), make_batch(), "denoiser.last", "denoiser")
    assert torch.equal(found["denoiser.last"], found["denoiser"])  # (B, channels, T), both


def test_a_step_behind_the_site_is_the_default_step_elsewhere():
    policy, batch = make_policy(), make_batch()
    at = read(policy, batch, "denoiser@3", "denoiser", "denoiser.layers.0@3", "denoiser.layers.0", "image")
    three = read(policy, batch, "denoiser", "denoiser.layers.0", "image", step=3)
    assert torch.equal(at["denoiser@3"], three["denoiser"]) and torch.equal(at["image"], three["image"])
    assert torch.equal(at["denoiser.layers.0@3"], three["denoiser.layers.0"])
    assert not torch.equal(at["denoiser"], three["denoiser"])
    assert list(at)[:2] == ["denoiser@3", "denoiser"]  # as asked


@pytest.mark.parametrize("denoiser", [ConditionalMLP, ConditionalUnet1D])
def test_no_site_holds_the_label(denoiser):
    """Bit-identical whatever the batch says of the domain, though the policy would act on it if told."""
    policy, batch = make_policy(denoiser, domain_conditioning=True), make_batch()
    modules = [name for name, _ in policy.named_modules() if name.startswith(("encoder.", "denoiser."))]
    sites = [*SITES, "denoiser@0", *filter(partial(runs, policy, batch), modules)]
    assert {"encoder.head", "encoder.backbone.0"} < set(sites)
    labels = (torch.zeros(5), torch.ones(5), torch.arange(5) % 2)
    first, *others = [read(policy, {**batch, "domain": d.long()}, *sites) for d in labels]
    others.append(read(policy, {k: v for k, v in batch.items() if k != "domain"}, *sites))
    for other in others:
        assert all(torch.equal(z, other[site]) for site, z in first.items())
    told = [
        policy.denoiser.features(
            torch.ones(5, 8, 2),
            torch.full((5,), 10),
            policy.encode(batch["image"], batch["agent_pos"], domain=torch.full((5,), d)).condition,
        )[1]
        for d in Domain
    ]
    assert not torch.allclose(*told)


def test_hooks_are_gone_afterwards():
    policy, batch = make_policy(), make_batch()
    read(policy, batch, "encoder.pool", "denoiser.layers.0")
    with pytest.raises(InputError):
        read(policy, batch, "normalizer", "denoiser.layers")
    assert not any(module._forward_hooks for module in policy.modules())


@pytest.mark.parametrize(
    ("site", "words"),
    [
        ("encoder.backbon.0", ["encoder.backbon.0", "encoder.backbone.0"]),
        ("denoise", ["image, observation, denoiser"]),
        ("image@3", ["image@3", "diffusion step"]),
        ("encoder.pool@3", ["encoder.pool@3", "diffusion step"]),
        ("denoiser@20", ["denoiser@20", "0 to 19"]),
        ("denoiser@-1", ["denoiser@-1", "0 to 19"]),
        ("denoiser@", ["denoiser@", "0 to 19"]),
        ("normalizer", ["normalizer", "runs"]),
        ("denoiser.layers", ["denoiser.layers", "runs"]),
    ],
)
def test_a_site_that_cannot_be_read_is_one_line(site, words):
    with pytest.raises(InputError, match="sites: ") as error:
        read(make_policy(), make_batch(), site)
    assert all(word in str(error.value) for word in words) and "\n" not in str(error.value)


def test_an_output_that_is_no_row_a_sample_is_one_line():
    class Aside(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.transposed, self.several = torch.nn.Identity(), torch.nn.Identity()

        def forward(self, x):
            self.transposed(x.T)
            self.several((x, x))
            return x

    policy = make_policy()
    policy.encoder.head = torch.nn.Sequential(policy.encoder.head, Aside())
    with pytest.raises(InputError, match=r"head\.1\.transposed.*\(6, 14\)"):
        read(policy, make_batch(7), "encoder.head.1.transposed", "image")
    with pytest.raises(InputError, match=r"head\.1\.several.*tuple"):
        read(policy, make_batch(7), "encoder.head.1.several")


def test_an_untrained_policy_has_other_weights_the_same_normaliser_and_follows_from_its_seed():
    policy = make_policy(domain_conditioning=True)
    policy.normalizer.action_mean.fill_(3.0)
    drawn = torch.random.get_rng_state()
    first, again, other = untrained(policy, 0), untrained(policy, 0), untrained(policy, 1)
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert torch.equal(first.normalizer.action_mean, policy.normalizer.action_mean)
    weights = [p.encoder.head.weight for p in (first, again, other, policy)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2]) and not torch.equal(weights[0], weights[3])
    assert read(first, make_batch(), *SITES)["denoiser"].shape == (5, 16)
