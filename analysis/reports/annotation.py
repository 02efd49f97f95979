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
from align.data.gating.annotation import Annotation, action_digest
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.datamodule import CotrainingData
from align.diffusion.annotate import ClassifierOptions, Sequences, fast_part
from align.domain import Domain
from align.errors import JOBS, SEED, InputError, check_numbers
from align.files import check_writable, write_json
from align.policy import DiffusionPolicy
from align.run.ticking import telling


def annotate(
    data: CotrainingData | None = None,
    policy: DiffusionPolicy | None = None,
    out: str = "data/annotation.npz",
    observation: Literal["none", "agent_pos"] = "none",
    tau: float = 0.45,
    crop_lengths: tuple[int, ...] | None = None,
    detrend: int | None = None,
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
        detrend: Judge by the fast part of a window alone: polynomials in time of this degree are taken out of
            its actions first. Windows of sim and real differ also in where they go, how fast and how
            straight; 1 leaves that out, and what is left is how jagged they are. No stretches are tried for
            σ_max then.
        classifier: How the classifier is trained and asked.
        seed: Seed of everything that is drawn.
        threads: CPU threads.
    """
    from align.analysis.figures.annotation import annotation_figure  # matplotlib takes a second to load
    from align.analysis.figures.style import save

    check_numbers("(0, 0.5)", tau=tau)  # at 0.5 nothing can be told apart
    check_numbers(SEED, whole=True, seed=seed)
    check_numbers(JOBS, whole=True, threads=threads)
    if Path(out).suffix != ".npz":
        raise InputError(f"out={out!r}: expected a path that ends in .npz")
    check_writable(out)
    data = CotrainingData() if data is None else data
    policy = DiffusionPolicy() if policy is None else policy
    horizon = policy.horizon
    check_numbers(f"[0, {horizon - 2}]", whole=True, detrend=detrend)  # a degree
    if detrend is not None and crop_lengths:
        raise InputError(f"detrend={detrend}: has no stretches to try; expected crop_lengths=[]")
    if crop_lengths is None and detrend is not None:
        crop_lengths = ()
    if crop_lengths is None:
        crop_lengths = tuple(2**i for i in range(1, horizon.bit_length()) if 2**i <= horizon)
    check_numbers(f"[1, {horizon}]", whole=True, crop_lengths=crop_lengths)
    torch.set_num_threads(threads)
    data.load(policy, n_image_steps=0)
    told, normalizer = observation == "agent_pos", data.normalizer
    corrupt, clean = (
        _sequences(data.train[d], normalizer, told, detrend, d) for d in (Domain.SIM, Domain.REAL)
    )
    sigmas, options = policy.schedule.sigmas, classifier or ClassifierOptions()
    print(f"annotating {len(corrupt.x)} sim windows by {len(clean.x)} real ones", flush=True)
    with telling("annotating"):
        result = measure_trust(clean, corrupt, sigmas, options, tau, crop_lengths, seed)
    _annotation(result, data.train[Domain.SIM], normalizer).save(out)
    write_json(Path(out).with_suffix(".json"), summary(result))
    save(annotation_figure(result, Path(out).stem), Path(out).with_suffix(".png"))
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


def _sequences(
    windows: Windows, normalizer: Normalizer, told: bool, detrend: int | None, domain: Domain
) -> Sequences:
    """Of the windows that are not padded: repeated frames would tell how long episodes are."""
    rows = windows.whole().nonzero().squeeze(1)
    if not len(rows):
        raise InputError(
            f"{domain.label}: no episode has the {windows.horizon} steps of the horizon; expected some, "
            "since padded windows are not judged"
        )
    if normalizer.relative_dims and not normalizer.all_relative:
        raise InputError(
            f"policy.relative_actions={normalizer.relative!r}: expected true or false, as annotations keep "
            "no more of it"
        )
    batch = windows.gather(rows, images=False)
    condition = normalizer.normalize_agent_pos(batch["agent_pos"]).flatten(1)
    x = normalizer.normalize_action(batch["action"], batch["agent_pos"])
    x = x if detrend is None else fast_part(x, detrend, normalizer.action_std)
    return Sequences(x, batch["episode"], condition if told else condition[:, :0])


def _annotation(result: Trust, windows: Windows, normalizer: Normalizer) -> Annotation:
    """A padded window has the level of the nearest one in its episode that is not, or else the data set's."""
    episode, start = windows.keys()
    return Annotation(
        episode=episode.numpy(),
        start=start.numpy(),
        sigma_min=_of_all(result, windows),
        dataset_sigma_min=result.dataset_sigma_min,
        dataset_sigma_max=result.sigma_max,
        tau=result.tau,
        ends=windows.episodes.ends,
        horizon=windows.horizon,
        relative_actions=normalizer.all_relative,
        action_std=normalizer.action_std.numpy(),
        digest=action_digest(windows.episodes),
    )


def _of_all(result: Trust, windows: Windows) -> np.ndarray:
    """σ_min (n,) of all windows."""
    whole, episode = windows.whole().numpy(), windows.keys()[0].numpy()
    sigma_min = np.full(len(whole), result.dataset_sigma_min, np.float32)
    for rows in np.split(np.arange(len(whole)), np.flatnonzero(np.diff(episode)) + 1):
        judged = rows[whole[rows]]
        if len(judged):
            level = result.sigma_min[np.searchsorted(np.flatnonzero(whole), judged)]
            sigma_min[rows] = level[np.clip(rows - judged[0], 0, len(judged) - 1)]
    return sigma_min
