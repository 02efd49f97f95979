"""An annotation: its curves, thresholds and levels, from the numbers to the artists."""

import numpy as np
import pytest
import torch
from matplotlib.colors import same_color

from align.analysis.figures import style as figures
from align.analysis.figures.annotation import SIGMA_MIN, annotation_figure
from align.analysis.statistics.trust import TAUS, Trust, calibration
from align.diffusion.thresholds import Evaluation, Judgement, dataset_threshold
from align.domain import Domain

SIGMAS = torch.linspace(0.05, 0.95, 7)
CLEAN = torch.linspace(0.1, 0.5, 7)  # of sim: the noisier, the more it looks real


def result(lengths=None) -> Trust:
    g = torch.Generator().manual_seed(0)
    corrupt = (CLEAN + 0.02 * torch.randn(50, 7, generator=g)).clamp(0, 1)
    judged = Judgement(
        SIGMAS,
        corrupt,
        (CLEAN + 0.2 * torch.randn(50, 7, generator=g)).clamp(0, 1),
        (1 - CLEAN + 0.2 * torch.randn(30, 7, generator=g)).clamp(0, 1),
        [
            [Evaluation(0, 0.7, CLEAN), Evaluation(10, 0.4, CLEAN - 0.05), Evaluation(20, 0.5, CLEAN + 0.1)],
            [Evaluation(0, 0.7, CLEAN), Evaluation(10, 0.6, CLEAN - 0.08)],
        ],
    )
    sigma = np.linspace(0.1, 1.0, 50).astype(np.float32)
    lengths = {2: 0.0, 4: 0.2, 16: 0.7} if lengths is None else lengths
    return Trust(judged, sigma, dataset_threshold(judged, 0.4), lengths, 0.33, 0.4)


@pytest.fixture
def found():
    return result()


@pytest.fixture
def axes(found):
    return annotation_figure(found).axes


def named(ax):
    return {line.get_label(): line for line in ax.lines}


def test_accuracy_falls_and_trust_rises_with_noise(axes, found):
    lines = named(axes[0])
    np.testing.assert_allclose(lines["accuracy"].get_xydata().T, [SIGMAS, found.judgement.accuracy])
    clean = lines["P(clean) of sim"]
    np.testing.assert_allclose(clean.get_xydata().T, [SIGMAS, found.judgement.corrupt.mean(0)], atol=1e-6)
    assert same_color(clean.get_color(), figures.DOMAIN_COLOUR[Domain.SIM])
    assert not any(same_color(lines["accuracy"].get_color(), c) for c in figures.DOMAIN_COLOUR.values())
    (point,) = [line for line in axes[0].lines if line.get_marker() == "o"]
    np.testing.assert_allclose(point.get_xydata(), [[found.dataset_sigma_min, 0.4]])
    assert any(t.get_text() == f"{SIGMA_MIN} = {found.dataset_sigma_min:.3f}" for t in axes[0].texts)
    levels = {tuple(line.get_ydata()) for line in axes[0].lines if len(set(line.get_xdata())) == 2}
    assert {(0.5, 0.5), (0.4, 0.4)} <= levels
    assert axes[0].get_xlabel() == "Noise level σ"


def test_windows_are_counted_by_their_level(axes, found):
    counts = [bar.get_height() for bar in axes[1].patches]
    middles = np.array([bar.get_x() + bar.get_width() / 2 for bar in axes[1].patches])
    assert sum(counts) == 50 and middles @ counts / 50 == pytest.approx(found.sigma_min.mean(), abs=0.02)
    assert set(axes[1].lines[0].get_xdata()) == {found.dataset_sigma_min}
    always = np.mean(found.sigma_min == 0)
    assert axes[1].get_title(loc="left").endswith(f"{always:.0%} from 0 on, 2.0% never")


def test_calibration_is_the_share_against_the_prediction(axes, found):
    (line,) = [line for line in axes[2].lines if line.get_marker() == "o"]
    predicted, observed, error = calibration(found.judgement)
    np.testing.assert_allclose(line.get_xydata().T, [predicted, observed])
    assert any(t.get_text() == f"mean error {error:.3f}" for t in axes[2].texts)
    assert (axes[2].get_xlabel(), axes[2].get_ylabel()) == ("Predicted P(clean)", "Share of clean")


def test_levels_by_threshold_and_by_length(axes, found):
    (line,) = [line for line in axes[3].lines if line.get_marker() == "o"]
    expected = [dataset_threshold(found.judgement, tau) for tau in TAUS]
    np.testing.assert_allclose(line.get_xydata().T, [TAUS, expected])
    assert any(set(line.get_xdata()) == {0.4} for line in axes[3].lines)
    (line,) = axes[5].lines
    np.testing.assert_allclose(line.get_ydata(), [0.0, 0.2, 0.7])
    assert [t.get_text() for t in axes[5].get_xticklabels()] == ["2", "4", "16"]
    assert "= 0.330" in axes[5].get_title(loc="left")


def test_each_folds_checkpoints_are_a_line_with_a_dot_at_the_kept_one(axes, found):
    lines = named(axes[4])
    for fold, history in enumerate(found.judgement.histories):
        line = lines[f"fold {fold + 1}"]
        np.testing.assert_array_equal(line.get_xdata(), [seen.step for seen in history])
        levels = [
            dataset_threshold(Judgement(SIGMAS, seen.clean[None], seen.clean[None], seen.clean[None]), 0.4)
            for seen in history
        ]
        np.testing.assert_allclose(line.get_ydata(), levels, atol=1e-6)
        colour = line.get_color()
        (dot,) = [d for d in axes[4].lines if d.get_marker() == "o" and same_color(d.get_color(), colour)]
        np.testing.assert_allclose(dot.get_xydata(), [[10, levels[1]]], atol=1e-6)
    assert not same_color(lines["fold 1"].get_color(), lines["fold 2"].get_color())


def test_lengths_that_were_not_tried_have_no_panel():
    figure = annotation_figure(result(lengths={}))
    assert len(figure.axes) == 5
    widths = [ax.get_position().width for ax in figure.axes]
    assert widths[4] > 1.8 * widths[3], "the last has the room of the panel that is not there"
    assert figures.DOUBLE == figure.get_size_inches()[0]
