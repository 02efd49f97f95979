"""Batches of held-out windows, and of training: the latter are gathered on the GPU where the data fit there,
otherwise ahead of time in a thread."""

import itertools
import queue
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import IterableDataset

from align.data.windows import Windows
from align.domain import Domain
from align.errors import InputError

SHARE = 0.5
"""Of the GPU's memory that is free when training begins, what the data may take."""


class TrainingBatches(IterableDataset):
    """An endless stream of batches, from the trainer's current step: a resumed run sees what it would have.

    Each process takes an equal share of each domain's samples of the global batch.

    Args:
        data: The `CotrainingData` that they are of, set up.
    """

    def __init__(self, data):
        self.data = data

    def __iter__(self) -> Iterator[dict[str, Any]]:
        data, trainer = self.data, self.data.trainer
        device = trainer.strategy.root_device
        steps = itertools.count(trainer.global_step)
        rank, processes = trainer.global_rank, trainer.world_size
        if data.gated is not None:
            batches = _gated(data, steps, rank, processes)
        else:
            for n in (data.quota, data.batch_size - data.quota):
                if n % processes:
                    raise InputError(
                        f"batch_size={data.batch_size}: {n} do not divide by {processes} devices"
                    )
            windows = moved(data.train, device)
            batches = _mixed(data, steps, rank, processes, windows or data.train)
            if windows is not None:
                return batches
        return ahead(batches) if device.type == "cuda" else batches


class HeldOutBatches(IterableDataset):
    """Held-out windows, sim then real, spread evenly over the episodes.

    Args:
        held_out: Windows of each domain.
        per_domain: How many of each there are at most.
        batch_size: Windows a batch, of one domain.
    """

    def __init__(self, held_out: Mapping[Domain, Windows], per_domain: int, batch_size: int = 128):
        self.held_out, self.per_domain, self.batch_size = held_out, per_domain, batch_size

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        for domain in Domain:
            windows = self.held_out[domain]
            for rows in windows.spread(self.per_domain).split(self.batch_size):
                batch = windows.gather(rows)
                yield {**batch, **labels({domain: len(rows)}, torch.ones(len(rows)))}


def moved(windows: Mapping[Domain, Windows], device: torch.device) -> dict[Domain, Windows] | None:
    """The windows with all their data on a GPU; `None` where it has no room for them, or is none."""
    if device.type != "cuda":
        return None
    if sum(w.n_bytes for w in windows.values()) > SHARE * torch.cuda.mem_get_info(device)[0]:
        return None
    return {domain: w.to(device) for domain, w in windows.items()}


def ahead(batches: Iterable[dict[str, Any]], depth: int = 2) -> Iterator[dict[str, Any]]:
    """The same batches, `depth` of them made ahead in a thread, in pinned memory where there is a GPU.

    What goes wrong there is raised here; the thread ends with the iterator.
    """
    made: queue.Queue = queue.Queue(depth)
    left = threading.Event()

    def put(item) -> bool:
        while not left.is_set():
            try:
                made.put(item, timeout=0.1)
                return True
            except queue.Full:
                pass
        return False

    def make() -> None:
        try:
            for batch in batches:
                if not put((_pinned(batch), None)):
                    return
            put((None, None))
        except BaseException as error:  # whatever it is, it is raised where the batches are used
            put((None, error))

    thread = threading.Thread(target=make, name="batches", daemon=True)
    thread.start()
    try:
        while True:
            batch, error = made.get()
            if error is not None:
                raise error
            if batch is None:
                return
            yield batch
    finally:
        left.set()
        thread.join()


def _pinned(batch: dict[str, Any]) -> dict[str, Any]:
    if not torch.cuda.is_available():
        return batch
    return {key: x.pin_memory() if isinstance(x, Tensor) and not x.is_cuda else x for key, x in batch.items()}


def _mixed(
    data, steps: Iterable[int], rank: int, processes: int, windows: Mapping[Domain, Windows]
) -> Iterator[dict[str, Any]]:
    """Batches of fixed quotas, of sim first: how many these are is `n_sim`."""
    known = None
    for step in steps:
        indices = {d: i[rank::processes] for d, i in data.sampler.batch(step).items() if len(i)}
        parts = [windows[d].gather(i) for d, i in indices.items()]
        batch = {key: torch.cat([part[key] for part in parts]) for key in parts[0]}
        if known is None:
            counts = {d: len(indices.get(d, ())) for d in Domain}
            weight = torch.cat([weights[rank::processes] for weights in data.weights().values()])
            known = labels(counts, weight)
            known = {key: x.to(batch["action"].device) for key, x in known.items()}
        yield {**batch, **known, "n_sim": counts[Domain.SIM]}


def _gated(data, steps: Iterable[int], rank: int, processes: int) -> Iterator[dict[str, Any]]:
    for step in steps:
        batch = data.gated.batch(step, rank, processes)
        if processes == 1:  # of several, each has its own share of sim
            batch["n_sim"] = int((batch["domain"] == Domain.SIM).sum())
        yield batch


def labels(counts: Mapping[Domain, int], weight: Tensor) -> dict[str, Tensor]:
    """What a batch of so many samples of each domain, in order, says of them: "domain" and "weight" (B,)."""
    domain = torch.cat([torch.full((n,), int(d)) for d, n in counts.items()])
    return {"domain": domain, "weight": weight}
