"""Batches made ahead, and windows gathered on another device."""

import threading
from itertools import count, islice

import numpy as np
import pytest
import torch

from align.data.episodes import read_store
from align.data.windows import Windows
from align.datamodule import CotrainingData
from align.domain import Domain
from align.step import batches
from align.step.batches import ahead, labels, moved


def _numbers(stop=None):
    for i in count():
        if i == stop:
            raise ValueError("no more")
        yield {"x": torch.tensor(i), "n_sim": i}


def _threads():
    return [t for t in threading.enumerate() if t.name == "batches"]


def test_batches_made_ahead_are_the_same_and_their_thread_ends_with_them():
    made = ahead(_numbers())
    assert [int(b["x"]) for b in islice(made, 7)] == list(range(7)) and _threads()
    made.close()
    assert not _threads()
    assert [b["n_sim"] for b in ahead(islice(_numbers(), 3))] == [0, 1, 2] and not _threads()


def test_what_goes_wrong_ahead_is_raised_when_it_is_its_turn():
    made = ahead(_numbers(stop=3))
    assert [b["n_sim"] for b in islice(made, 3)] == [0, 1, 2]
    with pytest.raises(ValueError, match="no more"):
        next(made)
    assert not _threads()


def test_windows_moved_have_everything_there_and_leave_the_old_ones(stores):
    windows = Windows(read_store(stores["sim"]), np.arange(4))
    there = windows.to(torch.device("meta"))
    kept = [x.device.type for x in vars(windows).values() if isinstance(x, torch.Tensor)]
    gone = [x.device.type for x in vars(there).values() if isinstance(x, torch.Tensor)]
    assert set(kept) == {"cpu"} and set(gone) == {"meta"} and len(kept) == len(gone) > 4
    here, batch = windows.gather(torch.tensor([3, 1])), there.gather(torch.tensor([3, 1]))
    for key, value in batch.items():
        assert (
            value.device.type == "meta" and value.shape == here[key].shape and value.dtype == here[key].dtype
        )
    assert windows.n_bytes == 8 * 20 * (16 * 16 * 3 + 2 * 4 + 2 * 4)


@pytest.mark.parametrize(("free", "fits"), [(400_000, True), (200_000, False)])
def test_data_move_to_a_gpu_where_they_take_at_most_half_of_it(free, fits, stores, monkeypatch):
    windows = {Domain.SIM: Windows(read_store(stores["sim"]), np.arange(4))}
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (free, free))
    monkeypatch.setattr(Windows, "to", lambda self, device: ("moved", device))
    found = moved(windows, torch.device("cuda"))
    assert found == ({Domain.SIM: ("moved", torch.device("cuda"))} if fits else None)
    assert moved(windows, torch.device("cpu")) is None


def test_labels_are_in_the_order_of_the_samples():
    found = labels({Domain.SIM: 2, Domain.REAL: 1}, torch.ones(3))
    assert found["domain"].tolist() == [Domain.SIM, Domain.SIM, Domain.REAL]
    assert batches.SHARE <= 0.5


def test_whatever_holds_tensors_in_a_batch_is_moved():
    """Of a data module of a user's own there may be more in it than tensors and numbers."""
    batch = {"x": torch.ones(2), "n_sim": 2, "image": {"top": torch.ones(3)}, "told": [torch.ones(1)]}
    found = CotrainingData.transfer_batch_to_device(None, batch, torch.device("meta"), 0)
    assert found["n_sim"] == 2
    assert {x.device.type for x in (found["x"], found["image"]["top"], *found["told"])} == {"meta"}
