"""Probe of sim versus real of a run's embeddings; see `statistics.probing.probe`."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import get_args

import numpy as np
import pandas as pd
from sklearn.base import ClassifierMixin

from align.analysis.reports.probes.arrays import check_values
from align.analysis.reports.probes.store_probe import probe_stores
from align.analysis.statistics.intervals import LEVEL
from align.analysis.statistics.probing.probe import Embeddings, Kind, SiteProbe, by_layer, probe_site, thin
from align.data.splits import PROBED_EPISODES
from align.domain import Domain
from align.errors import InputError
from align.files import atomic_path, write_json
from align.run.layout import (
    EMBEDDINGS,
    PROBE,
    PROBE_PICTURE,
    PROBE_SCORES,
    PROBE_STEPS_PICTURE,
    title,
)
from align.run.reading import read_arrays
from align.site_names import SITES

COLUMNS = (
    *("domain", "episode", "step", "store", "thumbnail", "action", "chosen", "agent_pos", "state"),
    *("action_error", "denoising_loss"),
)
MAX_WINDOWS = 400  # a domain; windows of an episode are alike, so more add time and little else


def probe_run(run_dir: str | os.PathLike, seed: int = 0, probe: Kind | ClassifierMixin = "both") -> dict:
    """Probe a finished run; writes `probe.json`, `probe_scores.csv` and `probe.png` into it.

    Where a layer was read at two diffusion steps or more, `probe_steps.png` is the AUC against the step.

    Args:
        run_dir: Run directory with `embeddings.npz`: float arrays (N, D) under site names, and
            `domain`, `episode`, `step` (N,); see `align.embeddings`.
        seed: Of folds, controls and bootstraps.
        probe: The classifiers: "linear", "mlp", "both", or any of scikit-learn. Scores and figure are of the
            linear one, if any.

    Returns:
        The content of `probe.json`: {"level", "seed", "codecs": {"sim", "real"}, "sites": {site: {"auc",
        "accuracy", "margin", "mmd2": {"value", "low", "high"}, "shuffled", "real_vs_real", "untrained":
        {...}, "mlp": {"auc", ...}, ...}}}, where what is outside "mlp" is of the linear probe. What a
        classifier of scikit-learn found is below "classifier" instead, and the file says beside "seed" which
        one that was. Where a domain has several stores, "stores" says how each is told from the others; see
        `probe_stores`.

    Raises:
        InputError: No embeddings, too few episodes of a domain, values that are not finite, or no such kind
            of classifier.
    """
    if isinstance(probe, str) and probe not in get_args(Kind):
        raise InputError(f"probe={probe!r}: expected one of {', '.join(get_args(Kind))}, or a classifier")
    from align.analysis.figures.probe import probe_figure  # matplotlib takes a second to load
    from align.analysis.figures.probe_steps import step_figure
    from align.analysis.figures.style import save

    run_dir = Path(run_dir)
    embeddings = load_embeddings(run_dir)
    probes = [probe_site(data, seed, probe) for data in embeddings]
    named = {} if isinstance(probe, str) else {"classifier": str(probe)}
    sites = {p.data.site: p.summary() for p in probes}
    codecs = codecs_of(run_dir)
    result = {"level": LEVEL, "seed": seed, **named, "codecs": codecs, "sites": sites}
    if stores := probe_stores(run_dir, embeddings, seed):
        result["stores"] = stores
    with atomic_path(run_dir / PROBE_SCORES) as path:
        pd.concat([_scores(p) for p in probes]).to_csv(path, index=False, float_format="%.6g")
    save(probe_figure(probes, seed, title(run_dir), codec_note(codecs)), run_dir / PROBE_PICTURE)
    (run_dir / PROBE_STEPS_PICTURE).unlink(missing_ok=True)  # of an earlier probe, of other sites
    if layers := by_layer(probes):
        save(step_figure(layers, title(run_dir)), run_dir / PROBE_STEPS_PICTURE)
    write_json(run_dir / PROBE, result)
    return result


def codecs_of(run_dir: str | os.PathLike) -> dict[str, list[str]]:
    """The lossy codecs that images went through, a line a camera, by domain; empty where none is told."""
    stored = read_arrays(Path(run_dir) / EMBEDDINGS, [f"codec/{d.label}" for d in Domain])
    return {d.label: [str(line) for line in stored.get(f"codec/{d.label}", ())] for d in Domain}


def codec_note(codecs: Mapping[str, Sequence[str]]) -> str:
    """What to say of a probe where codecs of the domains differ; "" where they do not."""
    if codecs[Domain.SIM.label] == codecs[Domain.REAL.label]:
        return ""
    told = "; ".join(f"{label} {', '.join(lines) or 'none'}" for label, lines in codecs.items())
    return f"The images' codecs differ, and a codec alone tells domains apart: {told}"


def load_embeddings(run_dir: str | os.PathLike) -> list[Embeddings]:
    """The embeddings of a run at each of its sites, thinned to `MAX_WINDOWS` windows a domain.

    Raises:
        InputError: As `probe_run`.
    """
    path = Path(run_dir) / EMBEDDINGS
    if not path.is_file():
        raise InputError(f"run_dir={run_dir}: expected a run directory holding {EMBEDDINGS}")
    stored = read_arrays(path)
    missing = {"domain", "episode"} - set(stored)
    found = [name for name in stored if name not in COLUMNS and "/" not in name]
    sites = [site for site in SITES if site in found] + [site for site in found if site not in SITES]
    if missing or not sites:
        raise InputError(
            f"{path}: holds {sorted(stored)}, expected domain, episode and one or more of {SITES}"
        )
    domain, episode = (_labels(path, name, stored[name]) for name in ("domain", "episode"))
    if unknown := sorted(set(domain.tolist()) - set(Domain)):
        raise InputError(f"{path}: domain holds {unknown[0]}; expected {[int(d) for d in Domain]}")
    arrays = {site: stored[site] for site in sites}
    names = {site: f"untrained/{site}" for site in sites}
    initial = {site: stored[name] for site, name in names.items() if name in stored}
    for site, x in (*arrays.items(), *((names[site], x) for site, x in initial.items())):
        _check(path, site, x, domain, episode)
    cluster = np.unique(np.stack([domain, episode]), axis=1, return_inverse=True)[1].ravel()
    row = thin(domain, cluster, MAX_WINDOWS)

    def thinned(x: np.ndarray | None) -> np.ndarray | None:
        return None if x is None else x[row].reshape(len(row), -1).astype(np.float32)

    return [
        Embeddings(site, thinned(x), domain[row], cluster[row], row, thinned(initial.get(site)))
        for site, x in arrays.items()
    ]


def _scores(probe: SiteProbe) -> pd.DataFrame:
    columns = {"site": probe.data.site, "row": probe.data.row, "domain": probe.data.domain}
    scored = probe.main.scored
    columns |= {"episode": probe.data.episode, "fold": scored.fold, "score": scored.score}
    return pd.DataFrame(columns | {"probability": probe.main.probability})


def _labels(path: Path, name: str, values: np.ndarray) -> np.ndarray:
    """Whole numbers (N,) int64."""
    if values.dtype.kind not in "iufb" or values.ndim != 1 or not (values == np.floor(values)).all():
        raise InputError(f"{path}: {name} is {values.dtype} of shape {values.shape}; expected whole numbers")
    return values.astype(np.int64)


def _check(path: Path, site: str, x: np.ndarray, domain: np.ndarray, episode: np.ndarray) -> None:
    check_values(path, site, x)
    if not len(x) == len(domain) == len(episode):
        raise InputError(
            f"{path}: {site} has {len(x)} rows, expected {len(domain)} as in 'domain' and 'episode'"
        )
    counts = {d.label: len(np.unique(episode[domain == d])) for d in Domain}
    if min(counts.values()) < PROBED_EPISODES:
        found = ", ".join(f"{n} {name}" for name, n in counts.items())
        raise InputError(
            f"{path}: {site} has {found} episodes, expected at least {PROBED_EPISODES} of each domain, "
            "held out in training (data.validation)"
        )
