"""Annotation: crossings, honest judges, and how far a denoiser looks, against closed forms."""

import pytest
import torch

from align.diffusion.annotate import ClassifierOptions, Sequences, fast_part, judge
from align.diffusion.locality import crops, excess_error, largest_level
from align.diffusion.schedule import NoiseSchedule
from align.diffusion.thresholds import crossing, dataset_threshold, sample_thresholds, smooth
from align.errors import InputError

SIGMAS = NoiseSchedule().sigmas
QUICK = ClassifierOptions(width=32, blocks=1, max_steps=300, batch_size=128, every=50, folds=2, levels=9)


def _sequences(
    n_episodes: int, seed: int, scale: float = 1.0, per_episode: int = 10, condition: int = 0
) -> Sequences:
    g = torch.Generator().manual_seed(seed)
    n = n_episodes * per_episode
    episode = torch.arange(n_episodes).repeat_interleave(per_episode)
    return Sequences(scale * torch.randn(n, 4, 2, generator=g), episode, torch.zeros(n, condition))


def test_a_crossing_is_the_lowest_level_above_the_threshold():
    sigmas = torch.tensor([0.1, 0.2, 0.4, 0.8], dtype=torch.float64)
    curves = torch.tensor(
        [[0.0, 0.4, 0.5, 0.5], [0.46, 0.1, 0.5, 0.5], [0.1, 0.2, 0.3, 0.4], [0.0, 0.45, 0.46, 0.3]],
        dtype=torch.float64,
    )
    expected = torch.tensor([0.3, 0.0, 1.0, 0.2], dtype=torch.float64)
    torch.testing.assert_close(crossing(sigmas, curves, 0.45), expected)
    assert float(crossing(sigmas, curves[0], 0.45)) == pytest.approx(0.3)
    levels = [float(crossing(sigmas, curves[0], tau)) for tau in (0.1, 0.3, 0.45, 0.49)]
    assert levels == sorted(levels)


def test_smoothing_has_no_lag_and_keeps_a_constant():
    assert torch.equal(smooth(torch.full((3, 7), 0.25)), torch.full((3, 7), 0.25))
    step = torch.cat([torch.zeros(10), torch.ones(10)])
    smoothed = smooth(step)
    torch.testing.assert_close(smoothed, 1 - smoothed.flip(0))
    assert (smoothed.diff() >= 0).all() and 0 < float(smoothed[9]) < 0.5


def test_what_cannot_be_told_apart_is_trusted_everywhere():
    """Ten episodes can be memorised; a judge that has not seen them does not tell them apart."""
    judgement = judge(_sequences(10, 0), _sequences(10, 1), SIGMAS, QUICK)
    assert dataset_threshold(judgement, 0.4) == 0
    assert ((judgement.accuracy - 0.5).abs() < 0.15).all()


def test_what_differs_is_told_apart_until_noise_hides_it():
    judgement = judge(_sequences(40, 0), _sequences(40, 1, scale=2.5), SIGMAS, QUICK)
    clean = judgement.corrupt.mean(0)
    assert float(clean[0]) < 0.2 and float(clean[-1]) > 0.45
    assert judgement.accuracy[0] > 0.8 and abs(float(judgement.accuracy[-1]) - 0.5) < 0.06
    assert 0.3 < dataset_threshold(judgement, 0.45) < 1
    each = sample_thresholds(judgement, 0.45)
    size = _sequences(40, 1, scale=2.5).x.flatten(1).norm(dim=1)
    small, large = each[size < size.quantile(0.1)], each[size > size.quantile(0.9)]
    assert small.mean() < large.mean() - 0.2  # small ones look clean


def test_judgements_depend_on_the_seed_alone():
    options = ClassifierOptions(width=16, blocks=1, max_steps=10, every=5, folds=2, levels=3)
    judgements = []
    for seed in (0, 0, 1):
        torch.manual_seed(len(judgements))
        judgements.append(judge(_sequences(4, 0), _sequences(4, 1), SIGMAS, options, seed).corrupt)
    assert torch.equal(judgements[0], judgements[1]) and not torch.equal(judgements[0], judgements[2])


def test_the_kept_classifier_is_the_best_on_held_out_episodes():
    options = ClassifierOptions(width=64, max_steps=400, every=20, patience=3, folds=2, levels=5)
    judgement = judge(_sequences(4, 0, per_episode=4), _sequences(4, 1, per_episode=4), SIGMAS, options)
    for history in judgement.histories:
        best = min(history, key=lambda e: e.loss)
        assert history[-1].step - best.step <= 3 * 20 and history[-1].step < 400  # it overfits, and stops


