"""Out-of-fold scores of a two-layer perceptron, for windows that come in episodes.

The same folds, standardisation and scores as the linear classifier of `statistics.cross_validation`; what is
chosen inside each training fold is when to stop, on episodes that are held out of it. The classifiers of all
folds are trained side by side: their first layers are one matrix product.
"""

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn import functional as F

from align.analysis.statistics.cross_validation import FOLDS, grouped_folds
from align.analysis.statistics.discrimination import Scored

WIDTH = 32
STEPS = 100
PATIENCE = 20  # steps without a better loss, after which a classifier is done
LEARNING_RATE = 0.02
WEIGHT_DECAY = 0.01
INNER_FOLDS = 4  # one of them says when to stop
MAX_FEATURES = 256  # more are reduced to as many, without the labels


def cross_validate(
    x: np.ndarray, label: np.ndarray, cluster: np.ndarray, rng: np.random.Generator
) -> tuple[Scored, np.ndarray, list[int]]:
    """Out-of-fold scores of a perceptron with one hidden layer, by grouped and stratified cross-validation.

    Args:
        x: (N, D) features.
        label: (N,) of 0 or 1, the same for all windows of an episode.
        cluster: (N,) episode numbers, distinct across labels.
        rng: Of the folds and initial weights.

    Returns:
        The scores (log-odds of label 1), the probabilities of label 1 (N,), and the steps of training that
        were chosen in each fold.
    """
    fold = grouped_folds(label, cluster, FOLDS, rng)
    folds = fold.max() + 1
    train = fold[None] != np.arange(folds)[:, None]  # (K, N)
    held_out = np.zeros_like(train)
    for k in range(folds):
        inner = grouped_folds(label[train[k]], cluster[train[k]], INNER_FOLDS, rng)
        if inner.max() > 0:  # else every step is taken
            held_out[k, train[k]] = inner == 0
    logits, steps = _train(_reduced(x, rng), label, train, held_out, int(rng.integers(2**62)))
    score = logits[fold, np.arange(len(x))]
    return Scored(label, score, cluster, fold), expit(score), steps


def _reduced(x: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The principal components of standardised `x` (N, D) where D is large, turned at random; else `x`.

    Turned, since standardisation would blow the small components up to the size of the large ones.
    """
    if x.shape[1] <= MAX_FEATURES:
        return x
    x = (x - x.mean(0)) / np.maximum(x.std(0), 1e-6 * np.abs(x).max(0) + 1e-30)
    left, size, _ = np.linalg.svd(x, full_matrices=False)
    kept = min(MAX_FEATURES, len(size))
    turn, _ = np.linalg.qr(rng.normal(size=(kept, kept)))
    return (left[:, :kept] * size[:kept]) @ turn.astype(x.dtype)


def _train(
    x: np.ndarray, label: np.ndarray, train: np.ndarray, held_out: np.ndarray, seed: int
) -> tuple[np.ndarray, list[int]]:
    """Train one classifier a fold, full batch, with Adam and decoupled weight decay.

    Args:
        x: (N, D).
        label: (N,) of 0 or 1.
        train: (K, N) the windows of each training fold; they standardise the features.
        held_out: (K, N) those of them that do not train but say when to stop.
        seed: Of the initial weights.

    Returns:
        Log-odds (K, N) of every window at the step of least balanced loss on `held_out` (the least before
        `PATIENCE` steps without a lesser one), or at the last step where that is empty; and these steps.
    """
    generator = torch.Generator().manual_seed(seed)
    weight = _balanced(train & ~held_out, label)  # (K, N)
    judge = _balanced(held_out, label)
    mean, factor = _standardisation(x, train)  # (K, D)
    centre = x.mean(0)  # near every fold's mean: no digits are lost below
    shift, factor = torch.from_numpy((mean - centre).astype(np.float32)), torch.from_numpy(factor)
    x, y = torch.from_numpy((x - centre).astype(np.float32)), torch.from_numpy(label.astype(np.float32))
    k, d = shift.shape
    first = torch.randn(k, d, WIDTH, generator=generator) * (2 / d) ** 0.5
    second = torch.randn(k, WIDTH, generator=generator) / WIDTH**0.5
    weights = [first, torch.zeros(k, WIDTH), second, torch.zeros(k)]
    for w in weights:
        w.requires_grad_()
    optimizer = torch.optim.AdamW(
        [
            {"params": weights[::2], "weight_decay": WEIGHT_DECAY},
            {"params": weights[1::2], "weight_decay": 0.0},
        ],
        lr=LEARNING_RATE,
    )
    best, kept, chosen = torch.full((k,), torch.inf), torch.zeros(k, len(x)), torch.zeros(k)
    judged = judge.any(1)
    for step in range(STEPS):
        logit = _forward(x, shift, factor, *weights)  # (K, N)
        loss = F.binary_cross_entropy_with_logits(logit, y.expand_as(logit), reduction="none")
        with torch.no_grad():
            found = torch.where(judged, (judge * loss).sum(1), torch.full((k,), -float(step)))
            running = step - chosen <= PATIENCE
            better = (found < best) & running
            best = torch.where(better, found, best)
            kept = torch.where(better[:, None], logit.detach(), kept)
            chosen = torch.where(better, torch.full((k,), float(step)), chosen)
        if not running.any():
            break
        optimizer.zero_grad()
        (weight * loss).sum().backward()
        optimizer.step()
    return kept.double().numpy(), chosen.long().tolist()


def _forward(
    x: Tensor, shift: Tensor, factor: Tensor, first: Tensor, bias: Tensor, second: Tensor, offset: Tensor
) -> Tensor:
    """Log-odds (K, N): each fold's standardisation is folded into its first layer."""
    scaled = first * factor[..., None]  # (K, D, H)
    bias = bias - torch.einsum("kd,kdh->kh", shift, scaled)
    hidden = x @ scaled.permute(1, 0, 2).flatten(1) + bias.flatten()  # (N, K · H)
    hidden = F.relu(hidden).unflatten(1, bias.shape)
    return torch.einsum("nkh,kh->kn", hidden, second) + offset[:, None]


def _standardisation(x: np.ndarray, train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and inverse deviation (K, D) over each training fold; a constant feature counts for nothing."""
    mean = np.stack([x[rows].mean(0) for rows in train])
    scale = np.stack([x[rows].std(0) for rows in train])
    constant = scale <= 1e-6 * np.abs(mean)
    factor = np.where(constant, 0, 1 / np.where(constant, 1, scale))
    return mean, factor.astype(np.float32)


def _balanced(rows: np.ndarray, label: np.ndarray) -> Tensor:
    """Weights (K, N) of `rows` that give both labels half of a total of 1; zeros where there is no row."""
    weight = np.zeros(rows.shape, np.float32)
    for value in (0, 1):
        of = rows & (label == value)
        weight += 0.5 * of / np.maximum(of.sum(1, keepdims=True), 1)
    return torch.from_numpy(weight)
