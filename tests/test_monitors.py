"""A callback that watches a metric that does not exist is refused, with the metrics that there are."""

from pathlib import Path

import pytest
from pytorch_lightning.callbacks import ModelCheckpoint

from align.cli import main

CALLBACKS = "pytorch_lightning.callbacks"


def _watching(kind: str, monitor: str, **options) -> dict:
    arguments = {"monitor": monitor, **options}
    return {"trainer.callbacks": [{"class_path": f"{CALLBACKS}.{kind}", "init_args": arguments}]}


@pytest.mark.parametrize("kind", ["EarlyStopping", "ModelCheckpoint"])
def test_a_metric_that_no_validation_logs_is_refused_before_training(kind, write_config, refused):
    refused(
        write_config(**_watching(kind, "val_loss")),
        f"trainer.callbacks: {kind}: monitor='val_loss': no such metric; expected one of ",
        "val/loss_real",
        "val/mmd2",
    )


def test_a_metric_of_training_is_refused_when_it_is_known(write_config, capsys):
    config = write_config(**_watching("EarlyStopping", "train/typo"))
    assert main(["fit", "--config", config]) == 2
    line = capsys.readouterr().err
    assert "trainer.callbacks: EarlyStopping: monitor='train/typo': no such metric; expected one of" in line
    assert "val/loss_sim" in line and line.count("\n") == 1


def test_metrics_that_there_are_are_watched(write_config, tmp_path):
    both = _watching("EarlyStopping", "val/loss_real", patience=9)["trainer.callbacks"]
    both += _watching("EarlyStopping", "any", strict=False)["trainer.callbacks"]
    arguments = {"monitor": "val/mmd2", "dirpath": str(tmp_path / "best")}
    both += [{"class_path": f"{CALLBACKS}.{ModelCheckpoint.__name__}", "init_args": arguments}]
    config = write_config(**{"trainer.callbacks": both, "trainer.log_every_n_steps": 1})
    assert main(["fit", "--config", config]) == 0
    assert list(Path(tmp_path / "best").glob("*.ckpt"))
