"""`align annotate`: from which noise level on each sim window can be trusted, with a report.

Real windows are the clean ones and sim windows the corrupt ones, of the demonstrations that training sees and
as its policy sees them: `--config` takes the configuration of `align fit`. Training takes the result by
`data.gating: {annotation: PATH}`.
"""

from pathlib import Path
from typing import Literal

import numpy as np
import torch

from align.analysis.statistics.trust import Trust, measure_trust, summary
from align.data.annotation import Annotation, action_digest
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.datamodule import CotrainingData
from align.diffusion.annotate import ClassifierOptions, Sequences
from align.domain import Domain
from align.errors import InputError
from align.files import write_json
from align.policy import DiffusionPolicy


def annotate(
    data: CotrainingData | None = None,
    policy: DiffusionPolicy | None = None,
    out: str = "data/annotation.npz",
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
        data: Training's data, sim the corrupt ones and real the clean: `align fit`'s `data`. What it holds
            out is not looked at, nor how it draws batches.
        policy: The policy that is to be trained, for its windows, scales and noise levels: `model.policy`.
        out: Path of the annotation, an `.npz`.
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
    data = CotrainingData() if data is None else data
    policy = DiffusionPolicy() if policy is None else policy
    horizon = policy.horizon
    if crop_lengths is None:
        crop_lengths = tuple(2**i for i in range(1, horizon.bit_length()) if 2**i <= horizon)
    for length in crop_lengths:
        if not 1 <= length <= horizon:
            raise InputError(f"crop_lengths: {length}; expected 1 to horizon={horizon}")
    if threads < 1:
        raise InputError(f"threads={threads}: expected 1 or more")
    torch.set_num_threads(threads)
    data.load(policy, n_image_steps=0)
    told, normalizer = observation == "agent_pos", data.normalizer
    corrupt, clean = (_sequences(data.train[d], normalizer, told) for d in (Domain.SIM, Domain.REAL))
    sigmas, options = policy.schedule.sigmas, classifier or ClassifierOptions()
    print(f"annotating {len(corrupt.x)} sim windows by {len(clean.x)} real ones", flush=True)
    result = measure_trust(clean, corrupt, sigmas, options, tau, crop_lengths, seed)
    _annotation(result, data.train[Domain.SIM], normalizer).save(out)
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


def _sequences(windows: Windows, normalizer: Normalizer, told: bool) -> Sequences:
    batch = windows.gather(torch.arange(len(windows)), images=False)
    condition = normalizer.normalize_agent_pos(batch["agent_pos"]).flatten(1)
    return Sequences(
        normalizer.normalize_action(batch["action"], batch["agent_pos"]),
        batch["episode"],
        condition if told else condition[:, :0],
    )


def _annotation(result: Trust, windows: Windows, normalizer: Normalizer) -> Annotation:
    episode, start = windows.keys()
    return Annotation(
        episode=episode.numpy(),
        start=start.numpy(),
        sigma_min=result.sigma_min,
        dataset_sigma_min=result.dataset_sigma_min,
        dataset_sigma_max=result.sigma_max,
        tau=result.tau,
        ends=windows.episodes.ends,
        horizon=windows.horizon,
        relative_actions=normalizer.relative,
        action_std=normalizer.action_std.numpy(),
        digest=action_digest(windows.episodes),
    )
