"""Probe of sim versus real: can a classifier, linear or a perceptron, tell the domains from an embedding?

Every held-out episode is scored exactly once, by a classifier that saw no window of it: grouped
cross-validation, stratified by domain. Inside each training fold the features are standardised and the
regularisation is chosen by another split by episode. Two controls go through the same procedure: domain
labels shuffled over episodes, and real episodes split at random into two halves. Both should come out near
an AUC of 0.5; where they do not, the probe is not to be trusted. A third, where the run kept it, is the
embedding of an untrained policy: what tells the domains apart before any training.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import pandas as pd

from align.analysis.statistics.cross_validation import cross_validate
from align.analysis.statistics.discrimination import Scored, bootstrap
from align.analysis.statistics.intervals import LEVEL, Interval, percentile
from align.analysis.statistics.two_sample import mmd2
from align.domain import Domain
from align.errors import InputError
from align.files import atomic_path, write_json
from align.run.layout import EMBEDDINGS, PROBE, PROBE_PICTURE, PROBE_SCORES, PROBE_STEPS_PICTURE
from align.seeding import numpy_rng

SITES = ("image", "observation", "denoiser")  # first in every report, in this order
COLUMNS = ("domain", "episode", "step", "thumbnail", "action", "chosen", "agent_pos", "state")
Kind = Literal["linear", "mlp", "both"]
CONTROL_REPEATS = {"linear": 3, "mlp": 1}  # a perceptron takes longer
MIN_EPISODES = 4  # a domain; fewer leave no honest split
MAX_WINDOWS = 400  # a domain; windows of an episode are alike, so more add time and little else
STATISTICS = ("auc", "accuracy", "margin")


@dataclass(frozen=True)
class Embeddings:
    """Held-out windows at one site; arrays are (N, ...).

    Attributes:
        site: Where the embedding was taken, e.g. "image".
        x: (N, D) float32.
        domain: (N,) of `Domain`.
        episode: (N,) episode numbers, distinct across domains.
        row: (N,) positions in `embeddings.npz`.
        untrained: (N, D) float32 at the same site of an untrained policy, or None where the run kept none.
    """

    site: str
    x: np.ndarray
    domain: np.ndarray
    episode: np.ndarray
    row: np.ndarray
    untrained: np.ndarray | None = None


@dataclass(frozen=True)
class Classified:
    """What one kind of classifier found: intervals by statistic, the same of the controls, and the scores."""

    scored: Scored
    probability: np.ndarray  # (N,) of real, out of fold
    statistics: dict[str, Interval]  # "auc", "accuracy", "margin"
    shuffled: dict[str, Interval]
    real_vs_real: dict[str, Interval]
    untrained: dict[str, Interval] | None
    chosen: list[float]  # C, or steps of training, in each fold

    def summary(self, chosen: str) -> dict:
        """The numbers of `probe.json`; `chosen` says what was."""
        controls = {"shuffled": self.shuffled, "real_vs_real": self.real_vs_real, "untrained": self.untrained}
        found = {name: _numbers(control) for name, control in controls.items() if control is not None}
        return {**_numbers(self.statistics), **found, chosen: self.chosen}


@dataclass(frozen=True)
class SiteProbe:
    """What the probes found at one site."""

    data: Embeddings
    distance: Interval  # MMD^2
    bandwidth: float  # squared, of the MMD's kernel
    linear: Classified | None
    mlp: Classified | None

    @property
    def main(self) -> Classified:
        """The one that is shown: the linear probe, if there is one."""
        return self.linear or self.mlp

    @property
    def scored(self) -> Scored:
        """Out-of-fold scores of the one that is shown."""
        return self.main.scored

    @property
    def statistics(self) -> dict[str, Interval]:
        """ "auc", "accuracy" and "margin" of the one that is shown, and "mmd2"."""
        return self.main.statistics | {"mmd2": self.distance}

    def summary(self) -> dict:
        """The numbers of `probe.json`."""
        counts = {
            d.label: {
                "episodes": len(np.unique(self.data.episode[self.data.domain == d])),
                "windows": int(np.sum(self.data.domain == d)),
            }
            for d in Domain
        }
        return {
            "dimensions": self.data.x.shape[1],
            **counts,
            **(self.linear.summary("C") if self.linear else {}),
            **_numbers({"mmd2": self.distance}),
            "mmd2_bandwidth": self.bandwidth,
            **({"mlp": self.mlp.summary("steps")} if self.mlp else {}),
        }


def probe_run(run_dir: str | os.PathLike, seed: int = 0, kind: Kind = "both") -> dict:
    """Probe a finished run; writes `probe.json`, `probe_scores.csv` and `probe.png` into it.

    Where a layer was read at two diffusion steps or more, `probe_steps.png` is the AUC against the step.

    Args:
        run_dir: Run directory with `embeddings.npz`: float arrays (N, D) under site names, and
            `domain`, `episode`, `step` (N,); see `align.embeddings`.
        seed: Of folds, controls and bootstraps.
        kind: The classifiers: "linear", "mlp" or "both". Scores and figure are of the linear one, if any.

    Returns:
        The content of `probe.json`: {"level", "seed", "sites": {site: {"auc", "accuracy", "margin",
        "mmd2": {"value", "low", "high"}, "shuffled", "real_vs_real", "untrained": {...}, "mlp": {"auc",
        ...}, ...}}}, where what is outside "mlp" is of the linear probe.

    Raises:
        InputError: No embeddings, too few episodes of a domain, values that are not finite, or no such kind.
    """
    if kind not in get_args(Kind):
        raise InputError(f"probe={kind!r}: expected one of {', '.join(get_args(Kind))}")
    from align.analysis.figures.probe import probe_figure  # matplotlib takes a second to load
    from align.analysis.figures.probe_steps import by_layer, step_figure

    run_dir = Path(run_dir)
    probes = [probe_site(data, seed, kind) for data in load_embeddings(run_dir, seed)]
    result = {"level": LEVEL, "seed": seed, "sites": {p.data.site: p.summary() for p in probes}}
    with atomic_path(run_dir / PROBE_SCORES) as path:
        pd.concat([_scores(p) for p in probes]).to_csv(path, index=False, float_format="%.6g")
    probe_figure(probes, run_dir / PROBE_PICTURE, seed)
    (run_dir / PROBE_STEPS_PICTURE).unlink(missing_ok=True)  # of an earlier probe, of other sites
    if layers := by_layer(probes):
        step_figure(layers, run_dir / PROBE_STEPS_PICTURE)
    write_json(run_dir / PROBE, result)
    return result


def load_embeddings(run_dir: str | os.PathLike, seed: int = 0) -> list[Embeddings]:
    """The embeddings of a run at each of its sites, thinned to `MAX_WINDOWS` windows a domain.

    Raises:
        InputError: As `probe_run`.
    """
    path = Path(run_dir) / EMBEDDINGS
    if not path.is_file():
        raise InputError(f"run_dir={run_dir}: expected a run directory holding {EMBEDDINGS}")
    with np.load(path, allow_pickle=False) as archive:
        missing = {"domain", "episode"} - set(archive.files)
        found = [name for name in archive.files if name not in COLUMNS and "/" not in name]
        sites = [site for site in SITES if site in found] + [site for site in found if site not in SITES]
        if missing or not sites:
            raise InputError(
                f"{path}: holds {sorted(archive.files)}, expected domain, episode and one or more of {SITES}"
            )
        domain, episode = archive["domain"].astype(np.int64), archive["episode"].astype(np.int64)
        arrays = {site: archive[site] for site in sites}
        names = {site: f"untrained/{site}" for site in sites}
        initial = {site: archive[name] for site, name in names.items() if name in archive.files}
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


def probe_site(data: Embeddings, seed: int = 0, kind: Kind = "both") -> SiteProbe:
    """Probe one site; see the module's docstring. `seed` is of folds, controls and bootstraps."""
    value, draws, bandwidth = mmd2(data.x, data.domain, data.episode, seed)
    linear = None if kind == "mlp" else classify(data, cross_validate, CONTROL_REPEATS["linear"], seed)
    perceptron = None
    if kind != "linear":
        from align.analysis.statistics import mlp  # torch takes seconds to load

        perceptron = classify(data, mlp.cross_validate, CONTROL_REPEATS["mlp"], seed)
    return SiteProbe(data, percentile(value, draws), bandwidth, linear, perceptron)


