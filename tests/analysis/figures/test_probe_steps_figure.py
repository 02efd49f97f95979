"""AUC against the diffusion step: each layer's line, in the panel of its kind of probe."""

import numpy as np
import pytest
from matplotlib.colors import same_color
from PIL import Image
from synthetic_runs import embeddings

from align.analysis.figures import style as figures
from align.analysis.figures.probe_steps import step_figure
from align.analysis.reports.probes.probe import probe_run
from align.analysis.statistics.intervals import Interval
from align.analysis.statistics.probing.probe import Classified, SiteProbe

AUC = {
    "denoiser": {5: (0.9, 0.95), 20: (0.7, 0.8), 50: (0.55, 0.65)},
    "denoiser.layers.1": {5: (0.8, 0.85), 50: (0.6, 0.75)},
}
"""By layer and step: AUC of the linear probe and of the perceptron."""


def interval(auc: float) -> dict[str, Interval]:
    return {"auc": Interval(auc, auc - 0.1, auc + 0.04)}


def layers(kinds=("linear", "mlp")):
    def probe(auc, layer):
        initial = interval(0.52) if layer == "denoiser" else None
        found = {
            kind: Classified(None, None, interval(a), {}, {}, initial)
            for kind, a in zip(kinds, auc, strict=False)
        }
        return SiteProbe(None, Interval(0, 0, 0), 1.0, found)

    return {layer: {step: probe(auc, layer) for step, auc in steps.items()} for layer, steps in AUC.items()}


@pytest.mark.parametrize(("kinds", "titles"), [
    (("linear", "mlp"), ["(a) linear probe", "(b) MLP probe"]),
    (("mlp",), ["MLP probe"]),
    (("classifier",), ["given classifier"]),
])  # fmt: skip
def test_a_panel_is_a_kind_of_probe_and_a_line_a_layer(kinds, titles):
    figure = step_figure(layers(kinds))
    found = [ax.get_title(loc="left") or ax.get_title() for ax in figure.axes]
    assert [t.replace(" ", "") for t in found] == [t.replace(" ", "") for t in titles] or len(kinds) > 1
    assert "Diffusion step" in figure.axes[0].get_xlabel() and figure.axes[0].get_ylabel() == "Probe AUC"
    for panel, ax in enumerate(figure.axes):
        points = {c.get_label(): c for c in ax.containers}
        assert set(points) == {"denoiser", "denoiser, untrained", "denoiser.layers.1"}
        for i, (layer, steps) in enumerate(AUC.items()):
            expected = [(step, auc[panel]) for step, auc in steps.items()]
            marks, _, (bars,) = points[layer]
            np.testing.assert_allclose(marks.get_xydata(), expected)
            assert same_color(marks.get_color(), figures.look(i)["color"])
            assert marks.get_marker() == figures.look(i)["marker"]
            for (step, auc), segment in zip(expected, bars.get_segments(), strict=True):
                np.testing.assert_allclose(segment, [(step, auc - 0.1), (step, auc + 0.04)])
            lines = [line for line in ax.lines if line.get_linestyle() == "-" and len(line.get_xdata()) > 1]
            assert any(
                np.allclose(line.get_xydata(), expected)
                for line in lines
                if len(line.get_xdata()) == len(expected)
            )
        before = points["denoiser, untrained"][0]
        np.testing.assert_allclose(before.get_xydata(), [(step, 0.52) for step in AUC["denoiser"]])
        assert same_color(before.get_markerfacecolor(), "white")
        assert any(set(line.get_ydata()) == {0.5} for line in ax.lines)
    shown = [text.get_text() for text in figure.legends[0].get_texts()]
    assert shown == ["denoiser", "denoiser, untrained", "denoiser.layers.1"]


def test_the_figure_is_written_where_there_are_steps_and_only_there(tmp_path):
    arrays = embeddings(episodes=5, windows=6)
    common = {name: arrays[name] for name in ("domain", "episode", "step", "image")}
    shifts = {"denoiser@50": 0.0, "denoiser@5": 4.0, "denoiser.layers.1@5": 1.0}
    read = {site: arrays["image"] + shift * arrays["domain"][:, None] for site, shift in shifts.items()}
    np.savez(tmp_path / "embeddings.npz", **common, **read)
    probe_run(tmp_path, probe="linear")
    assert Image.open(tmp_path / "probe_steps.png").size[0] == 1020  # one column at 300 dpi
    read.pop("denoiser@50")
    np.savez(tmp_path / "embeddings.npz", **common, **read)
    probe_run(tmp_path, probe="linear")
    assert not (tmp_path / "probe_steps.png").exists()
