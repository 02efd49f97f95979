"""Which demonstrations a run held episodes out of, so that the same episode is told from the same number."""

import hashlib
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from align.analysis.reports.sweep.kept import STORES, facts, has_tables
from align.analysis.reports.sweep.trained import recorded_of
from align.domain import Domain
from align.run.config import read_yaml
from align.run.layout import CONFIG, PROVENANCE
from align.run.reading import is_there, read_json, reading


def stores(run: str | os.PathLike) -> dict[str, str]:
    """By domain, what tells the stores of a run from others: their hashes, or where there are none, paths.

    Returns:
        Empty for a domain of which the run, or what was kept of it, says neither, as older ones.

    Raises:
        InputError: What the run recorded of it is damaged.
    """
    run, found = Path(run), {}
    if not run.is_dir() and (known := facts(run.parent).get(STORES, {}).get(run.name)):
        return known
    hashes = recorded_of(run)["data"]
    with reading(run / PROVENANCE):
        for domain in Domain:
            own = [hashes[name] for name in sorted(hashes) if name.partition("[")[0] == domain.label]
            if own:
                found[domain.label] = " ".join(own)
    if not hashes and is_there(run / CONFIG):
        with reading(run / CONFIG):
            data = read_yaml(run / CONFIG).get("data") or {}
            paths = {domain.label: path for domain in Domain if (path := data.get(domain.label))}
        found = {name: hashlib.blake2b(repr(path).encode()).hexdigest()[:32] for name, path in paths.items()}
    return found


def stores_of_each(sweep: str | os.PathLike, runs: Sequence[str], domain: str) -> dict[str, str]:
    """The stores of one domain, by run: two runs have the same text where they read the same stores.

    Where a sweep was kept without saying which run read which of several stores, none is like another's.

    Raises:
        InputError: As in `stores`.
    """
    sweep = Path(sweep)
    found = {run: stores(sweep / run).get(domain) for run in runs}
    if not has_tables(sweep) or any(found.values()):
        alone = {run: "" if (sweep / run).is_dir() else run for run in runs}  # where nothing tells
        return {run: alone[run] if stores is None else stores for run, stores in found.items()}
    counted = read_json(sweep / PROVENANCE).get("data", {}) if is_there(sweep / PROVENANCE) else {}
    of_domain = [count for name, count in counted.items() if name.partition("[")[0] == domain]
    alike = all(len(Counter(count)) == 1 for count in of_domain)
    return {run: "" if alike else run for run in runs}