def classify(
    data: Embeddings,
    cross_validate: Callable[..., tuple[Scored, np.ndarray, list[float]]],
    repeats: int,
    seed: int = 0,
) -> Classified:
    """One kind of classifier, and its controls.

    Args:
        data: The embeddings of a site.
        cross_validate: As in `align.analysis.statistics.cross_validation`.
        repeats: How often each control with random labels is drawn.
        seed: Of folds, controls and bootstraps.
    """
    rng = numpy_rng(seed, "probe folds")
    scored, probability, chosen = cross_validate(data.x, data.domain, data.episode, rng)
    statistics = {name: percentile(*found) for name, found in bootstrap(scored, seed).items()}
    real = data.domain == Domain.REAL
    shuffled, halves = [], []
    for repeat in range(repeats):
        rng = numpy_rng(seed, "probe controls", repeat)
        label = _relabel(data.episode, len(np.unique(data.episode[real])), rng)
        shuffled.append(cross_validate(data.x, label, data.episode, rng)[0])
        label = _relabel(data.episode[real], len(np.unique(data.episode[real])) // 2, rng)
        halves.append(cross_validate(data.x[real], label, data.episode[real], rng)[0])
    initial = None
    if data.untrained is not None:
        rng = numpy_rng(seed, "probe folds")
        initial = _pool([cross_validate(data.untrained, data.domain, data.episode, rng)[0]], seed)
    return Classified(
        scored, probability, statistics, _pool(shuffled, seed), _pool(halves, seed), initial, chosen
    )


def thin(domain: np.ndarray, cluster: np.ndarray, windows: int) -> np.ndarray:
    """Row numbers, sorted: of every episode equally many, evenly spaced, at most `windows` a domain.

    Every episode keeps one window at least, so many episodes may exceed `windows`.
    """
    rows = []
    for d in np.unique(domain):
        episodes = np.unique(cluster[domain == d])
        share = max(windows // len(episodes), 1)
        for e in episodes:
            members = np.flatnonzero(cluster == e)
            rows.append(
                members[np.unique(np.linspace(0, len(members) - 1, min(share, len(members))).astype(int))]
            )
    return np.sort(np.concatenate(rows))


def _relabel(cluster: np.ndarray, ones: int, rng: np.random.Generator) -> np.ndarray:
    """Labels (N,) with 1 for `ones` of the episodes, drawn at random, and 0 for the others."""
    return np.isin(cluster, rng.permutation(np.unique(cluster))[:ones]).astype(np.int64)


def _pool(repeats: list[Scored], seed: int) -> dict[str, Interval]:
    """Mean over repeats, with the interval of their pooled resamples."""
    found = [bootstrap(scored, seed) for scored in repeats]
    return {
        name: percentile(np.mean([f[name][0] for f in found]), np.concatenate([f[name][1] for f in found]))
        for name in STATISTICS
    }


def _scores(probe: SiteProbe) -> pd.DataFrame:
    columns = {"site": probe.data.site, "row": probe.data.row, "domain": probe.data.domain}
    columns |= {"episode": probe.data.episode, "fold": probe.scored.fold, "score": probe.scored.score}
    return pd.DataFrame(columns | {"probability": probe.main.probability})


def _numbers(statistics: dict[str, Interval]) -> dict[str, dict]:
    return {name: interval.as_dict() for name, interval in statistics.items()}


def _check(path: Path, site: str, x: np.ndarray, domain: np.ndarray, episode: np.ndarray) -> None:
    if not len(x) == len(domain) == len(episode):
        raise InputError(
            f"{path}: {site} has {len(x)} rows, expected {len(domain)} as in 'domain' and 'episode'"
        )
    if not np.isfinite(x).all():
        bad = int(np.sum(~np.isfinite(x.reshape(len(x), -1)).all(1)))
        raise InputError(
            f"{path}: {site} has NaN or infinity in {bad} of {len(x)} rows, expected finite numbers"
        )
    counts = {d.label: len(np.unique(episode[domain == d])) for d in Domain}
    if min(counts.values()) < MIN_EPISODES:
        found = ", ".join(f"{n} {name}" for name, n in counts.items())
        raise InputError(
            f"{path}: {site} has {found} episodes, expected at least {MIN_EPISODES} of each domain"
        )
