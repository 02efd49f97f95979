"""Does an objective lower its own distance? Measured anew on held-out embeddings, of any run.

The value logged in training is of the batches that the encoder learned from; this one is of episodes that it
never saw, and can be taken of a run that was trained without the objective.
"""

import os
import sys
from pathlib import Path

from align.analysis.reports.probes.probe import load_embeddings
from align.analysis.statistics.probing.divergence import divergence
from align.domain import Domain
from align.errors import InputError, printable
from align.run.config import run_config
from align.run.layout import CONFIG, EMBEDDINGS
from align.run.reading import read_arrays, reading


def own_distance(run_dir: str | os.PathLike, objective_of: str | os.PathLike) -> float | None:
    """The distance between sim and real held-out embeddings of a run, by the objective of another.

    Args:
        run_dir: The run whose embeddings are compared, at the site that the other aligned.
        objective_of: The run whose `config.yaml` names the objective; may be the same.

    Returns:
        For adversarial objectives `divergence`. None where it cannot be said: the objective joins embeddings
        with positions, which are kept in the data's units, or with actions that older runs did not keep, or
        is of a class that is not trusted; or the run has no such site.
    """
    import torch  # takes seconds to load

    from align.alignment.adversarial import Adversarial
    from align.alignment.objective import Objective, Samples
    from align.checkpoints.description import build

    model = run_config(objective_of).get("model", {})
    found = {data.site: data for data in load_embeddings(run_dir)}
    if not model.get("alignment") or str(model.get("site")) not in found:
        return None
    with reading(Path(objective_of) / CONFIG, "a configuration of align fit"):
        described = {"init_args": {}, **model["alignment"]}
    try:
        objective = build(described)
    except InputError as error:
        print(printable(f"{objective_of}: its own distance is not measured: {error}"), file=sys.stderr)
        return None
    data, parts = found[model["site"]], {}
    stored = read_arrays(Path(run_dir) / EMBEDDINGS, ("action",))  # positions are kept as the data have them
    parts = {name: values[data.row] for name, values in stored.items()}
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
