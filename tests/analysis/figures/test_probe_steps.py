import numpy as np
import pytest
from PIL import Image
from synthetic_runs import embeddings

from align.analysis.figures.probe_steps import by_layer
from align.analysis.reports.probe import load_embeddings, probe_run, probe_site

STEPS = {"denoiser@50": 0.0, "denoiser@5": 4.0, "denoiser.layers.1@5": 1.0}


@pytest.fixture
def run(tmp_path):
    """A run whose denoiser tells the domains apart at step 5 and not at step 50."""
    arrays = embeddings(episodes=5, windows=6)
    common = {name: arrays[name] for name in ("domain", "episode", "step", "image")}
    read = {site: arrays["image"] + shift * arrays["domain"][:, None] for site, shift in STEPS.items()}
    np.savez(tmp_path / "embeddings.npz", **common, **read, **{"untrained/denoiser@5": arrays["image"]})
    return tmp_path


def test_a_layer_read_at_two_steps_or_more_is_a_line_over_increasing_steps(run):
    probes = [probe_site(data, kind="linear") for data in load_embeddings(run)]
    layers = by_layer(probes)
    assert {layer: list(steps) for layer, steps in layers.items()} == {"denoiser": [5, 50]}
    auc = {step: probe.statistics["auc"].value for step, probe in layers["denoiser"].items()}
    assert auc[5] > 0.95 > 0.75 > auc[50]
    assert not by_layer([p for p in probes if p.data.site != "denoiser@5"])


def test_the_figure_is_written_where_there_are_steps_and_only_there(run):
    probe_run(run, kind="linear")
    assert Image.open(run / "probe_steps.png").size[0] == 1020  # one column at 300 dpi
    with np.load(run / "embeddings.npz") as archive:
        kept = {name: archive[name] for name in archive.files if "@50" not in name}
    np.savez(run / "embeddings.npz", **kept)
    probe_run(run, kind="linear")
    assert not (run / "probe_steps.png").exists()
