import numpy as np
import pytest
from PIL import Image
from synthetic_runs import embeddings

from align.analysis.reports.probe import probe_run

STEPS = {"denoiser@50": 0.0, "denoiser@5": 4.0, "denoiser.layers.1@5": 1.0}


@pytest.fixture
def run(tmp_path):
    """A run whose denoiser tells the domains apart at step 5 and not at step 50."""
    arrays = embeddings(episodes=5, windows=6)
    common = {name: arrays[name] for name in ("domain", "episode", "step", "image")}
    read = {site: arrays["image"] + shift * arrays["domain"][:, None] for site, shift in STEPS.items()}
    np.savez(tmp_path / "embeddings.npz", **common, **read, **{"untrained/denoiser@5": arrays["image"]})
    return tmp_path


def test_the_figure_is_written_where_there_are_steps_and_only_there(run):
    probe_run(run, probe="linear")
    assert Image.open(run / "probe_steps.png").size[0] == 1020  # one column at 300 dpi
    with np.load(run / "embeddings.npz") as archive:
        kept = {name: archive[name] for name in archive.files if "@50" not in name}
    np.savez(run / "embeddings.npz", **kept)
    probe_run(run, probe="linear")
    assert not (run / "probe_steps.png").exists()
