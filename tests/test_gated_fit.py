"""Gating and the ambient loss through `align fit`: four arms, resuming, refusals; what a batch brings."""

import itertools
import json
from functools import partial

import numpy as np
import pytest
import torch
from run_weights import last_weights

from align.batch_loss import denoising_losses
from align.cli import main
from align.data.episodes import read_store
from align.data.gating.annotation import Annotation, action_digest
from align.data.gating.batches import GatedBatches
from align.data.gating.fixed_noise import FixedNoise
from align.data.gating.levels import Gating
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.diffusion.ambient import Ambient
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy

SIGMAS = NoiseSchedule().sigmas
LEVEL = 0.303  # between the levels of two diffusion steps


def _arm(loss: str, prediction: str, **more) -> dict:
    schedule = {
        "class_path": "align.diffusion.schedule.NoiseSchedule",
        "init_args": {"prediction": prediction, "inference_steps": 50},
    }
    return {
        "model.ambient": {"loss": loss},
        "model.policy.schedule": schedule,
        "model.noise_draws": 4,
        "data.gating": {"sigma_min": LEVEL},
        **more,
    }


def test_four_arms_train_and_differ(write_config, tmp_path):
    """Restricted denoising and the ambient loss, predicting samples and noise: settings of one objective."""
    weights = {}
    for loss, prediction in itertools.product(("restricted", "ambient"), ("sample", "epsilon")):
        name = f"{loss}-{prediction}"
        config = write_config(name, **_arm(loss, prediction, run=str(tmp_path / name)))
        assert main(["fit", "--config", config]) == 0
        summary = json.loads((tmp_path / name / "summary.json").read_text())
        assert summary["sigma_min"] == LEVEL and summary["denoising"] == loss
        assert np.isfinite(summary["train_denoise"]) and np.isfinite(summary["val_loss_sim"])
        weights[name] = last_weights(tmp_path / name)["policy.denoiser.out.weight"]
        policy = DiffusionPolicy.from_checkpoint(tmp_path / name)
        features = policy.encode(
            torch.zeros(1, 2, 3, 16, 16, dtype=torch.uint8), torch.full((1, 2, 2), 256.0)
        )
        for sampler in ("ddim", "ddpm"):
            policy.schedule.sampler = sampler
            noise, g = torch.zeros(1, 16, 2), torch.Generator().manual_seed(0)
            assert policy.sample(features, torch.full((1, 2, 2), 256.0), noise, g).isfinite().all()
    for a, b in itertools.combinations(weights.values(), 2):
        assert not torch.equal(a, b)


def test_resumed_gated_run_ends_with_the_weights_of_an_uninterrupted_one(write_config, resumed_equals_whole):
    options = _arm("ambient", "sample", **{"checkpoint": {"every": 2}, "model.alignment_weight": 0.5})
    resumed_equals_whole(partial(write_config, **options))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.ambient": {"loss": "ambient"}}, ["ambient", "data.gating"]),
        ({"data.gating": {"sigma_min": 1.5}}, ["sigma_min", "1.5", "[0, 1)"]),
        ({"data.gating": {"sigma_min": 0.99999999}}, ["none of the", "sim windows", "lower"]),
        ({"data.gating": {"annotation": "nowhere.npz"}}, ["nowhere.npz"]),
        ({"data.gating": {}}, ["sigma_min", "annotation"]),
        ({"data.gating": {"sigma_min": 0.3}, "data.alpha": 0.0}, ["no window is admitted"]),
        ({"data.gating": {"sigma_min": 0.3}, "model.ambient": {"buffer": 0.5}}, ["buffer", "0.5"]),
        ({"data.gating": {"sigma_mni": 0.3}}, ["sigma_mni"]),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(changes, words, write_config, refused):
    refused(write_config(**changes), *words)


@pytest.fixture
def windows(stores) -> dict[Domain, Windows]:
    ids = {Domain.SIM: range(6), Domain.REAL: range(4)}
    return {d: Windows(read_store(stores[d.label]), list(ids[d])) for d in Domain}


def _fitted(windows) -> Normalizer:
    return Normalizer(16, 2, 2, relative=True).fit(list(windows.values()), [0.5, 0.5])


