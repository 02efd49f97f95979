"""Does an objective lower its own distance? Measured anew on held-out embeddings, of any run.

The value logged in training is of the batches that the encoder learned from; this one is of episodes that it
never saw, and can be taken of a run that was trained without the objective.
"""

import os
from pathlib import Path

import numpy as np

from align.analysis.reports.probe import load_embeddings
from align.analysis.statistics.probing.cross_validation import grouped_folds
from align.analysis.statistics.probing.probe import Embeddings
from align.domain import Domain
from align.errors import InputError
from align.run.config import run_config
from align.run.layout import EMBEDDINGS
from align.seeding import numpy_rng

FOLDS = 5
STEPS, EVERY, LEARNING_RATE = 300, 10, 3e-3


def own_distance(run_dir: str | os.PathLike, objective_of: str | os.PathLike) -> float | None:
    """The distance between sim and real held-out embeddings of a run, by the objective of another.

    Args:
        run_dir: The run whose embeddings are compared, at the site that the other aligned.
        objective_of: The run whose `config.yaml` names the objective; may be the same.

    Returns:
        For adversarial objectives `divergence`. None where it cannot be said: the objective joins embeddings
        with actions that older runs did not keep, or cannot be imported from here; or the run has no such
        site.
    """
    import torch  # takes seconds to load

    from align.alignment.adversarial import Adversarial
    from align.alignment.objective import Objective, Samples
    from align.description import build

    model = run_config(objective_of).get("model") or {}
    found = {data.site: data for data in load_embeddings(run_dir)}
    if not model.get("alignment") or model["site"] not in found:
        return None
    try:
        objective = build({"init_args": {}, **model["alignment"]})
    except InputError:
        return None
    data, parts = found[model["site"]], {}
    with np.load(Path(run_dir) / EMBEDDINGS, allow_pickle=False) as archive:
        parts = {name: archive[name][data.row] for name in ("action", "agent_pos") if name in archive}
    if not isinstance(objective, Objective) or objective.of not in (None, *parts):
        return None
    if isinstance(objective, Adversarial):
        return divergence(objective, data)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # of layers made anew: none was kept that has learned
        objective.build(data.x.shape[1])
    objective.eval()
    parts = {name: torch.from_numpy(x).float().flatten(1) for name, x in parts.items()}
    whole = Samples(torch.from_numpy(data.x), **parts)
    rows = {d: torch.from_numpy(data.domain == d) for d in Domain}
    with torch.no_grad():
        return float(objective(*(whole.each(lambda x, d=d: x[rows[d]]) for d in Domain)))


def divergence(objective, data: Embeddings, seed: int = 0) -> float:
    """How well classifiers of an adversarial objective's kind tell the domains apart, trained anew.

    The objective's own has learned along with one encoder and says nothing of another. These are trained on
    some of the held-out episodes, for as long as others gain, and judged on a third part.

    Args:
        objective: An `align.alignment.adversarial.Adversarial`: names the classifier's widths and whether
            its layers have bounded Lipschitz constants.
        data: Embeddings of one site, as they are: a bounded classifier sees their scale.
        seed: Of the folds and first weights.

    Returns:
        log 2 − balanced cross-entropy, nats: a lower bound of the Jensen-Shannon divergence (Goodfellow et
        al. 2014, arXiv 1406.2661, theorem 1). 0.69 where they are told apart without error, 0 or slightly
        below where not at all.
    """
    import torch

    from align.alignment.adversarial import Discriminator, classification_loss

    fold = torch.from_numpy(grouped_folds(data.domain, data.episode, FOLDS, numpy_rng(seed, "divergence")))
    x, sim = torch.from_numpy(data.x).float(), torch.from_numpy(data.domain == Domain.SIM)
    folds = int(fold.max()) + 1

    def loss(classifier: Discriminator, rows: torch.Tensor) -> torch.Tensor:
        return classification_loss(classifier(x[rows & sim]), classifier(x[rows & ~sim]))

    losses = []
    for k in range(folds):
        test, stopping = fold == k, fold == (k + 1) % folds
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
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
