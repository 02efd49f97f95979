"""Annotation: from which noise level on can a corrupt sample not be told from a clean one.

A classifier c(x_t, t) of clean versus corrupt is trained on noised samples, in balanced batches, so that it
tends to 1/2 where noise hides the difference. σ_min is the lowest level at which the mean of c over corrupt
samples exceeds τ (Ambient Diffusion Omni, arXiv 2506.10038). Every sample is judged by a classifier that was
trained without its episode: one that had seen it would know it at levels where no other could. Its episode
did say when that training should stop, so accuracy and calibration are a little too good.
"""

import copy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from align.diffusion.thresholds import Evaluation, Judgement
from align.errors import COUNT, SIZE, InputError, check_numbers
from align.networks.classifier import NoisyClassifier
from align.seeding import torch_generator

_ROWS = 8192  # samples classified at a time


class Sequences(NamedTuple):
    """Sequences of actions, as the denoiser sees them.

    Attributes:
        x: (N, H, A) normalised.
        episode: (N,) number of the episode of each; episodes are kept whole when data are split.
        condition: (N, C) what else the classifier is told; C may be 0.
    """

    x: Tensor
    episode: Tensor
    condition: Tensor

    def take(self, rows: Tensor) -> "Sequences":
        """Those of some rows: indices, or a mask."""
        return Sequences(*(values[rows] for values in self))


def fast_part(x: Tensor, degree: int, scale: Tensor) -> Tensor:
    """What of sequences is not a polynomial in time: where they go and how straight is taken out of them.

    It is given in an orthonormal basis, so that white noise on the sequences is white noise on it.

    Args:
        x: (N, H, A) normalised.
        degree: Largest degree that is taken out, below H − 1; 1 takes out motion at a steady pace.
        scale: (H, A) by which they were divided: polynomials are those of the data's units.

    Returns:
        (N, H − degree − 1, A).
    """
    time = torch.linspace(-1, 1, x.shape[1], dtype=torch.float64)
    powers = time[:, None] ** torch.arange(degree + 1)  # (H, degree + 1)
    bases = []
    for column in scale.double().T:
        slow_first, _ = torch.linalg.qr(powers / column[:, None], mode="complete")
        bases.append(slow_first[:, degree + 1 :])
    return torch.einsum("nha,ahk->nka", x.double(), torch.stack(bases)).to(x)


@dataclass(frozen=True)
class ClassifierOptions:
    """How the classifier is trained and asked.

    Args:
        width: Hidden units.
        blocks: Residual blocks.
        frequencies: Fourier features of each number of a sequence; see `NoisyClassifier`.
        max_steps: Training steps at most.
        batch_size: Samples a batch, half of them clean.
        learning_rate: Of AdamW.
        weight_decay: Of AdamW.
        every: Steps between evaluations on held-out episodes.
        patience: Evaluations without improvement after which training stops; the best one's weights are kept.
        folds: Parts into which episodes are split; each is judged by a classifier trained on the others.
        draws: Noise draws over which a sample's probability is averaged, 4 or more.
        levels: Noise levels at which samples are judged, spread evenly over the diffusion steps.

    Raises:
        InputError: A number is out of range.
    """

    width: int = 128
    blocks: int = 2
    frequencies: int = 0
    max_steps: int = 3000
    batch_size: int = 256
    learning_rate: float = 1e-3
    weight_decay: float = 1e-2
    every: int = 100
    patience: int = 6
    folds: int = 3
    draws: int = 4
    levels: int = 25

    def __post_init__(self):
        check_numbers(SIZE, whole=True, width=self.width)
        check_numbers("[0, 1000]", whole=True, blocks=self.blocks)
        check_numbers("[0, 60]", whole=True, frequencies=self.frequencies)
        check_numbers(COUNT, whole=True, max_steps=self.max_steps, every=self.every, patience=self.patience)
        check_numbers("[2, 1e6]", whole=True, batch_size=self.batch_size)
        check_numbers("(0, 10]", learning_rate=self.learning_rate)
        check_numbers("[0, 10]", weight_decay=self.weight_decay)
        check_numbers("[2, 65536]", whole=True, folds=self.folds, levels=self.levels)
        check_numbers("[4, 65536]", whole=True, draws=self.draws)

    def steps(self, train_steps: int) -> Tensor:
        """(L,) diffusion steps at which samples are judged, increasing."""
        return torch.linspace(0, train_steps - 1, min(self.levels, train_steps)).round().long()