def _gated(windows, gating: Gating, draws: int = 4, **more) -> GatedBatches:
    return GatedBatches(gating, windows, _fitted(windows), SIGMAS, 8, draws, 0.5, 0, **more)


def test_a_batch_brings_what_belongs_to_each_window(windows):
    gated = _gated(windows, Gating(sigma_min=LEVEL))
    batch = gated.batch(3)
    sim = batch["domain"] == Domain.SIM
    assert len(batch["action"]) == 8 and 0 < int(sim.sum()) < 8
    assert (SIGMAS[batch["diffusion_steps"][sim]] > LEVEL).all()
    assert torch.equal(batch["sigma_min"], torch.where(sim, LEVEL, 0.0))
    for domain, w in windows.items():
        noise = FixedNoise(w.episodes.lengths, w.episode_ids, 1, 16, 2, 0, domain)
        rows = batch["domain"] == domain
        start = batch["step"][rows] - 1  # "step" is the newest observation's, the second of two
        torch.testing.assert_close(
            batch["fixed_noise"][rows], noise.gather(batch["episode"][rows], start, 16)
        )
    assert torch.equal(batch["draw_weight"], torch.ones(8, 4)) and torch.equal(batch["weight"], torch.ones(8))


def test_overlapping_windows_of_any_step_agree_on_their_noise(windows):
    """Over many training steps: one noise for a timestep of a trajectory."""
    gated, seen = _gated(windows, Gating(sigma_min=LEVEL)), {}
    for step in range(40):
        batch = gated.batch(step)
        keys = zip(batch["domain"].tolist(), batch["episode"].tolist(), batch["step"].tolist(), strict=True)
        for key, noise in zip(keys, batch["fixed_noise"], strict=True):
            for i, row in enumerate(noise):
                assert torch.equal(seen.setdefault((*key[:2], key[2] + i), row), row)
    assert len(seen) < 40 * 8 * 16 / 4  # most were met more than once


def test_the_gated_loss_is_written_out_by_hand(windows):
    """Against a loop over samples and draws with the formulas of the paper."""
    from align.networks import ConditionalMLP, ConvEncoder

    torch.manual_seed(0)
    policy = DiffusionPolicy(
        ConvEncoder(features=6, width=16, blocks=1),
        lambda a, c: ConditionalMLP(a, c, width=16, blocks=1),
        NoiseSchedule(prediction="sample"),
        relative_actions=True,
    )
    policy.normalizer.load_state_dict(_fitted(windows).state_dict())
    torch.nn.init.normal_(policy.denoiser.out.weight)
    ambient = Ambient(weighting="unscaled")
    batch = _gated(windows, Gating(sigma_min=LEVEL), 3, admission=ambient.admission).batch(0)
    features = policy.encode(batch["image"], batch["agent_pos"])
    loss, _ = denoising_losses(policy, features, batch, torch.Generator().manual_seed(5), 3, ambient)
    x0 = policy.normalizer.normalize_action(batch["action"], batch["agent_pos"])
    fresh = torch.randn((24, 16, 2), generator=torch.Generator().manual_seed(5)).view(3, 8, 16, 2)
    for b in range(8):
        losses = []
        for k in range(3):
            t = batch["diffusion_steps"][b, k]
            signal, m = policy.schedule.alphas_cumprod[t].double(), batch["sigma_min"][b].double()
            a_t, a_m, v = signal.sqrt(), (1 - m**2).sqrt(), 1 - signal
            delta = v - m**2
            x_m = a_m * x0[b] + m * batch["fixed_noise"][b]
            x_t = a_t / a_m * x_m + delta.sqrt() / a_m * fresh[k, b]
            target = (v * a_m * x_m - m**2 * a_t * x_t) / delta
            h = policy.denoiser(x_t[None].float(), t[None], features.condition[b : b + 1])[0]
            rho = [s**2 / (1 - s**2) for s in (v.sqrt(), m)]
            losses.append(((rho[0] - rho[1]) / rho[0]) ** 2 * (h - target).square().mean())
        assert float(loss[b]) == pytest.approx(float(sum(losses) / 3), rel=1e-3)


