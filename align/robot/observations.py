"""What a policy is shown of a moment: checked, at the size of training, stacked with what came before."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from align.data.images import Fit, fit_images
from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy


def seen_by(
    policy: DiffusionPolicy,
    shown: Mapping[str, np.ndarray],
    n: int,
    source: str,
    fit: Fit | None = None,
    domain: Domain = Domain.REAL,
) -> dict[str, np.ndarray]:
    """What a policy sees of `n` robots or worlds, copied: who shows it may go on to change its arrays.

    Args:
        policy: The policy.
        shown: "agent_pos" (n, P) as the domain's store writes it, and for each of the policy's cameras (n, H,
            W, C) uint8; what else it holds is not looked at.
        n: How many.
        source: Who shows it, for messages.
        fit: How images of another size become the size of training; `None` refuses them.
        domain: Where it acts.

    Raises:
        InputError: Something is missing, or is not as in training.
    """
    wanted = (*policy.cameras, "agent_pos")
    missing = [key for key in wanted if key not in shown]
    if missing:
        raise InputError(f"{source} shows {sorted(shown)}; expected {missing[0]} for this policy")
    seen = {key: np.array(shown[key]) for key in wanted}
    agent_pos = seen["agent_pos"]
    written = policy.written("agent_pos", domain) if hasattr(policy, "written") else None  # one of one's own
    recoded = written is not None and written.recoded
    size = written.size if recoded else policy.agent_pos_dim
    if agent_pos.shape != (n, size) or agent_pos.dtype.kind not in "buif":
        why = "its demonstrations" if recoded else "the policy's agent_pos_dim"
        raise InputError(
            f"{source}: agent_pos has shape {agent_pos.shape} ({agent_pos.dtype}); expected numbers of shape "
            f"({n}, {size}), as {why}"
        )
    if not np.isfinite(agent_pos).all():
        raise InputError(f"{source}: agent_pos holds NaN or infinity; expected finite numbers")
    if recoded and (fault := written.fault(torch.from_numpy(agent_pos.astype(np.float64)))):
        raise InputError(f"{source}: agent_pos {fault}; expected it as in the demonstrations")
    trained_on = policy.expected_images()
    for camera in policy.cameras:
        image = seen[camera]
        if image.ndim != 4 or len(image) != n or image.dtype != np.uint8 or 0 in image.shape:
            raise InputError(
                f"{source}: {camera} is {image.dtype} of shape {image.shape}; expected uint8 ({n}, H, W, C)"
            )
        if camera not in trained_on:  # a policy that was saved before it knew
            continue
        channels, *size = trained_on[camera]
        if fit is not None and image.shape[3] == channels:
            seen[camera] = image = fit_images(image, tuple(size), fit)
        if image.shape[1:] != (*size, channels):
            raise InputError(
                f"{source}: {camera} is {image.shape[1:]}; the policy was trained on {(*size, channels)} "
                "(height, width, channels)"
            )
    return seen


def stacked(history: Sequence[Mapping[str, np.ndarray]], policy: DiffusionPolicy) -> dict[str, Tensor]:
    """The last `n_obs_steps` moments, oldest first, as `DiffusionPolicy.act` takes them, on the CPU."""
    agent_pos = np.stack([seen["agent_pos"] for seen in history], axis=1)
    observation = {"agent_pos": torch.from_numpy(agent_pos).float()}
    for camera in policy.cameras:
        images = np.stack([seen[camera] for seen in list(history)[-policy.n_image_steps :]], axis=1)
        observation[camera] = torch.from_numpy(images).permute(0, 1, 4, 2, 3).contiguous()
    return observation
