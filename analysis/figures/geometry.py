"""The picture of one run's geometry, one column wide: tests, distances, neighbours, and a map."""

import importlib.util
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from align.analysis.figures import style as figures
from align.analysis.statistics.geometry import principal_components
from align.analysis.statistics.permutation import holm
from align.analysis.statistics.site_geometry import SiteGeometry
from align.domain import Domain


def has_umap() -> bool:
    """Whether the package umap-learn is installed."""
    return importlib.util.find_spec("umap") is not None


CAPTIONS = {
    "_tests": "MMD² of sim and real over the standard deviation of that of permuted domains, whose lowest "
    "95 % are the grey bars; p of the permutation test, corrected for the number of sites (Holm)",
    "_distances": "0: the linear probe is at chance, 2: it makes no error",
    "_mixing": "share of real windows among the nearest neighbours, over that of all windows; dashed: "
    "domains mix "
    "perfectly",
    "_actions": "share of windows whose action, as the policy chooses it, is nearer to those demonstrated by "
    "real neighbours than by sim ones; crosses: than by any real and sim windows; dashed: as often as not",
    "_cka": "similarity of the embeddings of the same states seen in both worlds; crosses: of states that do "
    "not match",
}
"""What panels say, by the function that draws them."""


def geometry_figure(
    sites: Sequence[SiteGeometry], seed: int = 0, umap: bool = False, run: str = ""
) -> Figure:
    """The picture of a run's geometry, one column wide.

    Args:
        sites: What was measured; panels of what was not are left out.
        seed: Of the UMAP.
        umap: Add a UMAP beside the PCA; needs umap-learn.
        run: Its name, above the figure.
    """
    panels = [_tests]
    panels += [_distances] if any(s.a_distance for s in sites) else []
    panels += [_mixing]
    panels += [_actions] if any(s.actions for s in sites) else []
    panels += [_cka] if any(s.cka for s in sites) else []
    with figures.style():
        count = len(panels) + (2 if umap else 1)
        rows = (count + 1) // 2
        figure, axes = figures.canvas(rows, 2, figures.COLUMN, 1.6 * rows)
        flat = list(axes.flat)[:count]
        if count % 2:  # the last panel has the room of two
            axes[-1, 1].remove()
            flat[-1].set_subplotspec(axes[0, 0].get_gridspec()[-1, :])
        for i, (ax, draw) in enumerate(zip(flat, panels, strict=False)):
            draw(ax, sites)
            ax.tick_params(labelleft=i % 2 == 0)  # a row shares its sites
        _map(flat[len(panels)], sites[0], *principal_components(sites[0].data.x))
        if umap:
            _map(flat[-1], sites[0], _umap(sites[0].data.x, seed))
        figures.letter(flat)
        handles = {
            d.label: flat[0].plot([], [], "o", color=figures.DOMAIN_COLOUR[d], label=d.label)[0]
            for d in Domain
        }
        notes = [f"({chr(97 + i)}) {CAPTIONS[draw.__name__]}" for i, draw in enumerate(panels)]
        caption = (
            "; ".join(notes)
            + f"; ({chr(97 + len(panels))}) embeddings at {sites[0].data.site}, a dot a window"
        )
        title = run and f"{run}: geometry"
        figures.finish(figure, title=title, legend=handles, caption=caption + ". Whiskers: 95 % intervals.")
        return figure


def _tests(ax: Axes, sites: Sequence[SiteGeometry]) -> None:
    """MMD^2 over the deviation of the permuted ones, whose lowest 95 % are the grey bars."""
    adjusted = holm([site.tests["mmd"].p_value for site in sites])
    for i, (site, p) in enumerate(zip(sites, adjusted, strict=True)):
        test = site.tests["mmd"]
        spread = test.null.std() or 1.0
        low, high = np.quantile((test.null - test.null.mean()) / spread, [0.0, 0.95])
        ax.barh(i, high - low, left=low, height=0.5, color=figures.GREY, alpha=0.45, linewidth=0)
        ax.plot(test.effect, i, "o", color=figures.BLACK)
        ax.annotate(
            f"p = {p:.2g}", (1.0, i - 0.27), xycoords=ax.get_yaxis_transform(),
            xytext=(0, 0), textcoords="offset points", ha="right", va="bottom", fontsize=6,
        )  # fmt: skip
    ax.set_xscale("symlog", linthresh=3)
    low, high = ax.get_xlim()
    ax.set_xlim(min(low, -3), max(high, 3))
    ticks = [t for t in (-3, 0, 3, 10, 30, 100, 300) if ax.get_xlim()[0] <= t <= ax.get_xlim()[1]]
    ax.set_xticks(ticks, [f"{t}".replace("-", "−") for t in ticks])
    ax.minorticks_off()
    ax.set_xlabel("MMD$^2$ (permuted s.d.)")
    _name_sites(ax, sites)


