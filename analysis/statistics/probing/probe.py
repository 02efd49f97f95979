"""Probe of sim versus real: can a classifier tell the domains from an embedding?

Every held-out episode is scored exactly once, by a classifier that saw no window of it: grouped
cross-validation, stratified by domain. Inside each training fold the features are standardised and the
regularisation is chosen by another split by episode. Two controls go through the same procedure: domain
labels shuffled over episodes, and real episodes split at random into two halves. Both should come out near
an AUC of 0.5; where they do not, the probe is not to be trusted. A third, where the run kept it, is the
embedding of an untrained policy: what tells the domains apart before any training.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.base import ClassifierMixin

from align.analysis.statistics.intervals import Interval, percentile
from align.analysis.statistics.probing import classifiers
from align.analysis.statistics.probing.cross_validation import MakeClassifier, cross_validate
from align.analysis.statistics.probing.discrimination import Scored, bootstrap
from align.analysis.statistics.two_sample import mmd2
from align.domain import Domain
from align.errors import InputError
from align.seeding import numpy_rng

Kind = Literal["linear", "mlp", "both"]
GIVEN = "classifier"  # the kind of a user's own
CONTROL_REPEATS = {"linear": 3, "mlp": 1, GIVEN: 1}  # others take longer
STATISTICS = ("auc", "accuracy", "margin")


@dataclass(frozen=True)
class Embeddings:
    """Held-out windows at one site; arrays are (N, ...).

    Attributes:
        site: Where the embedding was taken, e.g. "image".
        x: (N, D) float32.
        domain: (N,) of `Domain`.
        episode: (N,) episode numbers, distinct across domains.
        row: (N,) positions in what the run kept.
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
    """What one kind of classifier found.

    Attributes:
        scored: Out-of-fold scores.
        probability: (N,) of real, out of fold; NaN where the classifier knows none.
        statistics: By name: "auc", "accuracy", "margin".
        shuffled, real_vs_real, untrained: The same of the controls; `untrained` is None where the run kept
            no embedding of an untrained policy.
        penalties: C chosen in each fold, of the linear probe.
    """

    scored: Scored
    probability: np.ndarray
    statistics: dict[str, Interval]
    shuffled: dict[str, Interval]
    real_vs_real: dict[str, Interval]
    untrained: dict[str, Interval] | None = None
    penalties: list[float] | None = None

    def summary(self) -> dict:
        """The numbers of `probe.json`."""
        controls = {"shuffled": self.shuffled, "real_vs_real": self.real_vs_real, "untrained": self.untrained}
        found = {name: _numbers(control) for name, control in controls.items() if control is not None}
        chosen = {} if self.penalties is None else {"C": self.penalties}
        return {**_numbers(self.statistics), **found, **chosen}


@dataclass(frozen=True)
class SiteProbe:
    """What the probes found at one site.

    Attributes:
        data: The embeddings.
        distance: MMD^2.
        bandwidth: Squared, of the MMD's kernel.
        kinds: By kind of classifier, "linear", "mlp" or "classifier", the one that is shown first.
    """

    data: Embeddings
    distance: Interval
    bandwidth: float
    kinds: dict[str, Classified]

    @property
    def main(self) -> Classified:
        """The one that is shown: the linear probe, if there is one."""
        return next(iter(self.kinds.values()))

    def summary(self) -> dict:
        """The numbers of `probe.json`: the linear probe's own, the others' below their kind."""
        counts = {
            d.label: {
                "episodes": len(np.unique(self.data.episode[self.data.domain == d])),
                "windows": int(np.sum(self.data.domain == d)),
            }
            for d in Domain
        }
        linear = self.kinds.get("linear")
        return {
            "dimensions": self.data.x.shape[1],
            **counts,
            **(linear.summary() if linear else {}),
            **_numbers({"mmd2": self.distance}),
            "mmd2_bandwidth": self.bandwidth,
            **{kind: found.summary() for kind, found in self.kinds.items() if kind != "linear"},
        }


def probe_site(data: Embeddings, seed: int = 0, probe: Kind | ClassifierMixin = "both") -> SiteProbe:
    """Probe one site; see the module's docstring.

    Args:
        data: Its embeddings.
        seed: Of folds, controls and bootstraps.
        probe: The classifiers, by name or a user's own.

    Raises:
        InputError: A user's own classifier cannot be trained on the embeddings, or gives no scores.
    """
    value, draws, bandwidth = mmd2(data.x, data.domain, data.episode, seed)
    makers = {"linear": classifiers.linear, "mlp": classifiers.perceptron}
    if not isinstance(probe, str):
        makers = {GIVEN: classifiers.given(probe)}
    elif probe != "both":
        makers = {probe: makers[probe]}
    try:
        kinds = {kind: classify(data, make, CONTROL_REPEATS[kind], seed) for kind, make in makers.items()}
    except (TypeError, ValueError) as error:
        if GIVEN not in makers or isinstance(error, InputError):
            raise
        raise InputError(f"probe={type(probe).__name__}: {error}") from error
    return SiteProbe(data, percentile(value, draws), bandwidth, kinds)


def classify(data: Embeddings, make: MakeClassifier, repeats: int, seed: int = 0) -> Classified:
    """One kind of classifier, and its controls.

    Args:
        data: The embeddings of a site.
        make: Makes the classifier; see `statistics.probing.cross_validation`.
        repeats: How often each control with random labels is drawn.
        seed: Of folds, controls and bootstraps.
    """
    rng = numpy_rng(seed, "probe folds")
    found = cross_validate(make, data.x, data.domain, data.episode, rng)
    statistics = {name: percentile(*values) for name, values in bootstrap(found.scored, seed).items()}
    real = data.domain == Domain.REAL
    shuffled, halves = [], []
    for repeat in range(repeats):
        rng = numpy_rng(seed, "probe controls", repeat)
        label = _relabel(data.episode, len(np.unique(data.episode[real])), rng)
        shuffled.append(cross_validate(make, data.x, label, data.episode, rng).scored)
        label = _relabel(data.episode[real], len(np.unique(data.episode[real])) // 2, rng)
        halves.append(cross_validate(make, data.x[real], label, data.episode[real], rng).scored)
    initial = None
    if data.untrained is not None:
        rng = numpy_rng(seed, "probe folds")
        initial = _pool([cross_validate(make, data.untrained, data.domain, data.episode, rng).scored], seed)
    return Classified(
        found.scored,
        found.probability,
        statistics,
        _pool(shuffled, seed),
        _pool(halves, seed),
        initial,
        classifiers.penalties(found.classifiers) if make is classifiers.linear else None,
    )


def by_layer(probes: Sequence[SiteProbe]) -> dict[str, dict[int, SiteProbe]]:
    """By layer, the probes by diffusion step in increasing order, of layers probed at two steps or more.

    Sites without a step in their name ("image", "denoiser") are left out.
    """
    found: dict[str, dict[int, SiteProbe]] = {}
    for probe in probes:
        layer, _, step = probe.data.site.partition("@")
        if step:
            found.setdefault(layer, {})[int(step)] = probe
    return {layer: dict(sorted(steps.items())) for layer, steps in found.items() if len(steps) > 1}


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


def _numbers(statistics: dict[str, Interval]) -> dict[str, dict]:
    return {name: interval.as_dict() for name, interval in statistics.items()}
