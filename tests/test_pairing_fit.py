"""Pairs of aligned windows in training, through `align fit`."""

import json

import pytest
import torch

from align.cli import main
from align.data.pairing import Pairing
from align.domain import Domain

OBJECTIVES = {"sinkhorn": "SinkhornDivergence", "unbalanced": "UnbalancedOT"}


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_transport_between_pairs(write_config, tmp_path, capsys, objective):
    changes = {
        "model.alignment": {"class_path": f"align.alignment.{OBJECTIVES[objective]}"},
        "model.alignment_weight": 0.5,
        "data.pairing": {"key": "action", "neighbours": 3, "cache": str(tmp_path / "pairs")},
    }
    assert main(["fit", "--config", write_config(**changes)]) == 0
    summary = json.loads((tmp_path / "run/summary.json").read_text())
    assert summary["steps"] == 6 and summary["train_alignment"] > 0
    assert "4 sim + 4 real windows a batch, 4 of each in aligned pairs" in capsys.readouterr().out
    assert len(list((tmp_path / "pairs").glob("pairs-*.npz"))) == 1


def test_batches_hold_the_partners_of_their_real_windows(write_config, monkeypatch):
    from align.module import CotrainingModule

    seen, data = [], []
    step = CotrainingModule.training_step

    def watched(self, batch, batch_idx):
        seen.append(batch)
        data.append(self.trainer.datamodule)
        return step(self, batch, batch_idx)

    monkeypatch.setattr(CotrainingModule, "training_step", watched)
    options = {"data.pairing": {"neighbours": 1}, "trainer.max_steps": 3}
    assert main(["fit", "--config", write_config(**options)]) == 0
    sim, real = (data[0].train[d] for d in Domain)
    partners = Pairing(neighbours=1).match(sim, real)
    allowed = set()
    for w in range(len(real)):
        for s in range(partners.low[w, 0], partners.high[w, 0] + 1):
            pair = (which.gather(torch.tensor([i]), images=False) for which, i in ((sim, s), (real, w)))
            allowed.add(tuple((int(p["episode"]), int(p["step"])) for p in pair))
    for batch in seen:
        places = list(zip(batch["episode"].tolist(), batch["step"].tolist(), strict=True))
        assert batch["domain"].tolist() == [Domain.SIM] * 4 + [Domain.REAL] * 4
        assert set(zip(places[:4], places[4:], strict=True)) <= allowed


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data.pairing": {"neighbours": 0}}, ["neighbours", "0", "[1, 1e9]"]),
        ({"data.pairing": {"nieghbours": 3}}, ["nieghbours"]),
        ({"data.pairing": {"key": "pose"}}, ["key", "pose"]),
        ({"data.pairing": {}, "data.alpha": 1.0}, ["pairing", "alpha=1.0", "one domain"]),
    ],
)
def test_refusals(write_config, refused, changes, words):
    refused(write_config(**changes), *words)