def _annotation(windows: Windows, normalizer: Normalizer, **changes) -> Annotation:
    episode, start = (key.numpy() for key in windows.keys())
    order = np.random.default_rng(0).permutation(len(episode))
    values = {
        "episode": episode[order],
        "start": start[order],
        "sigma_min": (0.2 + 0.01 * episode + 0.001 * start).astype(np.float32)[order],
        "dataset_sigma_min": 0.25,
        "dataset_sigma_max": 0.06,
        "tau": 0.45,
        "ends": windows.episodes.ends,
        "horizon": 16,
        "relative_actions": True,
        "action_std": normalizer.action_std.numpy(),
        "digest": action_digest(windows.episodes),
    }
    return Annotation(**{**values, **changes})


def test_an_annotation_is_found_by_episode_and_start(windows, tmp_path):
    normalizer, path = _fitted(windows), tmp_path / "a.npz"
    _annotation(windows[Domain.SIM], normalizer).save(path)
    gated = _gated(windows, Gating(annotation=str(path)))
    for step in range(10):
        batch = gated.batch(step)
        sim = batch["domain"] == Domain.SIM
        level = (0.2 + 0.01 * batch["episode"] + 0.001 * (batch["step"] - 1))[sim]
        torch.testing.assert_close(batch["sigma_min"][sim], level)
        assert (SIGMAS[batch["diffusion_steps"][sim]] > level[:, None] - 1e-6).all()
    low = _gated(windows, Gating(annotation=str(path), sigma_max="annotation"))
    levels = [SIGMAS[b["diffusion_steps"][b["domain"] == Domain.SIM]] for b in map(low.batch, range(20))]
    assert any((sigma < 0.06).any() for sigma in levels)
    assert not any(((sigma > 0.06) & (sigma < 0.19)).any() for sigma in levels)
    overall = _gated(windows, Gating(annotation=str(path), per_sample=False))
    assert (overall.sigma_min == 0.25).all()
    exclusive = _gated(windows, Gating(annotation=str(path), exclusive=True))
    assert float(exclusive.sigma_min.min()) == 0.25 and exclusive.sigma_min.max() > 0.25


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"ends": np.array([20, 40])}, "store of 2 episodes and 40 frames"),
        ({"horizon": 8}, "horizon=8; the policy has horizon=16"),
        ({"relative_actions": False}, "relative_actions=False"),
        ({"digest": "0" * 32}, "store of other actions"),
        ({"sigma_min": np.full(1, np.nan, np.float32)}, "sigma_min holds NaN or infinity"),
        ({"sigma_min": np.full(1, 0.5, np.float32)}, "do not go together"),
        ({"sigma_min": np.full(1, 0.5j)}, r"sigma_min is complex128 of shape \(1,\)"),
        ({"horizon": np.arange(2)}, r"horizon is int64 of shape \(2,\)"),
        ({"dataset_sigma_min": 1.5}, r"levels that are not in \[0, 1\]"),
        ({"action_std": np.ones((16, 2), np.float32)}, "times differently"),
        (
            {"start": np.zeros(1, int), "episode": np.zeros(1, int), "sigma_min": np.ones(1, np.float32)},
            "lacks",
        ),
    ],
)
def test_an_annotation_of_other_windows_is_refused(windows, tmp_path, changes, words):
    normalizer = _fitted(windows)
    _annotation(windows[Domain.SIM], normalizer, **changes).save(tmp_path / "a.npz")
    with pytest.raises(InputError, match=f"a.npz: .*{words}"):
        _gated(windows, Gating(annotation=str(tmp_path / "a.npz")))


def test_an_annotation_older_than_its_digest_is_read(windows, tmp_path):
    normalizer, path = _fitted(windows), tmp_path / "a.npz"
    _annotation(windows[Domain.SIM], normalizer).save(path)
    with np.load(path) as archive:
        arrays = {name: archive[name] for name in archive.files if name != "digest"}
    np.savez(path, **arrays)
    assert (_gated(windows, Gating(annotation=str(path), per_sample=False)).sigma_min == 0.25).all()
    (tmp_path / "b.npz").write_text("no archive")
    with pytest.raises(InputError, match=r"b\.npz"):
        Annotation.load(tmp_path / "b.npz")
