"""Every instrument beyond the probe, on one run: two-sample tests and geometry at each site.

Reads `embeddings.npz` and `probe.json` and, where there is one, `paired.npz`; writes `geometry.json` and
`geometry.png`.
"""

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from align.analysis.reports.probe import Embeddings, load_embeddings
from align.analysis.statistics.classifier_two_sample import classifier_test
from align.analysis.statistics.geometry import CKA, Wasserstein, a_distance, paired_cka, relative_wasserstein
from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.neighbours import (
    NEIGHBOURS,
    ActionNeighbours,
    Mixing,
    action_neighbours,
    domain_mixing,
)
from align.analysis.statistics.permutation import PERMUTATIONS, TwoSampleTest, energy_test, holm, mmd_test
from align.domain import Domain
from align.errors import InputError
from align.files import write_json
from align.run.config import aligned_site
from align.run.layout import EMBEDDINGS, GEOMETRY, GEOMETRY_PICTURE, PAIRED

TESTS = {"mmd": mmd_test, "energy": energy_test, "classifier": classifier_test}
INPUTS = ("agent_pos", "state", "action")  # what goes in and should come out, tested like a site


@dataclass(frozen=True)
class SiteGeometry:
    """What the instruments found at one site; None for what could not be measured."""

    data: Embeddings
    tests: dict[str, TwoSampleTest]
    a_distance: Interval
    wasserstein: Wasserstein
    mixing: Mixing
    actions: ActionNeighbours | None
    cka: CKA | None

    def summary(self) -> dict:
        """The numbers of `geometry.json`, the tests' excepted."""
        mixing = self.mixing
        found = {
            "a_distance": self.a_distance.as_dict(),
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


def measure_run(run_dir: str | os.PathLike, probe: Mapping, seed: int = 0, umap: bool = False) -> dict:
    """Measure a probed run; writes `geometry.json` and `geometry.png` into it.

    Args:
        run_dir: Run directory with `embeddings.npz`: what `probe.probe_run` reads, and optionally `action`
            and `chosen` (N, H · A), demonstrated and chosen action chunks in one unit, `agent_pos` and
            `state` (N, ...). Optionally with `paired.npz`: `sim/SITE` and `real/SITE` (M, D), the same
            states seen in both worlds, in the order of their episodes.
        probe: What `probe_run` returned for it.
        seed: Of permutations, projections and bootstraps.
        umap: Add a UMAP of the first site to the figure, if umap-learn is installed.

    Returns:
        The content of `geometry.json`: {"level", "seed", "permutations", "aligned": the site that training
        aligned, "skipped": {name: why}, "sites": {site: {"tests", "a_distance", "sliced_wasserstein",
        "mixing", "actions", "cka"}}, "inputs": {name: {"tests"}}}.

    Raises:
        InputError: As `probe_run`, or an optional array does not fit or is not finite.
    """
    from align.analysis.figures.geometry import geometry_figure, has_umap  # matplotlib takes a second to load

    run_dir = Path(run_dir)
    data = load_embeddings(run_dir, seed)
    extra = _arrays(run_dir / EMBEDDINGS, ("chosen", *INPUTS), data[0])
    paired, skipped = _paired(run_dir / PAIRED, [d.site for d in data])
    lacking = [name for name in ("action", "chosen") if name not in extra]
    if lacking:
        skipped["actions"] = f"{EMBEDDINGS} holds no {', '.join(lacking)}"
    if not lacking and _candidates(data[0]) < NEIGHBOURS:
        skipped["actions"] = f"fewer than {NEIGHBOURS} windows of other episodes in a domain"
    skipped |= {name: f"{EMBEDDINGS} holds no {name}" for name in INPUTS if name not in extra}
    if umap and not has_umap():
        umap, skipped["umap"] = False, "umap-learn is not installed; the map is a PCA"

    sites = []
    for d in data:
        k = min(NEIGHBOURS, _candidates(d, together=True))
        actions = None
        if "actions" not in skipped:
            actions = action_neighbours(d.x, extra["action"], extra["chosen"], d.domain, d.episode, seed)
        sites.append(
            SiteGeometry(
                data=d,
                tests=_tests(d.x, d, seed),
                a_distance=a_distance(Interval.from_dict(probe["sites"][d.site]["accuracy"])),
                wasserstein=relative_wasserstein(d.x, d.domain, d.episode, seed),
                mixing=domain_mixing(d.x, d.domain, d.episode, seed, k),
                actions=actions,
                cka=paired_cka(*paired[d.site]) if d.site in paired else None,
            )
        )
    inputs = {name: _tests(extra[name], data[0], seed) for name in INPUTS if name in extra}
    found = _with_holm({s.data.site: s.tests for s in sites})
    result = {
        "level": LEVEL,
        "seed": seed,
        "permutations": PERMUTATIONS,
        "aligned": aligned_site(run_dir),
        "skipped": skipped,
        "sites": {s.data.site: found[s.data.site] | s.summary() for s in sites},
        "inputs": _with_holm(inputs),
    }
    geometry_figure(sites, run_dir / GEOMETRY_PICTURE, seed, umap)
    write_json(run_dir / GEOMETRY, result)
    return result


def _tests(x: np.ndarray, data: Embeddings, seed: int) -> dict[str, TwoSampleTest]:
    return {name: test(x, data.domain, data.episode, seed) for name, test in TESTS.items()}


def _with_holm(groups: Mapping[str, Mapping[str, TwoSampleTest]]) -> dict[str, dict]:
    """By group {"tests": {test: its numbers}}, with `p_holm`: the p-value, corrected over the groups."""
    found: dict[str, dict] = {group: {"tests": {}} for group in groups}
    for name in TESTS:
        adjusted = holm([tests[name].p_value for tests in groups.values()])
        for (group, tests), p in zip(groups.items(), adjusted, strict=True):
            numbers = {k: v if np.isfinite(v) else None for k, v in tests[name].summary().items()}
            found[group]["tests"][name] = numbers | {"p_holm": p}
    return found


def _candidates(data: Embeddings, together: bool = False) -> int:
    """The fewest windows of other episodes that a window can have as neighbours, in one domain or in both."""
    sizes = [np.unique(data.episode[data.domain == d], return_counts=True)[1] for d in Domain]
    if together:
        return int(sum(s.sum() for s in sizes) - max(s.max() for s in sizes))
    return int(min(s.sum() - s.max() for s in sizes))


def _arrays(path: Path, names: tuple[str, ...], data: Embeddings) -> dict[str, np.ndarray]:
    """Those of the arrays that `path` holds, as (N, ...) at the rows of `data`."""
    with np.load(path, allow_pickle=False) as archive:
        rows = len(archive["domain"])
        found = {name: archive[name] for name in names if name in archive.files}
    for name, x in found.items():
        if len(x) != rows:
            raise InputError(f"{path}: {name} has {len(x)} rows, expected {rows} as in 'domain'")
        if not np.isfinite(x).all():
            raise InputError(f"{path}: {name} has NaN or infinity, expected finite numbers")
    return {name: x[data.row].reshape(len(data.row), -1).astype(np.float32) for name, x in found.items()}


def _paired(path: Path, sites: list[str]) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, str]]:
    """Responses (M, D) in sim and in real by site, and why there are none."""
    if not path.is_file():
        return {}, {"cka": f"there is no {PAIRED}"}
    with np.load(path, allow_pickle=False) as archive:
        found = {
            site: (archive[f"sim/{site}"], archive[f"real/{site}"])
            for site in sites
            if {f"sim/{site}", f"real/{site}"} <= set(archive.files)
        }
    for site, arrays in found.items():
        if len(arrays[0]) != len(arrays[1]) or len(arrays[0]) < 4 or not all(map(_finite, arrays)):
            raise InputError(
                f"{path}: sim/{site} {arrays[0].shape} and real/{site} {arrays[1].shape}: expected as many "
                f"rows in both, four or more, of finite numbers"
            )
    absent = [site for site in sites if site not in found]
    return found, {"cka": f"{PAIRED} holds no {', '.join(absent)}"} if absent else {}


def _finite(x: np.ndarray) -> bool:
    return bool(np.isfinite(x).all())