def _distances(ax: Axes, sites: Sequence[SiteGeometry]) -> None:
    known = {i: s.a_distance for i, s in enumerate(sites) if s.a_distance}
    figures.whiskers(ax, list(known), list(known.values()), horizontal=True, fmt="o", color=figures.BLACK)
    figures.reference(ax, x=0)
    ax.set(xlabel="Proxy A-distance", xlim=(min(0.0, *(d.low for d in known.values())) - 0.1, 2.1))
    _name_sites(ax, sites)


def _mixing(ax: Axes, sites: Sequence[SiteGeometry]) -> None:
    for domain, shift in zip(Domain, (-0.13, 0.13), strict=True):
        found = [getattr(s.mixing, domain.label) for s in sites]
        colour = figures.DOMAIN_COLOUR[domain]
        figures.whiskers(ax, np.arange(len(sites)) + shift, found, horizontal=True, fmt="o", color=colour)
    figures.reference(ax, x=1)
    ax.set_xlim(left=-0.05)
    ax.locator_params(axis="x", nbins=4)
    ax.set_xlabel(figures.wrap("Real neighbours / chance", 8, 1.2))
    _name_sites(ax, sites)


def _actions(ax: Axes, sites: Sequence[SiteGeometry]) -> None:
    """Share of chosen actions nearer to real neighbours' actions; crosses: to all real windows' actions."""
    for domain, shift in zip(Domain, (-0.13, 0.13), strict=True):
        known = [(i + shift, s.actions) for i, s in enumerate(sites) if s.actions]
        at, colour = [a for a, _ in known], figures.DOMAIN_COLOUR[domain]
        near, blind = (
            [getattr(a, name)[domain] for _, a in known] for name in ("closer_to_real", "anywhere")
        )
        figures.whiskers(ax, at, near, horizontal=True, fmt="o", color=colour)
        ax.plot([b.value for b in blind], at, "x", color=colour, alpha=0.7)
    figures.reference(ax, x=0.5)
    ax.set(xlabel="Actions nearer to real", xlim=(-0.05, 1.05))
    _name_sites(ax, sites)


def _cka(ax: Axes, sites: Sequence[SiteGeometry]) -> None:
    for i, site in enumerate(sites):
        if site.cka:
            ax.plot(site.cka.debiased, i, "o", color=figures.BLACK)
            ax.plot(site.cka.mismatched, i, "x", color=figures.GREY)
    figures.reference(ax, x=0)
    ax.set(xlabel="CKA, same states", xlim=(min(-0.1, ax.get_xlim()[0]), 1.05))
    _name_sites(ax, sites)


def _map(ax: Axes, site: SiteGeometry, xy: np.ndarray, share: np.ndarray | None = None) -> None:
    figures.cloud(ax, xy, site.data.domain)
    names = ["UMAP 1", "UMAP 2"] if share is None else [f"PC {i + 1} ({s:.0%})" for i, s in enumerate(share)]
    ax.set(xlabel=names[0], ylabel=names[1])
    ax.set_title(figures.wrap(site.data.site, 8, 1.2), loc="left")


def _umap(x: np.ndarray, seed: int) -> np.ndarray:
    """Coordinates (N, 2) of standardised `x` (N, D); McInnes et al. 2018 (arXiv 1802.03426)."""
    import umap
    from sklearn.preprocessing import StandardScaler

    return umap.UMAP(random_state=seed).fit_transform(StandardScaler().fit_transform(x))


def _name_sites(ax: Axes, sites: Sequence[SiteGeometry]) -> None:
    ax.set_yticks(range(len(sites)), [figures.wrap(s.data.site, 7, 0.7) for s in sites])
    ax.set_ylim(len(sites) - 0.4, -0.6)
