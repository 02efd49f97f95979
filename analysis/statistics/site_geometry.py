"""Every instrument beyond the probe, at one site of a run: two-sample tests and geometry."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np

from align.analysis.statistics.classifier_two_sample import classifier_two_sample_test
from align.analysis.statistics.geometry import CKA, Wasserstein, a_distance, paired_cka, relative_wasserstein
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.neighbours import (
    NEIGHBOURS,
    ActionNeighbours,
    Mixing,
    action_neighbours,
    domain_mixing,
)
from align.analysis.statistics.permutation import TwoSampleTest, energy_test, holm, mmd_test
from align.analysis.statistics.probing.probe import Embeddings
from align.domain import Domain

TESTS = {"mmd": mmd_test, "energy": energy_test, "classifier": classifier_two_sample_test}


@dataclass(frozen=True)
class SiteGeometry:
    """What the instruments found at one site; None for what could not be measured."""

    data: Embeddings
    tests: dict[str, TwoSampleTest]
    a_distance: Interval | None
    wasserstein: Wasserstein
    mixing: Mixing
    actions: ActionNeighbours | None
    cka: CKA | None

    def summary(self) -> dict:
        """The numbers of `geometry.json`, the tests' excepted."""
        mixing = self.mixing
        found = {
            "a_distance": self.a_distance.as_dict() if self.a_distance else None,
            "sliced_wasserstein": asdict(self.wasserstein),
            "mixing": {n: getattr(mixing, n).as_dict() for n in ("mixing", "real", "sim")} | {"k": mixing.k},
        }
        if self.actions:
            found["actions"] = {
                d.label: {
                    "closer_to_real": self.actions.closer_to_real[d].as_dict(),
                    "anywhere": self.actions.anywhere[d].as_dict(),
                    "to_sim": self.actions.to_sim[d],
                    "to_real": self.actions.to_real[d],
                }
                for d in Domain
            } | {"k": self.actions.k}
        if self.cka:
            found["cka"] = {n: v if np.isfinite(v) else None for n, v in asdict(self.cka).items()}
        return found


def measure_site(
    data: Embeddings,
    accuracy: Interval | None = None,
    actions: tuple[np.ndarray, np.ndarray] | None = None,
    paired: tuple[np.ndarray, np.ndarray] | None = None,
    seed: int = 0,
    device: str = "cpu",
) -> SiteGeometry:
    """Measure one site.

    Args:
        data: Its embeddings.
        accuracy: The linear probe's.
        actions: Demonstrated and chosen action chunks (N, H · A).
        paired: Responses (M, D) to the same states in sim and in real, in the order of their episodes.
        seed: Of permutations, projections and bootstraps.
        device: What sums the kernels of tests; see `mmd_test`.
    """
    x, domain, episode = data.x, data.domain, data.episode
    return SiteGeometry(
        data=data,
        tests=domain_tests(x, data, seed, device),
        a_distance=a_distance(accuracy) if accuracy else None,
        wasserstein=relative_wasserstein(x, domain, episode, seed),
        mixing=domain_mixing(x, domain, episode, seed, min(NEIGHBOURS, candidates(data, together=True))),
        actions=action_neighbours(x, *actions, domain, episode, seed) if actions else None,
        cka=paired_cka(*paired) if paired else None,
    )


def domain_tests(
    x: np.ndarray, data: Embeddings, seed: int = 0, device: str = "cpu"
) -> dict[str, TwoSampleTest]:
    """Every two-sample test of `x` (N, D), of whatever belongs to the windows of `data`."""
    of_kernels = {name: {"device": device} for name in ("mmd", "energy")}
    return {
        name: test(x, data.domain, data.episode, seed, **of_kernels.get(name, {}))
        for name, test in TESTS.items()
    }


def with_holm(groups: Mapping[str, Mapping[str, TwoSampleTest]]) -> dict[str, dict]:
    """By group {"tests": {test: its numbers}}, with `p_holm`: the p-value, corrected over the groups."""
    found: dict[str, dict] = {group: {"tests": {}} for group in groups}
    for name in TESTS:
        adjusted = holm([tests[name].p_value for tests in groups.values()])
        for (group, tests), p in zip(groups.items(), adjusted, strict=True):
            numbers = {k: v if np.isfinite(v) else None for k, v in tests[name].summary().items()}
            found[group]["tests"][name] = numbers | {"p_holm": p}
    return found


def candidates(data: Embeddings, together: bool = False) -> int:
    """The fewest windows of other episodes that a window can have as neighbours, in one domain or in both."""
    sizes = [np.unique(data.episode[data.domain == d], return_counts=True)[1] for d in Domain]
    if together:
        return int(sum(s.sum() for s in sizes) - max(s.max() for s in sizes))
    return int(min(s.sum() - s.max() for s in sizes))
