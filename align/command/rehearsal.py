"""What training and what follows it will need, tried before anything is written."""

import pytorch_lightning as pl

from align.callbacks.embeddings import Embeddings
from align.callbacks.monitors import check_monitors
from align.callbacks.rollouts import Rollouts
from align.checkpoints.initial import start_from
from align.checks import check_alignment, check_auxiliary, check_image_fit, check_warmup
from align.datamodule import CotrainingData
from align.errors import InputError, one_line
from align.module import CotrainingModule
from align.run.ticking import telling


def find_mistakes(trainer: pl.Trainer, model: CotrainingModule, data: CotrainingData) -> None:
    """Read the data, and try all that training and what follows it will need.

    Args:
        trainer: Lightning's, with its callbacks.
        model, data: What is to be trained, on what; the data are told whom they serve.

    Raises:
        InputError: The data or the policy cannot be used.
    """
    model.policy.description()  # a component that no checkpoint could hold is refused now
    with telling("reading the demonstrations"):
        data.setup("fit")
    check_monitors(trainer, model.validated(data))
    if model.initial is not None:
        start_from(model.initial, model.policy, model.ema.model)
    quota = None if data.gated is not None else data.quota
    told = check_alignment(model.alignment, model.weighting, data.real_alpha, data.batch_size, quota)
    model.make_readout(data)
    rises = check_warmup(model.weighting, model.alignment_warmup, trainer.max_steps)
    told = [told, rises, check_auxiliary(model.auxiliary, data.real_alpha, data.batch_size, quota)]
    told.append(check_image_fit(data.reading.image_fit, data.reading.image_size))
    if trainer.is_global_zero:
        print(*filter(None, told), sep="\n", end="\n" if any(told) else "")
    _try_policy(trainer, model, data)


def _try_policy(trainer: pl.Trainer, model: CotrainingModule, data: CotrainingData) -> None:
    """Embed a few samples at every site, and begin a trial in each world it is to be evaluated in."""
    batch = next(data.held_out_batches(7))  # a prime: a site's output must be a multiple of it
    sites = next(c for c in trainer.callbacks if isinstance(c, Embeddings)).sites
    try:
        model.embed(batch, sites=sites)
    except RuntimeError as error:
        raise InputError(f"the policy does not fit the data: {one_line(error)}") from None
    for callback in trainer.callbacks:
        if isinstance(callback, Rollouts):
            stores = {store.path: store.attrs for w in data.train.values() for store in w.episodes.stores}
            told = callback.try_worlds(model.policy, data.image_shapes, stores)
            data.notes += [note for note in told if note not in data.notes]
