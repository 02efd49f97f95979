"""The function behind `align export`; its arguments are the options."""

import os
from contextlib import closing
from pathlib import Path
from typing import Any, Literal

from align.domain import Domain
from align.errors import InputError, check_numbers, shown


def export(
    run: str,
    out: str,
    format: Literal["onnx", "lerobot"] = "onnx",
    domain: Domain = Domain.REAL,
    rate: float | None = None,
    cameras: dict[str, str] | None = None,
    trust: list[str] | None = None,
    overwrite: bool = False,
) -> None:
    """Write a trained policy for robots that run something else.

    Args:
        run: A run directory, or a checkpoint.
        out: Folder to write.
        format: onnx: one file of encoder, normaliser and all sampling steps, a manifest, and a program that
            runs it with onnxruntime and NumPy. lerobot: a policy that LeRobot loads, and the plugin for that.
        domain: Where it will act, SIM or REAL: whose stores say how positions and actions are written, and
            what a policy with domain conditioning is told.
        rate: Rate of the demonstrations in Hz, to be told; by default the run's or its stores'.
        cameras: What LeRobot calls the cameras, as {image: front}; by default what the policy does.
        trust: Your own modules or packages whose classes the policy may be made of; their code runs.
        overwrite: Replace an exported policy at `out`. Nothing else is ever replaced.
    """
    check_numbers("(0, 1e6]", rate=rate)
    if Path(out).exists() and not overwrite:
        raise InputError(f"out={out!r} exists; choose another path or --overwrite=true")
    if cameras and format != "lerobot":
        raise InputError(f"cameras={cameras}: expected none for format {format}")
    import torch

    from align.export.lerobot import GRAPH, PLUGIN, write_lerobot_policy
    from align.export.onnx import MANIFEST, need_onnx, write_onnx
    from align.export.unrolled import UnrolledPolicy, check_sampler
    from align.files import atomic_path
    from align.policy import DiffusionPolicy

    if os.path.lexists(out) and not any((Path(out) / name).is_file() for name in (GRAPH, MANIFEST)):
        raise InputError(f"out={out!r} exists; expected an exported policy to replace")
    if format == "onnx":
        need_onnx()
    torch.set_num_threads(1)
    policy = DiffusionPolicy.from_checkpoint(run, trust or ())
    check_sampler(policy)
    told = domain.label if policy.domain_conditioning else None
    about = _about(policy, run, rate, domain) | {"domain": told}
    with atomic_path(out, replace=overwrite) as folder:
        if format == "onnx":
            manifest = write_onnx(folder, UnrolledPolicy(policy, domain), policy, about)
        else:
            manifest = write_lerobot_policy(folder, policy, domain, about, cameras, _fit(run))
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    apart = manifest["difference"]
    print(
        f"{out}: {size / 1e6:.1f} MB; actions differ from the policy's by at most "
        f"{apart['actions']:.1g} ({apart['deviations']:.1g} deviations of the training's), for equal noise"
    )
    if format == "lerobot":
        fps = f" --fps={about['rate_hz']:g}" if about["rate_hz"] else ""
        print(
            f"in LeRobot's environment: pip install {Path(out) / PLUGIN}, then\n"
            f"  lerobot-rollout --policy.path={out}{fps} --robot.type=…\n"
            f"with cameras {', '.join(manifest['cameras']) or 'none'}"
        )


def _fit(run: str) -> str | None:
    """How the run's training resized images; None where it did not."""
    from align.checkpoints.reading import run_of
    from align.run.config import run_config

    data = run_config(run_of(run)).get("data") or {}
    return None if data.get("image_size") is None else data.get("image_fit", "stretch")


def _about(policy: Any, run: str, rate: float | None, domain: Domain) -> dict[str, Any]:
    """What a manifest says of a policy beside its tensors."""
    from align.checkpoints.reading import run_of
    from align.run.config import run_config

    data = run_config(run_of(run)).get("data") or {}
    cameras = {
        camera: {"channels": channels, "height": height, "width": width, "order": "RGB as in training"}
        | {"crop": policy.crop_of(camera), "fit": data.get("image_fit")}
        for camera, (channels, height, width) in policy.expected_images().items()
    }
    forms = {name: policy.written(name, domain) for name in ("action", "agent_pos")}
    steps = ("n_obs_steps", "n_image_steps", "horizon", "n_action_steps")
    return {
        **{name: getattr(policy, name) for name in steps},
        **{f"{name}_dim": written.size for name, written in forms.items()},
        "representation": {name: written.describe() for name, written in forms.items()},
        "rate_hz": _rate(run_of(run), data) if rate is None else rate,
        "cameras": cameras,
        "noise": "standard normal, drawn anew for every chunk",
        "sampling_steps": [step for step, _, _ in policy.schedule.ddim_steps()],
        "guidance_weight": policy.guidance_weight,
    }


def _rate(run: Path, data: dict[str, Any]) -> float | None:
    """The rate that a run's data were brought to, that it was trained at, or what its stores say.

    Of stores there is need where the run does not tell, as older ones.
    """
    from align.data.readers.opening import open_store
    from align.run.config import place_of
    from align.run.layout import SUMMARY
    from align.run.reading import is_there, read_json

    if data.get("rate_hz") is not None:
        return _checked("data.rate_hz of the run", data["rate_hz"])
    summary = read_json(run / SUMMARY) if is_there(run / SUMMARY) else {}
    if summary.get("rate_hz") is not None:
        return _checked(f"{run / SUMMARY}: rate_hz", summary["rate_hz"])
    given = [data.get("real"), data.get("sim")] if data.get("reader") is None else []
    paths = [path for stores in given for path in (stores if isinstance(stores, list) else [stores])]
    places = [place_of(run, path) for path in paths if isinstance(path, str)]
    for path in (place for place in places if place.exists()):
        with closing(open_store(path)) as store:
            rate = store.attrs.get("rate_hz")
        if rate is not None:
            return _checked(f"store {path}: rate_hz", rate)
    return None


def _checked(where: str, rate: Any) -> float:
    if isinstance(rate, list | dict):  # of which it would be each entry
        raise InputError(f"{where}={shown(rate)}: expected a number in (0, 1e6]")
    check_numbers("(0, 1e6]", **{where: rate})
    return float(rate)
