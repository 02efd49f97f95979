"""Images that are grey, as depth is, have a fourth channel or are not square, trained on to the end."""

from dataclasses import asdict

import numpy as np
import pytest
from random_episodes import random_episode

from align.cli import main
from align.data.episodes import write_store
from align.seeding import numpy_rng
from align.worlds.pushing.gaps import SIM


@pytest.mark.parametrize("shape", [(16, 16, 1), (16, 16, 4), (16, 24, 3)], ids=str)
def test_images_that_no_world_here_draws_are_embedded_as_they_are(shape, write_config, tmp_path):
    rng = numpy_rng(0, "channels")
    for name in ("sim", "real"):  # whose states could be drawn anew, were they square RGB
        episodes = [random_episode(rng) for _ in range(6)]
        for episode in episodes:
            episode["img"] = rng.integers(0, 256, (len(episode["img"]), *shape), dtype=np.uint8)
        write_store(
            tmp_path / f"{name}.zarr", episodes, {"domain": name, "world": asdict(SIM)}, overwrite=True
        )
    changes = {"model.policy.encoder.init_args.in_channels": shape[2], "embeddings": {"paired": 10}}
    assert main(["fit", "--config", write_config(**changes)]) == 0
    found = np.load(tmp_path / "run/embeddings.npz")
    assert found["thumbnail"].shape[-1] == 3 and np.isfinite(found["image"]).all()
    assert not (tmp_path / "run/paired.npz").exists()
