"""A run's probe: each panel's lines, bars and dots, from the numbers to the artists."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from sklearn.metrics import roc_auc_score

from align.analysis.figures import style as figures
from align.analysis.figures.probe import probe_figure
from align.analysis.statistics.geometry import principal_components
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.probing.discrimination import Scored
from align.analysis.statistics.probing.probe import Classified, Embeddings, SiteProbe
from align.domain import Domain


def numbers(auc: float, accuracy: float) -> dict[str, Interval]:
    return {"auc": Interval(auc, auc - 0.1, auc + 0.05), "accuracy": Interval(accuracy, accuracy - 0.2, 1.0)}


MAIN, UNTRAINED, SHUFFLED, HALVES = (
    numbers(0.9, 0.8),
    numbers(0.7, 0.6),
    numbers(0.5, 0.45),
    numbers(0.55, 0.4),
)


def site(name: str, shift: float, kinds=("linear", "mlp"), seed: int = 0) -> SiteProbe:
    """Real windows lie and are scored `shift` above sim ones."""
    rng = np.random.default_rng(seed)
    domain, cluster = np.repeat([0, 1], 40), np.repeat(np.arange(16), 5)
    score = rng.normal(size=80) + shift * domain
    x = rng.normal(size=(80, 3)) * [4, 1, 1] + shift * np.outer(domain, [2, 0, 0])
    scored = Scored(domain, score, cluster, cluster % 2)
    main = Classified(scored, score, MAIN, SHUFFLED, HALVES, UNTRAINED)
    other = Classified(scored, score, numbers(0.95, 0.85), SHUFFLED, HALVES, None)
    found = dict(zip(kinds, (main, other), strict=False))
    return SiteProbe(
        Embeddings(name, x, domain, cluster, np.arange(80)), Interval(0.25, 0.1, 0.4), 1.0, found
    )


@pytest.fixture
def probes():
    return [site("image", 3.0), site("denoiser", 1.0, seed=1)]


@pytest.fixture
def rows(probes):
    return np.array(probe_figure(probes).axes).reshape(2, 4)


def test_rows_are_sites_and_columns_say_what_they_show(rows):
    names = [[t.get_text() for t in row[0].texts if t.get_rotation() == 90] for row in rows]
    assert names == [["image"], ["denoiser"]]
    assert [ax.get_title() for ax in rows[0]] == [
        "ROC",
        "Out-of-fold scores",
        "Probe and controls",
        "Embeddings (PCA)",
    ]
    assert (rows[0, 0].get_xlabel(), rows[0, 0].get_ylabel()) == ("False-positive rate", "True-positive rate")


def test_the_roc_lies_above_the_diagonal_by_the_auc(rows, probes):
    for ax, probe in zip(rows[:, 0], probes, strict=True):
        (chance,) = [line for line in ax.lines if line.get_linestyle() == "--"]
        np.testing.assert_array_equal(chance.get_xydata(), [[0, 0], [1, 1]])
        (curve,) = [line for line in ax.lines if line not in (chance,)]
        scored = probe.main.scored
        by_fold = [
            roc_auc_score(scored.label[scored.fold == k], scored.score[scored.fold == k]) for k in (0, 1)
        ]
        assert np.trapezoid(*curve.get_xydata().T[::-1]) == pytest.approx(np.mean(by_fold), abs=0.01)
        (band,) = ax.collections
        around = band.get_paths()[0]
        assert all(around.contains_point(p, radius=0.02) for p in curve.get_xydata()[10:90:10])
        assert any(text.get_text() == "AUC 0.90\n[0.80, 0.95]" for text in ax.texts)


def test_each_domains_scores_have_its_colour(rows, probes):
    for ax, probe in zip(rows[:, 1], probes, strict=True):
        assert ax.get_legend_handles_labels()[1] == ["sim", "real"]
        for domain in Domain:
            (filled,) = [
                c for c in ax.containers if c.get_label() == domain.label or c[0].get_label() == domain.label
            ]
            bars = filled.patches
            assert all(same_color(bar.get_facecolor()[:3], figures.DOMAIN_COLOUR[domain]) for bar in bars)
            heights = np.array([bar.get_height() for bar in bars])
            middles = np.array([bar.get_x() + bar.get_width() / 2 for bar in bars])
            mean = probe.main.scored.score[probe.main.scored.label == domain].mean()
            assert heights @ middles / heights.sum() == pytest.approx(mean, abs=0.15)
        (boundary,) = ax.lines
        assert set(boundary.get_xdata()) == {0}
        assert ax.get_xlabel() == "Signed distance to boundary"


def test_bars_are_accuracy_and_auc_of_the_probe_and_of_its_controls(rows):
    ax = rows[0, 2]
    assert [t.get_text() for t in ax.get_xticklabels()] == ["Accuracy", "AUC"]
    expected = {
        "sim vs real": MAIN,
        "by an MLP": numbers(0.95, 0.85),
        "untrained": UNTRAINED,
        "shuffled": SHUFFLED,
        "real vs real": HALVES,
    }
    bars = [c for c in ax.containers if hasattr(c, "patches") and len(c.patches) == 2]
    whiskers = [c for c in ax.containers if c not in bars]
    assert [b.get_label() for b in bars] == list(expected)
    for bar, whisker, (_, found) in zip(bars, whiskers, expected.items(), strict=True):
        assert [p.get_height() for p in bar] == [found["accuracy"].value, found["auc"].value]
        middle = np.array([p.get_x() + p.get_width() / 2 for p in bar])
        assert (np.abs(middle - [0, 1]) < 0.5).all()
        segments = [s[:, 1] for s in whisker[2][0].get_segments()]
        np.testing.assert_allclose(segments, [found["accuracy"][1:], found["auc"][1:]])
        np.testing.assert_allclose([s[0, 0] for s in whisker[2][0].get_segments()], middle)
    assert any(set(line.get_ydata()) == {0.5} for line in ax.lines)


def test_the_map_colours_windows_by_their_domain(rows, probes):
    for ax, probe in zip(rows[:, 3], probes, strict=True):
        xy, share = principal_components(probe.data.x)
        (dots,) = ax.collections
        for domain in Domain:
            own = [same_color(c[:3], figures.DOMAIN_COLOUR[domain]) for c in dots.get_facecolors()]
            drawn, expected = dots.get_offsets()[own], xy[probe.data.domain == domain]
            np.testing.assert_allclose(sorted(map(tuple, drawn)), sorted(map(tuple, expected)))
        assert ax.get_xlabel() == f"PC 1 ({share[0]:.0%})" and ax.get_ylabel() == f"PC 2 ({share[1]:.0%})"
        assert any("0.250\n[0.100, 0.400]" in text.get_text() for text in ax.texts)


def test_the_legend_names_domains_and_bars():
    figure = probe_figure([site("image", 2.0)])
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["sim", "real", "sim vs real", "by an MLP", "untrained", "shuffled", "real vs real"]


def test_a_classifier_that_was_given_is_shown_alone():
    axes = probe_figure([site("image", 2.0, kinds=("classifier",))]).axes
    assert axes[1].get_xlabel() == "Score: real above 0"
    assert "by an MLP" not in axes[2].get_legend_handles_labels()[1]
