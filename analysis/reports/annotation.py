"""`align annotate`: from which noise level on each sim window can be trusted, with a report.

Real windows are the clean ones and sim windows the corrupt ones. Training takes the result by
`data.gating: {annotation: PATH}`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from align.data.annotation import Annotation, action_digest
from align.data.episodes import Episodes, check_compatible, read_store, split
from align.data.mixture import resolve_alpha
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.diffusion.annotate import Chunks, ClassifierOptions, judge
from align.diffusion.locality import crops, largest_level
from align.diffusion.schedule import NoiseSchedule
from align.diffusion.thresholds import Judgement, crossing, dataset_threshold, sample_thresholds
from align.domain import Domain
from align.errors import InputError
from align.files import write_json
from align.seeding import torch_generator

TAUS = (0.35, 0.40, 0.425, 0.45, 0.475, 0.49)
"""Thresholds whose σ_min the report compares."""
BINS = 10  # of predicted probability, for the calibration


@dataclass(frozen=True)
class Result:
    """What an annotation found, for its report.

    Attributes:
        judgement: What the classifiers said.
        sigma_min: (N,) level of each sim window.
        dataset_sigma_min: That of all of them together.
        lengths: σ_min of the crops of each length, by length in steps; 0 where they cannot be told apart.
        sigma_max: Level below which sim is trusted, since a denoiser looks at no more than such a crop.
        tau: Threshold τ.
    """

    judgement: Judgement
    sigma_min: np.ndarray
    dataset_sigma_min: float
    lengths: dict[int, float]
    sigma_max: float
    tau: float


def annotate(
    sim: str = "data/sim.zarr",
    real: str = "data/real.zarr",
    out: str = "data/annotation.npz",
    sim_keys: dict[str, str] | None = None,
    real_keys: dict[str, str] | None = None,
    validation: int | float = 0.1,
    max_sim: int | None = None,
    max_real: int | None = None,
    split_seed: int = 0,
    horizon: int = 16,
    n_obs_steps: int = 2,
    n_action_steps: int = 8,
    relative_actions: bool = False,
    step_scale: bool = True,
    alpha: float | None = None,
    train_steps: int = 100,
    beta_schedule: str = "squaredcos_cap_v2",
    observation: Literal["none", "agent_pos"] = "none",
    tau: float = 0.45,
    crop_lengths: tuple[int, ...] | None = None,
    classifier: ClassifierOptions | None = None,
    seed: int = 0,
    threads: int = 1,
) -> None:
    """Find above which noise level each sim window can be trusted, by a classifier of sim versus real.

    Writes the annotation to `out`, and the report beside it as `.png` and `.json`.

    Args:
        sim: Path of the sim demonstrations, the corrupt ones.
        real: Path of the real demonstrations, the clean ones.
        out: Path of the annotation, an `.npz`.
        sim_keys: Names of the sim store's arrays, where they differ from the default.
        real_keys: The same for the real store.
        validation: Held-out episodes per domain, as training's (`data.validation`); they are not looked at.
        max_sim: Sim training demonstrations, as training's.
        max_real: Real training demonstrations, as training's: no more are to be had.
        split_seed: Training's `data.seed`, which says what is held out.
        horizon: As the policy's.
        n_obs_steps: As the policy's.
        n_action_steps: As the policy's.
        relative_actions: As the policy's.
        step_scale: As the policy's.
        alpha: As in training, for the scale of actions; `null` takes the natural share.
        train_steps: Diffusion steps of the policy's schedule.
        beta_schedule: Name of the policy's schedule.
        observation: What the classifier is told beside noisy actions: "none", or proprioception. Images would
            tell the domains apart whatever the actions are.
        tau: Threshold τ on the mean probability of being clean, in (0, 0.5).
        crop_lengths: Lengths in steps of the stretches tried for σ_max; powers of two by default, [] tries
            none.
        classifier: How the classifier is trained and asked.
        seed: Seed of everything that is drawn.
        threads: CPU threads.
    """
    from align.analysis.figures.annotation import annotation_figure  # matplotlib takes a second to load

    if not 0 < tau < 0.5:
        raise InputError(f"tau={tau}: expected a threshold in (0, 0.5); at 0.5 nothing can be told apart")
    if Path(out).suffix != ".npz":
        raise InputError(f"out={out!r}: expected a path that ends in .npz")
    if crop_lengths is None:
        crop_lengths = tuple(2**i for i in range(1, horizon.bit_length()) if 2**i <= horizon)
    for length in crop_lengths:
        if not 1 <= length <= horizon:
            raise InputError(f"crop_lengths: {length}; expected 1 to horizon={horizon}")
    if threads < 1:
        raise InputError(f"threads={threads}: expected 1 or more")
    torch.set_num_threads(threads)
    episodes = {
        Domain.SIM: read_store(sim, keys=sim_keys, images=False),
        Domain.REAL: read_store(real, keys=real_keys, images=False),
    }
    check_compatible(episodes[Domain.SIM], episodes[Domain.REAL])
    windows = {}
    for domain, most in ((Domain.SIM, max_sim), (Domain.REAL, max_real)):
        train, _ = split(episodes[domain], validation, most, split_seed)
        windows[domain] = Windows(
            episodes[domain], train, n_obs_steps, horizon, n_action_steps, n_image_steps=0
        )
    normalizer = _normalizer(windows, alpha, relative_actions, step_scale)
    told = observation == "agent_pos"
    corrupt, clean = (_chunks(windows[d], normalizer, told) for d in (Domain.SIM, Domain.REAL))
    sigmas = NoiseSchedule(train_steps, beta_schedule, inference_steps=1).sigmas
    options = classifier or ClassifierOptions()
    print(f"annotating {len(corrupt.x)} sim windows by {len(clean.x)} real ones", flush=True)
    judgement = judge(clean, corrupt, sigmas, options, seed)
    lengths = {n: _crop_threshold(clean, corrupt, n, sigmas, options, tau, seed) for n in crop_lengths}
    alike = longest_alike(lengths)
    result = Result(
        judgement,
        sample_thresholds(judgement, tau).numpy().astype(np.float32),
        dataset_threshold(judgement, tau),
        lengths,
        largest_level(clean.x, sigmas, alike) if alike else 0.0,
        tau,
    )
    _annotation(result, windows[Domain.SIM], normalizer, episodes[Domain.SIM]).save(out)
    write_json(Path(out).with_suffix(".json"), summary(result))
    annotation_figure(result, Path(out).with_suffix(".png"))
    print(
        f"{out}: σ_min {result.dataset_sigma_min:.3f} of the data set, "
        f"{np.median(result.sigma_min):.3f} of the median window; σ_max {result.sigma_max:.3f}",
        flush=True,
    )
    failed = judgement.kept.count(0)
    if failed:
        print(
            f"In {failed} of {options.folds} folds nothing that the classifier learned held for other "
            "episodes: sim is trusted there for want of evidence. Look at the report before using it.",
            flush=True,
        )


def longest_alike(lengths: Mapping[int, float]) -> int:
    """The longest stretch that, like all shorter ones tried, cannot be told apart; 0 where there is none.

    What can be told apart in short stretches can be in long ones: a classifier that does not is a poor one.

    Args:
        lengths: σ_min of the stretches of each length; 0 where they cannot be told apart.
    """
    alike = 0
    for length, sigma in sorted(lengths.items()):
        if sigma > 0:
            break
        alike = length
    return alike


def summary(result: Result) -> dict:
    """The numbers of the report: thresholds, curves, and how they move with τ and with the checkpoint."""
    judgement = result.judgement
    predicted, observed, error = calibration(judgement)
    quantiles = np.quantile(result.sigma_min, (0.05, 0.25, 0.5, 0.75, 0.95))
    return {
        "tau": result.tau,
        "sigma_min": result.dataset_sigma_min,
        "sigma_min_samples": dict(zip(("5", "25", "50", "75", "95"), quantiles.tolist(), strict=True)),
        "never_trusted": float(np.mean(result.sigma_min >= 1)),
        "kept_steps": judgement.kept,
        "sigma_max": result.sigma_max,
        "crops": {str(length): sigma for length, sigma in result.lengths.items()},
        "sigmas": judgement.sigmas.tolist(),
        "accuracy": judgement.accuracy.tolist(),
        "clean": judgement.corrupt.double().mean(0).tolist(),
        "by_tau": {str(tau): dataset_threshold(judgement, tau) for tau in TAUS},
        "by_checkpoint": [
            {"fold": fold, "step": seen.step, "loss": seen.loss, "sigma_min": sigma}
            for fold, seen, sigma in checkpoints(result)
        ],
        "calibration": {"predicted": predicted.tolist(), "observed": observed.tolist(), "error": error},
    }


def checkpoints(result: Result):
    """(fold, evaluation, σ_min of the data set by it) of every look at a classifier in training."""
    for fold, history in enumerate(result.judgement.histories):
        for seen in history:
            yield fold, seen, float(crossing(result.judgement.sigmas, seen.clean, result.tau))


def calibration(judgement: Judgement) -> tuple[np.ndarray, np.ndarray, float]:
    """How often samples are clean that are said to be so, both domains weighing the same.

    Returns:
        Mean prediction and share of clean ones in each bin that is not empty, and the mean absolute
        difference weighted by the bins' mass.
    """
    p = [judgement.clean_once.double().numpy().ravel(), judgement.corrupt_once.double().numpy().ravel()]
    bins = [np.minimum((x * BINS).astype(int), BINS - 1) for x in p]
    mass = [np.bincount(b, minlength=BINS) / len(b) / 2 for b in bins]
    predicted = sum(np.bincount(b, x, BINS) / len(b) / 2 for b, x in zip(bins, p, strict=True))
    total = mass[0] + mass[1]
    used = total > 0
    predicted, observed = predicted[used] / total[used], mass[0][used] / total[used]
    return predicted, observed, float(np.sum(total[used] * np.abs(predicted - observed)))


def _normalizer(
    windows: Mapping[Domain, Windows], alpha: float | None, relative: bool, step_scale: bool
) -> Normalizer:
    sim, real = windows[Domain.SIM], windows[Domain.REAL]
    share = resolve_alpha(alpha, len(sim), len(real))
    normalizer = Normalizer(sim.horizon, sim.action_dim, sim.agent_pos_dim, relative, step_scale)
    return normalizer.fit([sim, real], [1 - share, share])


def _chunks(windows: Windows, normalizer: Normalizer, told: bool) -> Chunks:
    batch = windows.gather(torch.arange(len(windows)), images=False)
    condition = normalizer.normalize_agent_pos(batch["agent_pos"]).flatten(1)
    return Chunks(
        normalizer.normalize_action(batch["action"], batch["agent_pos"]),
        batch["episode"],
        condition if told else condition[:, :0],
    )


def _crop_threshold(
    clean: Chunks, corrupt: Chunks, length: int, sigmas, options: ClassifierOptions, tau: float, seed: int
) -> float:
    """σ_min of stretches of so many steps, by two classifiers; nothing but the stretch is told."""
    parts = (c._replace(condition=c.condition[:, :0]) for c in (clean, corrupt))
    some = [crops(c, length, torch_generator(seed, f"crops/{i}", length)) for i, c in enumerate(parts)]
    return dataset_threshold(judge(*some, sigmas, replace(options, folds=2), seed), tau)


def _annotation(result: Result, windows: Windows, normalizer: Normalizer, episodes: Episodes) -> Annotation:
    episode, start = windows.keys()
    return Annotation(
        episode=episode.numpy(),
        start=start.numpy(),
        sigma_min=result.sigma_min,
        dataset_sigma_min=result.dataset_sigma_min,
        dataset_sigma_max=result.sigma_max,
        tau=result.tau,
        ends=episodes.ends,
        horizon=windows.horizon,
        relative_actions=normalizer.relative,
        action_std=normalizer.action_std.numpy(),
        digest=action_digest(episodes),
    )
