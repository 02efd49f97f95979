"""Writes `arm/1.0.0`: `python rlds_writes.py .`, with tensorflow-datasets and tensorflow."""

import sys

import numpy as np
import tensorflow_datasets as tfds
from rlds_truth import LENGTHS, SIZE, episode


class Arm(tfds.core.GeneratorBasedBuilder):
    """Episodes of an arm as RLDS has them."""

    VERSION = tfds.core.Version("1.0.0")

    def _info(self):
        observation = {
            "image": tfds.features.Image(shape=(*SIZE, 3), dtype=np.uint8, encoding_format="png"),
            "wrist_image": tfds.features.Image(shape=(*SIZE, 3), dtype=np.uint8, encoding_format="jpeg"),
            "state": tfds.features.Tensor(shape=(7,), dtype=np.float32),
        }
        flags = dict.fromkeys(("is_first", "is_last", "is_terminal"), np.bool_)
        steps = {
            "observation": tfds.features.FeaturesDict(observation),
            "action": tfds.features.Tensor(shape=(8,), dtype=np.float64),
            "reward": np.float32,
            "language_instruction": tfds.features.Text(),
            **flags,
        }
        features = tfds.features.FeaturesDict({"steps": tfds.features.Dataset(steps)})
        return tfds.core.DatasetInfo(builder=self, features=features)

    def _split_generators(self, _):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for n, length in enumerate(LENGTHS):
            arrays = episode(n, length)
            yield (
                n,
                {
                    "steps": [
                        {
                            "observation": {k: arrays[k][t] for k in ("image", "wrist_image", "state")},
                            "action": arrays["action"][t],
                            "reward": float(t == length - 1),
                            "language_instruction": "block to goal",
                            "is_first": t == 0,
                            "is_last": t == length - 1,
                            "is_terminal": t == length - 1,
                        }
                        for t in range(length)
                    ]
                },
            )


if __name__ == "__main__":
    Arm(data_dir=sys.argv[1]).download_and_prepare()
