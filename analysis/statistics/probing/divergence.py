"""A divergence by classifiers: what an adversarial objective is there to lower."""

import numpy as np

from align.analysis.statistics.probing.cross_validation import FOLDS, grouped_folds
from align.analysis.statistics.probing.probe import Embeddings
from align.domain import Domain
from align.seeding import numpy_rng

STEPS, EVERY, LEARNING_RATE = 300, 10, 3e-3


def divergence(objective, data: Embeddings) -> float:
    """How well classifiers of an adversarial objective's kind tell the domains apart, trained anew.

    The objective's own has learned along with one encoder and says nothing of another. These are trained on
    some of the held-out episodes, for as long as others gain, and judged on a third part.

    Args:
        objective: An `align.alignment.adversarial.Adversarial`: names the classifier's widths and whether
            its layers have bounded Lipschitz constants.
        data: Embeddings of one site, as they are: a bounded classifier sees their scale.

    Returns:
        log 2 − balanced cross-entropy, nats: a lower bound of the Jensen-Shannon divergence (Goodfellow et
        al. 2014, arXiv 1406.2661, theorem 1). 0.69 where they are told apart without error, 0 or slightly
        below where not at all.
    """
    import torch

    from align.alignment.adversarial import Discriminator, classification_loss

    fold = torch.from_numpy(grouped_folds(data.domain, data.episode, FOLDS, numpy_rng(0, "divergence")))
    x, sim = torch.from_numpy(data.x).float(), torch.from_numpy(data.domain == Domain.SIM)
    folds = int(fold.max()) + 1

    def loss(classifier: Discriminator, rows: torch.Tensor) -> torch.Tensor:
        return classification_loss(classifier(x[rows & sim]), classifier(x[rows & ~sim]))

    losses = []
    for k in range(folds):
        test, stopping = fold == k, fold == (k + 1) % folds
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            classifier = Discriminator(x.shape[1], objective.widths, objective.spectral_norm)
        optimizer = torch.optim.AdamW(classifier.parameters(), LEARNING_RATE)
        seen = []  # losses on the episodes that choose the step, and on those that judge it
        for step in range(STEPS + 1):
            if step % EVERY == 0:
                classifier.eval()
                with torch.no_grad():
                    seen.append((float(loss(classifier, stopping)), float(loss(classifier, test))))
                classifier.train()
            optimizer.zero_grad()
            loss(classifier, ~(test | stopping)).backward()
            optimizer.step()
        losses.append(min(seen)[1])
    return float(np.log(2) - np.mean(losses))
