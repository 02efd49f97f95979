"""What a run keeps for probes and two-sample tests: embeddings of held-out observations, in two files.

`embeddings.npz`: a row a window of a held-out episode, of both domains. `paired.npz`: the same states of
held-out sim episodes as they look in either world, where states of both can be drawn anew.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from align.batch_loss import denoising_losses
from align.checkpoints.description import fresh
from align.datamodule import CotrainingData
from align.domain import Domain
from align.files import atomic_path
from align.policy import DiffusionPolicy
from align.run.layout import EMBEDDINGS, PAIRED
from align.run.opencv import cv2
from align.run.ticking import telling
from align.seeding import derive, torch_generator
from align.sites import embed
from align.worlds.make import pictures_of

BATCH = 128
DRAWS = 4
"""Noise draws a window for its denoising loss."""


def write_embeddings(
    folder: str | os.PathLike,
    policy: DiffusionPolicy,
    data: CotrainingData,
    sites: Sequence[str] | None = None,
    per_domain: int = 1000,
    paired: int = 300,
    thumbnail: int = 32,
    probe_step: int = 10,
    seed: int = 0,
) -> list[Path]:
    """Write `embeddings.npz`, and `paired.npz` where there is something to pair.

    Args:
        folder: Run directory.
        policy: The trained policy, on any device.
        data: Its data, read.
        sites: Where embeddings are read; see `align.sites`; `None` is all named ones.
        per_domain: Number of windows of each domain.
        paired: Number of states that are seen in both worlds.
        thumbnail: Side in pixels of the small image kept beside each embedding.
        probe_step: Diffusion step of sites in the denoiser that name none.
        seed: Of the noise, the policy's own actions and the untrained policy's weights.

    Returns:
        The files written.
    """
    with telling("embedding held-out windows"):
        files = {EMBEDDINGS: collect(policy, data, sites, per_domain, thumbnail, probe_step, seed)}
        files[PAIRED] = collect_paired(policy, data, sites, paired, probe_step, seed)
    with ExitStack() as stack:  # both are whole before either replaces an earlier one
        written = {}
        for name, arrays in files.items():
            if arrays is not None:
                path = Path(folder) / name
                written[path] = stack.enter_context(atomic_path(path))
                np.savez_compressed(written[path], **arrays)
    if files[PAIRED] is None:
        (Path(folder) / PAIRED).unlink(missing_ok=True)
    return list(written)


def collect(
    policy: DiffusionPolicy,
    data: CotrainingData,
    sites: Sequence[str] | None,
    per_domain: int,
    thumbnail: int,
    probe_step: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """The arrays of `embeddings.npz`; arguments as in `write_embeddings`.

    Returns:
        SITE and `untrained/SITE` (N, D), the latter of a policy with initial weights and the same
        normaliser; `action` (N, H · A), the demonstrated actions, and `chosen`, the policy's own, both on the
        scale the denoiser sees; `action_error` and `denoising_loss` (N,), how well it does on each window;
        `agent_pos` (N, P) and `state` (N, S), newest, in the data's units, `state`
        only where both stores hold one of the same size; `codec/DOMAIN`, the lossy codecs that images
        went through, a line a camera; `domain`, `episode`, `step` (N,); `store` (N,), the name of the store
        that each window is of, whose episodes are numbered behind those of the domain's stores before it;
        `thumbnail` where there are images.
    """
    initial = untrained(policy, seed)
    parts = []
    for index, batch in enumerate(data.held_out_batches(per_domain, BATCH)):
        there = {key: value.to(policy.device) for key, value in batch.items()}
        part: dict[str, Tensor] = {}
        for prefix, model in (("", policy), ("untrained/", initial)):
            noise = torch_generator(seed, "embed", index)
            found = embed(model, there, sites, noise, probe_step)
            part |= {f"{prefix}{site}": z for site, z in found.items()}
        chosen = _chosen(policy, there, seed, index)
        for name, actions in (("action", there["action"]), ("chosen", chosen)):
            part[name] = policy.normalizer.normalize_action(actions, there["agent_pos"]).flatten(1)
        part |= _held_out(policy, there, chosen, seed, index)
        part |= {"agent_pos": batch["agent_pos"][:, -1]}
        part |= {key: batch[key] for key in ("domain", "episode", "step")}
        if policy.cameras:  # the first stands for all
            part["thumbnail"] = _shrink(batch[policy.cameras[0]][:, -1], thumbnail)
        parts.append({key: value.cpu() for key, value in part.items()})
    arrays = {key: torch.cat([part[key] for part in parts]).numpy() for key in parts[0]}
    arrays["action_error"] = _unexplained(
        arrays.pop("action_square"), arrays.pop("actions"), arrays["domain"]
    )
    arrays["store"] = data.stores_of(arrays["domain"], arrays["episode"])
    held_out = (data.held_out[domain] for domain in Domain)
    states = [windows.states(windows.spread(per_domain)) for windows in held_out]
    if all(s is not None and s.shape[2] == states[0].shape[2] for s in states):
        arrays["state"] = torch.cat(states)[:, -1].numpy()
    for domain in Domain:
        codecs = data.held_out[domain].episodes.codecs.items()
        told = [f"{camera}: {codec}" for camera, codec in codecs if codec is not None]
        arrays[f"codec/{domain.label}"] = np.array(told, "U")
    return arrays


def collect_paired(
    policy: DiffusionPolicy,
    data: CotrainingData,
    sites: Sequence[str] | None,
    states: int,
    probe_step: int,
    seed: int,
) -> dict[str, np.ndarray] | None:
    """The arrays of `paired.npz`; arguments as in `write_embeddings`.

    Only the images differ between the two worlds: position, actions, noise and the seed of an episode's
    lighting are the same.

    Returns:
        `sim/SITE` and `real/SITE` (M, D), `episode` (M,), `state` (M, 5), newest. None where `states` is 0 or
        the states of either store cannot be drawn anew, as those of pushing worlds can, in square RGB images.
    """
    windows = data.held_out[Domain.SIM]
    rows = windows.spread(states)
    found = windows.states(rows)
    if not len(rows) or policy.cameras != ("image",) or found is None:
        return None
    height, *rest = windows.episodes.image.shape[1:]
    if rest != [height, 3]:
        return None
    drawn = {d: pictures_of(data.held_out[d].episodes.attrs, found.shape[2]) for d in Domain}
    if None in drawn.values():
        return None
    parts = []
    for index, chosen in enumerate(rows.split(BATCH)):
        batch = windows.gather(chosen)
        seen = windows.states(chosen)[:, -windows.n_image_steps :].numpy()
        lights = [int(derive(seed, "paired", e).generate_state(1)[0]) for e in batch["episode"].tolist()]
        part: dict[str, Tensor] = {"episode": batch["episode"]}
        for domain, draw in drawn.items():
            images = draw(seen, height, lights)
            batch["image"] = torch.from_numpy(images).permute(0, 1, 4, 2, 3)
            there = {key: value.to(policy.device) for key, value in batch.items()}
            noise = torch_generator(seed, "embed paired", index)
            embedded = embed(policy, there, sites, noise, probe_step)
            part |= {f"{domain.label}/{site}": z.cpu() for site, z in embedded.items()}
        parts.append(part)
    arrays = {key: torch.cat([part[key] for part in parts]).numpy() for key in parts[0]}
    return arrays | {"state": found[:, -1].numpy()}


def untrained(policy: DiffusionPolicy, seed: int) -> DiffusionPolicy:
    """A policy of the same architecture and normaliser at initial weights, which follow from `seed`."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(torch_generator(seed, "untrained").initial_seed())
        initial = fresh(policy)
    initial.normalizer.load_state_dict(policy.normalizer.state_dict())
    return initial.to(policy.device).eval().requires_grad_(False)


