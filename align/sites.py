"""Where embeddings of a policy are read: named sites, and any of its modules, at any diffusion step.

A site is "image" (image features), "image.NAME" (those of one of several cameras), "observation" (the whole
conditioning vector without the domain's label), "denoiser" (its last hidden layer) or the dotted path of a
module of the policy ("encoder.backbone.0", "denoiser.layers.1"). What lies in the denoiser depends on the
diffusion step: the default one, or that of a suffix ("denoiser@50", "denoiser.layers.1@50").
"""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor

from align.errors import InputError
from align.policy import DiffusionPolicy
from align.site_names import SITES


def own_sites(policy: DiffusionPolicy) -> tuple[str, ...]:
    """The named sites that a policy has: all, or all but "image"; each of several cameras after "image"."""
    return (*SITES[:1], *policy.image_sites, *SITES[1:]) if policy.n_image_steps > 0 else SITES[1:]


@dataclass(frozen=True)
class Site:
    """A place in a policy.

    Attributes:
        name: As the user wrote it.
        path: A named site, or the path of a module.
        step: Diffusion step at which it is read, or None for what does not depend on it.
    """

    name: str
    path: str
    step: int | None


def parse_site(policy: DiffusionPolicy, name: str, probe_step: int) -> Site:
    """The site that `name` means in a policy.

    Args:
        policy: The policy.
        name: See the module's docstring.
        probe_step: Diffusion step of sites in the denoiser that name none.

    Raises:
        InputError: The policy has no such module, or the step does not exist or has no meaning there.
    """
    path, at, suffix = name.partition("@")
    modules = [module for module, _ in policy.named_modules() if module]
    if path == "image" and policy.n_image_steps == 0:
        raise InputError(f"sites: {name!r}: the policy sees no images; expected observation or denoiser")
    named = {*SITES, *policy.image_sites}
    if path not in named and path not in modules:
        near = difflib.get_close_matches(path, modules, n=4, cutoff=0.4) or modules[:4]
        known = ", ".join(own_sites(policy))
        raise InputError(f"sites: {name!r}: expected {known} or a module's path, as {', '.join(near)}")
    if path.split(".")[0] != "denoiser":
        if at:
            raise InputError(
                f"sites: {name!r}: expected no diffusion step, since only the denoiser depends on it"
            )
        return Site(name, path, None)
    steps = policy.schedule.train_steps
    if at and not (suffix.isdecimal() and int(suffix) < steps):
        raise InputError(f"sites: {name!r}: expected a diffusion step from 0 to {steps - 1} behind the @")
    return Site(name, path, int(suffix) if at else probe_step)


@torch.no_grad()
def embed(
    policy: DiffusionPolicy,
    batch: Mapping[str, Tensor],
    sites: Sequence[str] | None,
    generator: torch.Generator,
    probe_step: int = 10,
) -> dict[str, Tensor]:
    """Embeddings of a batch.

    Nothing here reads the batch's domain: a policy with domain conditioning is told "real" of every
    sample, as on a robot, so that no site can hold the label. The denoiser is given the true actions with
    noise, the same noise at every step.

    Args:
        policy: The policy.
        batch: Of each camera (B, Ti, C, H, W) uint8, "agent_pos" (B, To, P) and "action" (B, H, A) in the
            data's units, where the policy is.
        sites: Where to read; see the module's docstring; `None` is `own_sites`. A module's output
            (B · k, ...), e.g. of Ti images a sample, is averaged over space if it has any (dimensions from
            the third of four or more) and flattened otherwise; of a module that runs several times the last
            output is taken.
        generator: Draws the noise.
        probe_step: Diffusion step of sites in the denoiser that name none.

    Returns:
        (B, D) float32 by site.

    Raises:
        InputError: A site does not exist, does not run, or its output is not (B · k, ...).
    """
    sites = own_sites(policy) if sites is None else sites
    wanted = [parse_site(policy, name, probe_step) for name in sites]
    n = len(batch["agent_pos"])
    x0 = policy.normalizer.normalize_action(batch["action"], batch["agent_pos"])
    noise = torch.randn(x0.shape, generator=generator).to(x0)
    with _outputs(policy, [s.path for s in wanted if s.step is None]) as read:
        features = policy.encode(batch, batch["agent_pos"])
        read |= {"image": features.image, "observation": features.observation}
        read |= {name: features.image[:, part] for name, part in policy.image_sites.items()}
    found = {s.name: _rows(s.name, read.get(s.path), n) for s in wanted if s.step is None}
    for step in sorted({s.step for s in wanted if s.step is not None}):
        here = [s for s in wanted if s.step == step]
        with _outputs(policy, [s.path for s in here]) as read:
            steps = torch.full((n,), step, device=x0.device)
            noisy = policy.schedule.add_noise(x0, noise, steps)
            _, read["denoiser"] = policy.denoiser.features(noisy, steps, features.condition)
        found |= {s.name: _rows(s.name, read.get(s.path), n) for s in here}
    return {name: found[name] for name in sites}


@contextmanager
def _outputs(policy: DiffusionPolicy, paths: Sequence[str]) -> Iterator[dict[str, Tensor]]:
    """Collects what the modules at `paths` return, by path; named sites are the caller's."""
    read: dict[str, Tensor] = {}
    with ExitStack() as hooks:
        for path in set(paths) - {*SITES, *policy.image_sites}:
            hook = policy.get_submodule(path).register_forward_hook(
                lambda module, inputs, output, path=path: read.update({path: output})
            )
            hooks.callback(hook.remove)
        yield read


def _rows(name: str, output: object, n: int) -> Tensor:
    """An output (n · k, ...) as (n, D) float32."""
    if output is None:
        raise InputError(f"sites: {name!r}: expected a module that runs when the policy encodes or denoises")
    if not torch.is_tensor(output) or output.dim() < 2 or not len(output) or len(output) % n:
        what = tuple(output.shape) if torch.is_tensor(output) else type(output).__name__
        raise InputError(
            f"sites: {name!r}: its output is {what}; expected a tensor ({n} · k, ...) of {n} samples"
        )
    output = output.flatten(2).mean(-1) if output.dim() > 3 else output
    return output.float().reshape(n, -1)