def test_too_few_episodes_and_options_out_of_range():
    with pytest.raises(InputError, match="folds=2: there are 1 clean episodes"):
        judge(_sequences(1, 0), _sequences(4, 1), SIGMAS, QUICK)
    for name, value in (("draws", 3), ("folds", 1), ("levels", 1), ("patience", 0)):
        with pytest.raises(InputError, match=f"{name}={value}"):
            ClassifierOptions(**{name: value})


def test_crops_are_stretches_of_their_sequence():
    x = torch.arange(40.0).view(5, 8, 1)
    sequences = Sequences(x, torch.arange(5), torch.zeros(5, 0))
    places = set()
    for seed in range(20):
        crop = crops(sequences, 3, torch.Generator().manual_seed(seed)).x[..., 0]
        assert (crop.diff(dim=1) == 1).all() and torch.equal(crop[:, 0].long() // 8, torch.arange(5))
        places |= set((crop[:, 0].long() % 8).tolist())
    assert places == set(range(6))


def test_white_sequences_need_no_neighbours_and_constant_ones_all():
    g = torch.Generator().manual_seed(0)
    levels = SIGMAS[::10].double()
    white = torch.randn(50_000, 8, 2, generator=g)
    assert excess_error(white, levels, 1).abs().max() < 1e-3
    assert largest_level(white, levels, 1) == float(levels[-1])
    constant = torch.randn(50_000, 1, 1, generator=g).expand(-1, 8, 1)
    snr = (1 - levels**2) / levels**2 * float(constant.double().var())
    for length in (1, 3, 8):
        torch.testing.assert_close(
            excess_error(constant, levels, length),
            (1 + 8 * snr) / (1 + length * snr) - 1,
            rtol=1e-4,
            atol=1e-6,
        )
    assert largest_level(constant, levels, 3) == 0.0


def test_smooth_sequences_need_longer_stretches_at_higher_noise():
    g = torch.Generator().manual_seed(0)
    walks = torch.randn(20_000, 16, 1, generator=g).cumsum(1) / 4
    levels = [largest_level(walks, SIGMAS, length) for length in (2, 4, 8, 16)]
    assert levels == sorted(levels) and levels[1] < levels[2] < levels[3] == float(SIGMAS[-1])


def test_the_fast_part_of_a_sequence_is_blind_to_polynomials_and_keeps_white_noise_white():
    g = torch.Generator().manual_seed(0)
    scale = 0.5 + torch.rand(16, 2, generator=g)
    time = torch.arange(16.0)[:, None]
    line = (3 + torch.randn(50, 1, 2, generator=g) * time) / scale  # (50, 16, 2)
    assert fast_part(line, 1, scale).abs().max() < 1e-4 < fast_part(line, 0, scale).abs().max()
    noise = torch.randn(20_000, 16, 2, generator=g)
    fast = fast_part(noise, 2, scale)
    assert fast.shape == (20_000, 13, 2)
    torch.testing.assert_close(torch.cov(fast.flatten(1).T), torch.eye(26), atol=0.05, rtol=0)
    torch.testing.assert_close(
        fast_part(line + noise[:50], 1, scale), fast_part(noise[:50], 1, scale), atol=1e-4, rtol=0
    )


def test_detrended_sequences_are_told_apart_by_jaggedness_alone():
    """Slow and fast straight motion differ, but not in what is left of them."""
    g, line = torch.Generator().manual_seed(0), torch.linspace(-1, 1, 16)[:, None]
    episode, none = torch.arange(40).repeat_interleave(10), torch.zeros(400, 0)

    def moving(pace: float) -> torch.Tensor:
        return pace * torch.randn(400, 1, 2, generator=g) * line + 0.3 * torch.randn(400, 16, 2, generator=g)

    slow, quick, scale = moving(1.0), moving(5.0), torch.ones(16, 2)
    found = [
        judge(Sequences(a, episode, none), Sequences(b, episode, none), SIGMAS, QUICK)
        for a, b in ((slow, quick), (fast_part(slow, 1, scale), fast_part(quick, 1, scale)))
    ]
    assert dataset_threshold(found[0], 0.45) > 0.3 and dataset_threshold(found[1], 0.4) == 0
