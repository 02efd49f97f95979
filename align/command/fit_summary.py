"""What a run that was trained says of itself: its summary, and what may come next."""

import shlex
from pathlib import Path

from align.alignment.weighting import Fixed
from align.callbacks.progress import Progress
from align.datamodule import CotrainingData
from align.domain import Domain
from align.module import CotrainingModule
from align.run.layout import LAST_CHECKPOINT, SUMMARY


def summary(module: CotrainingModule, data: CotrainingData, progress: Progress, step: int) -> dict:
    """What `summary.json` holds: how the run was trained, and the last value of every metric.

    Args:
        module, data: What was trained, on what.
        progress: Saw the metrics of all processes, also before the run was resumed.
        step: The last one.
    """
    weighting = module.weighting
    found = {
        "lambda": _last_lambda(module, progress, step),
        "seed": module.seed,
        "alpha": data.real_alpha,
        "site": module.site,
        "method": type(module.alignment).__name__,
        "domain_conditioning": module.policy.domain_conditioning,
        "guidance_weight": module.policy.guidance_weight,
        "steps": step,
        "real_demos": data.train[Domain.REAL].n_episodes,
        "sim_demos": data.train[Domain.SIM].n_episodes,
        "training_seconds": round(progress.seconds_trained, 1),
    }
    rates = (data.train[domain].episodes.attrs.get("rate_hz") for domain in (Domain.REAL, Domain.SIM))
    if (rate := next((rate for rate in rates if rate is not None), None)) is not None:
        found["rate_hz"] = float(rate)
    if data.gated is not None:
        loss = "restricted" if module.ambient is None else module.ambient.loss
        found |= {"sigma_min": data.gated.dataset_sigma_min, "denoising": loss}
    if not isinstance(weighting, Fixed):
        found["weighting"] = type(weighting).__name__
        found |= {name: float(value) for name, value in weighting.logs().items()}
    if module.auxiliary is not None:
        told = module.auxiliary
        found |= {"auxiliary": told.targets, "auxiliary_weight": told.weight}
        found |= {"auxiliary_schedule": told.schedule, "auxiliary_steps": told.steps}
    return found | {name.replace("/", "_"): value for name, value in sorted(progress.metrics.items())}


def _last_lambda(module: CotrainingModule, progress: Progress, step: int) -> float:
    """λ of the last step, which is logged; where λ is learnt, the weighting has gone on since then.

    Where something ended the training before, that of the last step that was logged.
    """
    weight, logged = module.lambda_at(max(step - 1, 0)), progress.metrics.get("train/lambda")
    return float(weight) if isinstance(weight, float | int) or logged is None else logged


def what_next(run_dir: Path, step: int, verdict: str | None = None) -> str:
    """The lines that `align fit` ends with; the verdict is the weighting's."""
    run, told = shlex.quote(str(run_dir)), f"  {verdict}\n" if verdict else ""
    return (
        f"{run_dir}: trained to step {step}; policy in {LAST_CHECKPOINT}, losses in {SUMMARY}\n{told}"
        f"  align probe {run}: can sim and real be told apart in it?\n"
        f"  align rollout {run} --world WORLD: how does it do in a world?\n"
        f"  tensorboard --logdir {run}: how did training go?"
    )
