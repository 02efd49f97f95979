"""Every instrument beyond the probe, on one run: two-sample tests and geometry at each site.

Reads `embeddings.npz` and `probe.json` and, where there is one, `paired.npz`; writes `geometry.json` and
`geometry.png`.
"""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from align.analysis.reports.probes.arrays import check_values
from align.analysis.reports.probes.probe import load_embeddings
from align.analysis.statistics.intervals import LEVEL, Interval
from align.analysis.statistics.neighbours import NEIGHBOURS
from align.analysis.statistics.permutation import PERMUTATIONS
from align.analysis.statistics.probing.probe import Embeddings
from align.analysis.statistics.site_geometry import candidates, domain_tests, measure_site, with_holm
from align.errors import InputError
from align.files import write_json
from align.run.config import aligned_site
from align.run.layout import EMBEDDINGS, GEOMETRY, GEOMETRY_PICTURE, PAIRED, title
from align.run.reading import is_there, read_arrays

INPUTS = ("agent_pos", "state", "action")  # what goes in and should come out, tested like a site


def measure_run(
    run_dir: str | os.PathLike, probe: Mapping, seed: int = 0, umap: bool = False, device: str = "cpu"
) -> dict:
    """Measure a probed run; writes `geometry.json` and `geometry.png` into it.

    Args:
        run_dir: Run directory with `embeddings.npz`: what `probe.probe_run` reads, and optionally `action`
            and `chosen` (N, H · A), demonstrated and chosen action chunks in one unit, `agent_pos` and
            `state` (N, ...). Optionally with `paired.npz`: `sim/SITE` and `real/SITE` (M, D), the same
            states seen in both worlds, in the order of their episodes.
        probe: What `probe_run` returned for it.
        seed: Of permutations, projections and bootstraps.
        umap: Add a UMAP of the first site to the figure, if umap-learn is installed.
        device: What sums the kernels of tests; see `mmd_test`.

    Returns:
        The content of `geometry.json`: {"level", "seed", "permutations", "aligned": the site that training
        aligned, "skipped": {name: why}, "sites": {site: {"tests", "a_distance", "sliced_wasserstein",
        "mixing", "actions", "cka"}}, "inputs": {name: {"tests"}}}.

    Raises:
        InputError: As `probe_run`, or an optional array does not fit or is not finite.
    """
    from align.analysis.figures.geometry import geometry_figure, has_umap  # matplotlib takes a second to load
    from align.analysis.figures.style import save

    run_dir = Path(run_dir)
    data = load_embeddings(run_dir)
    extra, paired, skipped = read_measured(run_dir, data)
    lacking = [name for name in ("action", "chosen") if name not in extra]
    if lacking:
        skipped["actions"] = f"{EMBEDDINGS} holds no {', '.join(lacking)}"
    if not lacking and candidates(data[0]) < NEIGHBOURS:
        skipped["actions"] = f"fewer than {NEIGHBOURS} windows of other episodes in a domain"
    found = {d.site: probe["sites"][d.site].get("accuracy") for d in data}
    accuracy = {site: Interval.from_dict(numbers) for site, numbers in found.items() if numbers}
    if len(accuracy) < len(data):
        skipped["a_distance"] = "it is the linear probe's, which was not asked for"
    skipped |= {name: f"{EMBEDDINGS} holds no {name}" for name in INPUTS if name not in extra}
    if umap and not has_umap():
        umap, skipped["umap"] = False, "umap-learn is not installed; the map is a PCA"

    actions = None if "actions" in skipped else (extra["action"], extra["chosen"])
    sites = [measure_site(d, accuracy.get(d.site), actions, paired.get(d.site), seed, device) for d in data]
    inputs = {name: domain_tests(extra[name], data[0], seed, device) for name in INPUTS if name in extra}
    tests = with_holm({s.data.site: s.tests for s in sites})
    result = {
        "level": LEVEL,
        "seed": seed,
        "permutations": PERMUTATIONS,
        "aligned": aligned_site(run_dir),
        "skipped": skipped,
        "sites": {s.data.site: tests[s.data.site] | s.summary() for s in sites},
        "inputs": with_holm(inputs),
    }
    save(geometry_figure(sites, seed, umap, title(run_dir)), run_dir / GEOMETRY_PICTURE)
    write_json(run_dir / GEOMETRY, result)
    return result


def read_measured(
    run_dir: Path, data: Sequence[Embeddings]
) -> tuple[dict[str, np.ndarray], dict[str, tuple[np.ndarray, np.ndarray]], dict[str, str]]:
    """What else is measured of a run than its embeddings.

    Args:
        run_dir: The run.
        data: Its embeddings.

    Returns:
        Arrays (n, ...) by name, at the rows of `data`; responses in sim and in real by site; and by name, why
        what is not there is not.

    Raises:
        InputError: An array does not fit, or holds something else than finite numbers.
    """
    extra = _arrays(run_dir / EMBEDDINGS, ("chosen", *INPUTS), data[0])
    return extra, *_paired(run_dir / PAIRED, [d.site for d in data])


def _arrays(path: Path, names: tuple[str, ...], data: Embeddings) -> dict[str, np.ndarray]:
    """Those of the arrays that `path` holds, as (N, ...) at the rows of `data`."""
    stored = read_arrays(path, ("domain", *names))
    rows = len(stored["domain"])
    found = {name: stored[name] for name in names if name in stored}
    for name, x in found.items():
        check_values(path, name, x)
        if len(x) != rows:
            raise InputError(f"{path}: {name} has {len(x)} rows, expected {rows} as in 'domain'")
    return {name: x[data.row].reshape(len(data.row), -1).astype(np.float32) for name, x in found.items()}


def _paired(path: Path, sites: list[str]) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], dict[str, str]]:
    """Responses (M, D) in sim and in real by site, and why there are none."""
    if not is_there(path):
        return {}, {"cka": f"there is no {PAIRED}"}
    stored = read_arrays(path)
    found = {
        site: (stored[f"sim/{site}"], stored[f"real/{site}"])
        for site in sites
        if {f"sim/{site}", f"real/{site}"} <= set(stored)
    }
    for site, (sim, real) in found.items():
        for name, x in (("sim", sim), ("real", real)):
            check_values(path, f"{name}/{site}", x)
        if sim.ndim != 2 or real.ndim != 2 or len(sim) != len(real) or len(sim) < 4:
            raise InputError(
                f"{path}: sim/{site} {sim.shape} and real/{site} {real.shape}: expected as many rows in "
                "both, four or more"
            )
    absent = [site for site in sites if site not in found]
    return found, {"cka": f"{PAIRED} holds no {', '.join(absent)}"} if absent else {}