@torch.no_grad()
def _held_out(
    policy: DiffusionPolicy, batch: Mapping[str, Tensor], chosen: Tensor, seed: int, index: int
) -> dict[str, Tensor]:
    """How well a policy does on held-out windows, by which policies are compared where there is no world.

    Returns:
        `denoising_loss` (B,), the mean over noise draws, on the scale the denoiser sees; `action_square`
        (B, A), squared differences of its own actions to the demonstrated ones, means over steps; `actions`
        (B, H, A), the latter, in the data's units.
    """
    features = policy.encode(batch, batch["agent_pos"], domain=batch["domain"])
    generator = torch_generator(seed, "held out", index)
    loss, _ = denoising_losses(policy, features, batch, generator, DRAWS)
    return {
        "denoising_loss": loss,
        "action_square": (chosen - batch["action"]).square().mean(1),
        "actions": batch["action"],
    }


def _unexplained(square: np.ndarray, actions: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Squared errors as shares of the variance of held-out actions, so that units do not matter. (N,)

    0 is perfect, 1 as good as always their mean; means over what varies among the A entries of an action. The
    variance is that of a domain's held-out demonstrations: the same for all policies that are tested on them.

    Args:
        square: (N, A) squared errors.
        actions: (N, H, A) demonstrated actions.
        domain: (N,) of each window.
    """
    error = np.zeros(len(square))
    for d in np.unique(domain):
        rows = domain == d
        variance = actions[rows].astype(np.float64).reshape(-1, actions.shape[2]).var(0)
        moves = variance > 1e-12 * max(variance.max(), 1e-300)
        error[rows] = (square[rows][:, moves] / variance[moves]).mean(1) if moves.any() else 0.0
    return error.astype(np.float32)


def _chosen(policy: DiffusionPolicy, batch: Mapping[str, Tensor], seed: int, index: int) -> Tensor:
    """The policy's own actions (B, H, A) in the data's units; where it is told a domain, real."""
    generator = torch_generator(seed, "chosen", index)
    noise = torch.randn(batch["action"].shape, generator=generator).to(batch["action"])
    features = policy.encode(batch, batch["agent_pos"])
    return policy.sample(features, batch["agent_pos"], noise, generator)


def _shrink(images: Tensor, side: int) -> Tensor:
    """(B, C, H, W) uint8 → (B, s, s, 3) uint8, what can be shown of them; s is `side`, but never enlarges."""
    side = min(side, *images.shape[-2:])
    frames = images.permute(0, 2, 3, 1).cpu().numpy()
    frames = np.repeat(frames, 3, -1) if frames.shape[-1] == 1 else frames[..., :3]  # grey; without alpha
    shrunk = [cv2.resize(f, (side, side), interpolation=cv2.INTER_AREA) for f in frames]
    return torch.from_numpy(np.stack(shrunk))
