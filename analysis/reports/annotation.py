"""`align annotate`: from which noise level on each sim window can be trusted, with a report.

Real windows are the clean ones and sim windows the corrupt ones. Training takes the result by
`data.gating: {annotation: PATH}`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from align.analysis.statistics.trust import Trust, measure_trust, summary
from align.data.annotation import Annotation, action_digest
from align.data.episodes import Episodes, check_compatible, read_store, split
from align.data.mixture import resolve_alpha
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.diffusion.annotate import Chunks, ClassifierOptions
from align.diffusion.schedule import NoiseSchedule
from align.domain import Domain
from align.errors import InputError
from align.files import write_json


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
    from align.analysis.figures.style import save

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
    result = measure_trust(clean, corrupt, sigmas, options, tau, crop_lengths, seed)
    _annotation(result, windows[Domain.SIM], normalizer, episodes[Domain.SIM]).save(out)
    write_json(Path(out).with_suffix(".json"), summary(result))
    save(annotation_figure(result), Path(out).with_suffix(".png"))
    print(
        f"{out}: σ_min {result.dataset_sigma_min:.3f} of the data set, "
        f"{np.median(result.sigma_min):.3f} of the median window; σ_max {result.sigma_max:.3f}",
        flush=True,
    )
    failed = result.judgement.kept.count(0)
    if failed:
        print(
            f"In {failed} of {options.folds} folds nothing that the classifier learned held for other "
            "episodes: sim is trusted there for want of evidence. Look at the report before using it.",
            flush=True,
        )


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


def _annotation(result: Trust, windows: Windows, normalizer: Normalizer, episodes: Episodes) -> Annotation:
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
