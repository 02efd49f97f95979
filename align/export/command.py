"""The function behind `align export`; its arguments are the options."""

from pathlib import Path
from typing import Any, Literal

from align.domain import Domain
from align.errors import InputError, check_numbers


def export(
    run: str,
    out: str,
    format: Literal["onnx"] = "onnx",
    domain: Domain = Domain.REAL,
    rate: float | None = None,
    trust: list[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a trained policy for a robot that has no PyTorch.

    Args:
        run: A run directory, or a checkpoint.
        out: Folder to write: the model, a manifest of what goes in and comes out, and a program that runs it.
        format: onnx, one file of encoder, normaliser and all sampling steps, for onnxruntime and NumPy.
        domain: What a policy with domain conditioning is told: SIM or REAL.
        rate: Rate of the demonstrations in Hz, for the manifest; by default the run's or its stores'.
        trust: Your own modules or packages whose classes the policy may be made of; their code runs.
        overwrite: Replace a folder at `out`.
    """
    check_numbers("(0, 1e6]", rate=rate)
    if Path(out).exists() and not overwrite:
        raise InputError(f"out={out!r} exists; choose another path or --overwrite=true")
    import torch

    from align.export.onnx import need_onnx, write_onnx
    from align.export.unrolled import UnrolledPolicy
    from align.files import atomic_path
    from align.policy import DiffusionPolicy

    need_onnx()
    torch.set_num_threads(1)
    policy = DiffusionPolicy.from_checkpoint(run, trust or ())
    unrolled = UnrolledPolicy(policy, domain)
    about = _about(policy, run, rate) | {"domain": domain.label if policy.domain_conditioning else None}
    with atomic_path(out, replace=overwrite) as folder:
        manifest = write_onnx(folder, unrolled, policy, about)
    apart = manifest["difference"]
    print(
        f"{out}: {manifest['bytes'] / 1e6:.1f} MB; actions differ from the policy's by at most "
        f"{apart['actions']:.1g} ({apart['deviations']:.1g} deviations of the training's), for equal noise"
    )


def _about(policy: Any, run: str, rate: float | None) -> dict[str, Any]:
    """What a manifest says of a policy beside its tensors."""
    from align.checkpoints.reading import run_of
    from align.run.config import run_config

    data = run_config(run_of(run)).get("data") or {}
    cameras = {
        camera: {"channels": channels, "height": height, "width": width, "order": "RGB as in training"}
        | {"crop": policy.crop_of(camera), "fit": data.get("image_fit")}
        for camera, (channels, height, width) in policy.expected_images().items()
    }
    steps = ("n_obs_steps", "n_image_steps", "horizon", "n_action_steps", "action_dim", "agent_pos_dim")
    return {
        **{name: getattr(policy, name) for name in steps},
        "rate_hz": _rate(data) if rate is None else rate,
        "cameras": cameras,
        "noise": "standard normal, drawn anew for every chunk",
        "sampling_steps": [step for step, _, _ in policy.schedule.ddim_steps()],
        "guidance_weight": policy.guidance_weight,
    }


def _rate(data: dict[str, Any]) -> float | None:
    """The rate that a run's data were brought to, or what its stores say if they are there and say it."""
    from align.data.readers.opening import open_store

    if data.get("rate_hz") is not None:
        return float(data["rate_hz"])
    for path in (data.get("real"), data.get("sim")) if data.get("reader") is None else ():
        if path is not None and Path(path).exists():
            store = open_store(path)
            rate = store.attrs.get("rate_hz")
            store.close()
            if rate is not None:
                return float(rate)
    return None
