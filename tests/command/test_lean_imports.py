"""Training starts without the metrics that Lightning would load, and they are there when asked for."""

import subprocess
import sys

CODE = """
import sys
from align.command.lean_imports import without_metrics

without_metrics()
import align.fit
from lightning_fabric.utilities.imports import _TORCHMETRICS_GREATER_EQUAL_1_0_0
from pytorch_lightning.trainer.connectors.logger_connector import result

unneeded = {"torchmetrics.functional", "torchvision", "scipy", "sklearn", "pandas", "cv2", "tensorboard"}
assert not unneeded & set(sys.modules), unneeded & set(sys.modules)
assert _TORCHMETRICS_GREATER_EQUAL_1_0_0
import torchmetrics.functional.regression
from torchmetrics import MeanSquaredError, Metric

assert issubclass(MeanSquaredError, result.Metric) and Metric is result.Metric
assert torchmetrics.functional.regression.r2_score and torchmetrics.Accuracy
"""


def test_training_starts_without_what_it_does_not_need():
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
