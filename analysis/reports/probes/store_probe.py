"""Probe of which store a window is of, where a domain has several: can labs' arms be told apart?"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from align.analysis.statistics.probing import classifiers
from align.analysis.statistics.probing.probe import Embeddings, classify
from align.data.splits import PROBED_EPISODES
from align.domain import Domain
from align.errors import InputError
from align.run.layout import EMBEDDINGS
from align.run.reading import read_arrays


def probe_stores(run_dir: str | os.PathLike, sites: Sequence[Embeddings], seed: int = 0) -> dict[str, Any]:
    """The linear probe of each store against the other stores of its domain, as of sim against real.

    Args:
        run_dir: Run directory with `embeddings.npz`, whose `store` (N,) names the store of each window.
        sites: What was read of it, a site each.
        seed: Of folds, controls and bootstraps.

    Returns:
        {domain: {store: {site: {"auc", "accuracy", "shuffled", "untrained", ...}}}}, each a store against
        all others; of two stores the first alone, as the second is its mirror. Empty where no domain has
        several stores. {"skipped": why} in place of the sites of one with too few held-out episodes.

    Raises:
        InputError: The names are not one a window.
    """
    read = read_names(run_dir)
    if read is None:
        return {}
    names, domains = read
    found: dict[str, Any] = {}
    for domain in Domain:
        stores = list(dict.fromkeys(names[domains == domain].tolist()))
        for store in stores[: 1 if len(stores) == 2 else None] if len(stores) > 1 else ():
            probed = [_against_others(data, names[data.row], domain, store) for data in sites]
            few = {
                label: len(np.unique(probed[0].episode[probed[0].domain == n]))
                for n, label in ((0, "other stores"), (1, store))
            }
            if min(few.values()) < PROBED_EPISODES:
                told = ", ".join(f"{n} held-out episodes of {label}" for label, n in few.items())
                told += f"; expected {PROBED_EPISODES} or more of each"
                found.setdefault(domain.label, {})[store] = {"skipped": told}
                continue
            found.setdefault(domain.label, {})[store] = {
                data.site: _numbers(classify(data, classifiers.linear, 1, seed).summary()) for data in probed
            }
    return found


def read_names(run_dir: str | os.PathLike) -> tuple[np.ndarray, np.ndarray] | None:
    """The store's name and the domain of each window (N,); none of a run from before there were several.

    Raises:
        InputError: The names are not one a window.
    """
    path = Path(run_dir) / EMBEDDINGS
    stored = read_arrays(path, ("domain", "store"))
    if "store" not in stored:
        return None
    names = stored["store"]
    if names.dtype.kind != "U" or names.shape != stored["domain"].shape:
        raise InputError(
            f"{path}: store is {names.dtype} of shape {names.shape}; expected names, one a window"
        )
    return names, stored["domain"]


def _against_others(data: Embeddings, names: np.ndarray, domain: Domain, store: str) -> Embeddings:
    """The windows of a domain, labelled 1 where they are of the store."""
    rows = data.domain == domain
    return dataclasses.replace(
        data,
        x=data.x[rows],
        domain=(names[rows] == store).astype(np.int64),
        episode=data.episode[rows],
        row=data.row[rows],
        untrained=None if data.untrained is None else data.untrained[rows],
    )


def _numbers(summary: dict[str, Any]) -> dict[str, Any]:
    """Without the control of halves of one label, whose name is of domains."""
    return {name: value for name, value in summary.items() if name != "real_vs_real"}