def judge(
    clean: Sequences,
    corrupt: Sequences,
    sigmas: Tensor,
    options: ClassifierOptions | None = None,
    seed: int = 0,
) -> Judgement:
    """Train a classifier a fold and let each judge the fold it was not trained on.

    Args:
        clean: M samples.
        corrupt: N samples.
        sigmas: (T,) noise level of each diffusion step.
        options: How.
        seed: Of folds, weights, batches and noise.

    Raises:
        InputError: There are fewer episodes than folds.
    """
    options = options or ClassifierOptions()
    folds = [
        _folds(sequences, options.folds, seed, name)
        for name, sequences in (("clean", clean), ("corrupt", corrupt))
    ]
    steps = options.steps(len(sigmas))
    result = Judgement(
        sigmas[steps].double(),
        torch.empty(len(corrupt.x), len(steps)),
        torch.empty(len(corrupt.x), len(steps)),
        torch.empty(len(clean.x), len(steps)),
    )
    for fold in range(options.folds):
        ours = [f == fold for f in folds]
        train = [sequences.take(~rows) for sequences, rows in zip((clean, corrupt), ours, strict=True)]
        held_out = [sequences.take(rows) for sequences, rows in zip((clean, corrupt), ours, strict=True)]
        net, history = train_classifier(*train, *held_out, sigmas, options, seed, fold)
        generator = torch_generator(seed, "judgement", fold)
        draws = [probabilities(net, held_out[1], sigmas, steps, generator) for _ in range(options.draws)]
        result.corrupt[ours[1]] = torch.stack(draws).mean(0)
        result.corrupt_once[ours[1]] = draws[0]
        result.clean_once[ours[0]] = probabilities(net, held_out[0], sigmas, steps, generator)
        result.histories.append(history)
    return result


def train_classifier(
    clean: Sequences,
    corrupt: Sequences,
    held_clean: Sequences,
    held_corrupt: Sequences,
    sigmas: Tensor,
    options: ClassifierOptions,
    seed: int,
    fold: int = 0,
) -> tuple[NoisyClassifier, list[Evaluation]]:
    """A classifier, with the weights of its best evaluation on held-out episodes; and all evaluations.

    The first is before training, where it says 1/2 of everything: where nothing that is learned holds for
    episodes that were not seen, that is what is kept.
    """
    with torch.random.fork_rng(devices=[]):  # weights are drawn from the global generator
        torch.manual_seed(torch_generator(seed, "classifier", fold).initial_seed())
        net = NoisyClassifier(
            *clean.x.shape[1:], clean.condition.shape[1], options.width, options.blocks, options.frequencies
        )
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay
    )
    generator, half = torch_generator(seed, "classifier batches", fold), options.batch_size // 2
    label = torch.cat([torch.ones(half), torch.zeros(half)])
    history: list[Evaluation] = []
    best = copy.deepcopy(net.state_dict())
    for step in range(options.max_steps + 1):
        if step % options.every == 0 or step == options.max_steps:
            seen = _evaluate(net, held_clean, held_corrupt, sigmas, options, seed, fold, step)
            if not history or seen.loss < min(e.loss for e in history):
                best = copy.deepcopy(net.state_dict())
            history.append(seen)
            if step - min(history, key=lambda e: e.loss).step >= options.patience * options.every:
                break
        if step == options.max_steps:
            break
        parts = [c.take(torch.randint(len(c.x), (half,), generator=generator)) for c in (clean, corrupt)]
        x, condition = (torch.cat([getattr(p, name) for p in parts]) for name in ("x", "condition"))
        t = torch.randint(len(sigmas), (2 * half,), generator=generator)
        logits = net(_noisy(x, sigmas[t], generator), t, condition)
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(logits, label).backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
    net.load_state_dict(best)
    return net.eval(), history


@torch.no_grad()
def probabilities(
    net: NoisyClassifier, sequences: Sequences, sigmas: Tensor, steps: Tensor, generator: torch.Generator
) -> Tensor:
    """Probability of being clean (N, L) of each sample at each diffusion step, of one noise draw."""
    columns = []
    for t in steps.tolist():
        rows = []
        for part in torch.arange(len(sequences.x)).split(_ROWS):
            some = sequences.take(part)
            noisy = _noisy(some.x, sigmas[t].expand(len(part)), generator)
            rows.append(net(noisy, torch.full((len(part),), t), some.condition).sigmoid())
        columns.append(torch.cat(rows))
    return torch.stack(columns, 1)


def _noisy(x: Tensor, sigma: Tensor, generator: torch.Generator) -> Tensor:
    sigma = sigma.to(x).view(-1, 1, 1)
    return (1 - sigma.square()).sqrt() * x + sigma * torch.randn(x.shape, generator=generator)


def _evaluate(net, clean: Sequences, corrupt: Sequences, sigmas, options, seed, fold, step) -> Evaluation:
    """At most 1,000 samples of each, with the same noise at every evaluation."""
    generator = torch_generator(seed, "classifier evaluation", fold)
    some = [c.take(torch.linspace(0, len(c.x) - 1, min(len(c.x), 1000)).long()) for c in (clean, corrupt)]
    steps = options.steps(len(sigmas))
    p_clean, p_corrupt = (
        probabilities(net, c, sigmas, steps, generator).double().clamp(1e-6, 1 - 1e-6) for c in some
    )
    loss = -(p_clean.log().mean() + (1 - p_corrupt).log().mean()) / 2
    return Evaluation(step, float(loss), p_corrupt.mean(0))


def _folds(sequences: Sequences, folds: int, seed: int, name: str) -> Tensor:
    """Fold (N,) of each sample; all of an episode in one."""
    episodes, which = sequences.episode.unique(return_inverse=True)
    if len(episodes) < folds:
        raise InputError(
            f"folds={folds}: there are {len(episodes)} {name} episodes; expected as many or more"
        )
    order = torch.randperm(len(episodes), generator=torch_generator(seed, f"folds/{name}"))
    return (order % folds)[which]
