import json

import numpy as np
import pytest
import torch
from google.protobuf import text_format
from matplotlib.colors import to_rgb
from PIL import Image
from synthetic_runs import write_run
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.projector import projector_config_pb2
from torch.utils.tensorboard import SummaryWriter

from align.alignment import MMD, Constrained, GradientRatio
from align.analysis import dashboard
from align.analysis.figures.style import DOMAIN_COLOUR
from align.analysis.reports.everything import report
from align.analysis.reports.probes.probe import load_embeddings, probe_run
from align.domain import Domain
from align.errors import InputError
from align.run.layout import EVENTS, SWEEP_EVENTS


@pytest.fixture(scope="module")
def sweep(tmp_path_factory):
    """Two probed runs, with training events, and a third that has only its point."""
    path = tmp_path_factory.mktemp("sweep")
    for value in (0.0, 0.1):
        run = write_run(path / f"lambda={value}", {"lambda": value, "seed": 0}, episodes=4, windows=5)
        with SummaryWriter(str(run)) as writer:
            writer.add_scalar("train/loss", 1.0, 0)
        probe_run(run)
    (path / "lambda=1").mkdir()
    (path / "lambda=1" / "point.json").write_text(json.dumps({"lambda": 1.0, "seed": 0}))
    report(path)
    return path


def events(folder):
    found = EventAccumulator(str(folder), size_guidance={"tensors": 0, "images": 0, "scalars": 0})
    return found.Reload()


def test_a_run_shows_scalars_curves_pictures_and_a_layout(sweep):
    run = sweep / "lambda=0.0"
    dashboard.write_run(run)
    found = events(run)
    probe = json.loads((run / "probe.json").read_text())["sites"]
    scalar = found.Scalars("probe/image/auc")
    assert len(scalar) == 1 and scalar[0].step == 100
    assert scalar[0].value == pytest.approx(probe["image"]["auc"]["value"], abs=1e-6)
    assert {"rollout/real/score", "rollout/sim/success_90"} <= set(found.Tags()["scalars"])
    assert {"rollouts", "probe/report"} == set(found.Tags()["images"])
    (shown,) = found.Images("rollouts")
    assert shown.encoded_image_string == (run / "rollouts.png").read_bytes()
    assert (shown.width, shown.height) == (128, 64)
    assert {"probe/image", "probe/observation", "probe/denoiser"} <= set(
        found.PluginTagToContent("pr_curves")
    )
    layout = layout_pb2.Layout.FromString(
        found.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    )
    tags = {c.title: [t for chart in c.chart for t in chart.multiline.tag] for c in layout.category}
    assert all(tag.endswith("$") for named in tags.values() for tag in named)  # not what begins so, too
    tags = {title: [tag.removesuffix("$") for tag in named] for title, named in tags.items()}
    assert set(tags) == {"losses", "alignment", "success", "probe"}
    assert {"val/loss_real", "train/loss"} <= set(tags["losses"]) and "train/grad_ratio" in tags["alignment"]
    assert "rollout/real/success_90" in tags["success"] and "probe/denoiser/auc" in tags["probe"]


def test_charts_that_would_be_empty_are_left_out(sweep):
    run = sweep / "lambda=0.0"
    summary = json.loads((run / "summary.json").read_text())
    kept = {name: value for name, value in summary.items() if not name.startswith("val_")}
    logged = ("train_loss", "train_auxiliary", "train_auxiliary_grad_ratio", "val_loss_real")
    (run / "summary.json").write_text(json.dumps(kept | dict.fromkeys(logged, 0.5)))
    dashboard.write_run(run)
    (run / "summary.json").write_text(json.dumps(summary))
    config = events(run).Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0]
    charts = {
        c.title: list(c.multiline.tag) for g in layout_pb2.Layout.FromString(config).category for c in g.chart
    }
    assert charts["auxiliary loss"] == ["train/auxiliary$"] and "what is left of the budget" not in charts
    # A chart is the same in every run that has it: TensorBoard would show two of one title side by side.
    assert charts["training"] == ["train/loss$", "train/denoise$"]
    assert charts["gradient-norm ratio"][-1] == "train/auxiliary_grad_ratio$"
    assert len(charts["gradient-norm ratio"]) == 3


def test_each_chart_shows_what_its_title_says_and_all_that_is_measured_is_in_one(sweep):
    run = sweep / "lambda=0.0"
    summary = (run / "summary.json").read_text()
    (run / "summary.json").unlink()  # then it is not known what the training logged: all may be there
    dashboard.write_run(run)
    (run / "summary.json").write_text(summary)
    found = events(run)
    layout = layout_pb2.Layout.FromString(
        found.Tensors("custom_scalars__config__")[-1].tensor_proto.string_val[0]
    )
    charts = {
        c.title: [t.removesuffix("$") for t in c.multiline.tag] for g in layout.category for c in g.chart
    }
    by_title = {"multiplier 1/λ": "multiplier", "what is left of the budget": "slack", "weight λ": "lambda"}
    assert {title: charts[title] for title in by_title} == {t: [f"train/{n}"] for t, n in by_title.items()}
    for weighting in (Constrained(), GradientRatio()):
        assert {f"train/{name}" for name in weighting.logs()} <= {t for tags in charts.values() for t in tags}
    assert charts["bandwidth"] == [f"train/{name}" for name in _logs_of_mmd()]
    measured = {tag for tag in found.Tags()["scalars"] if tag.startswith(("rollout/", "probe/"))}
    ends = {"score": ("score",), "success rate": ("success_90", "success_95", "success_pose", "held")}
    ends |= {"AUC and accuracy": ("auc", "accuracy"), "MMD² on held-out episodes": ("mmd2",)}
    for title, names in ends.items():
        assert set(charts[title]) == {t for t in measured if t.rpartition("/")[2] in names} != set(), title


def _logs_of_mmd() -> list[str]:
    objective, x = MMD(), torch.randn(8, 3)
    objective(x, x + 1)
    return list(objective.logs)


def test_every_site_is_in_the_projector_with_metadata_and_sprites(sweep):
    run = sweep / "lambda=0.0"
    dashboard.write_run(run)
    folder, config = run, projector_config_pb2.ProjectorConfig()
    text_format.Parse((folder / "projector_config.pbtxt").read_text(), config)
    assert [e.tensor_name.split(":")[0] for e in config.embeddings] == ["image", "observation", "denoiser"]
    for embedding, data in zip(config.embeddings, load_embeddings(run), strict=True):
        np.testing.assert_allclose(np.loadtxt(folder / embedding.tensor_path), data.x, rtol=1e-5)
        lines = (folder / embedding.metadata_path).read_text().splitlines()
        assert lines[0] == "domain\tepisode\tstep" and len(lines) == 1 + len(data.x)
        assert lines[1] == "sim\t0\t0" and lines[-1] == "real\t3\t4"
        sprite = np.asarray(Image.open(folder / embedding.sprite.image_path).convert("RGB"))
        side = int(np.ceil(np.sqrt(len(data.x))))
        assert sprite.shape == (32 * side, 32 * side, 3)
        first, last = sprite[:32, :32].mean((0, 1)), sprite[-64:-32].mean((0, 1))
        assert first[2] > first[0] and last[0] > last[2]  # sim is blue in the synthetic thumbnails, real red
        for corner, domain in ((sprite[0, 0], Domain.SIM), (sprite[32, 0], Domain.SIM)):
            np.testing.assert_allclose(corner / 255, to_rgb(DOMAIN_COLOUR[domain]), atol=0.01)
        row, column = divmod(len(data.x) - 1, side)
        of_last = sprite[32 * row : 32 * row + 32, 32 * column : 32 * column + 32] / 255
        frame = np.concatenate([of_last[0], of_last[-1], of_last[:, 0], of_last[:, -1]])
        np.testing.assert_allclose(frame, np.tile(to_rgb(DOMAIN_COLOUR[Domain.REAL]), (128, 1)), atol=0.01)
        assert not np.allclose(of_last[16, 16], to_rgb(DOMAIN_COLOUR[Domain.REAL]), atol=0.01)


def test_a_run_is_one_run_however_often_it_is_written(sweep):
    run = sweep / "lambda=0.1"
    training = {p: p.read_bytes() for p in run.glob("events*") if p.name not in (EVENTS, SWEEP_EVENTS)}
    (run / "report").mkdir(exist_ok=True)
    (run / "report" / "events.out.tfevents.1.older").write_bytes(b"")  # as dashboards left it once
    for _ in range(2):
        assert dashboard.write_run(run) == run / EVENTS
        assert (run / "projector_config.pbtxt").read_text().count("embeddings {") == 3
        dashboard.write_sweep(sweep)
    assert len(training) == 1 and all(p.read_bytes() == content for p, content in training.items())
    assert {p.name for p in run.glob("events*")} == {p.name for p in training} | {EVENTS, SWEEP_EVENTS}
    assert set(EventMultiplexer().AddRunsFromDirectory(str(sweep)).Runs()) == {
        "lambda=0.0",
        "lambda=0.1",
        "lambda=1",
        "report",
    }
    assert not [p for p in sweep.rglob(".*")], "nothing is left aside"


def test_the_sweep_has_an_entry_a_run_and_its_figures(sweep):
    folder = dashboard.write_sweep(sweep)
    for value, measured in (("0.0", True), ("0.1", True), ("1", False)):
        found = events(sweep / f"lambda={value}")
        content = found.PluginTagToContent("hparams")["_hparams_/session_start_info"]
        start = plugin_data_pb2.HParamsPluginData.FromString(content).session_start_info
        assert start.hparams["lambda"].number_value == float(value)
        assert ("final/rollout/real/score" in found.Tags()["scalars"]) == measured
    assert "sweep/lambda" in events(folder).Tags()["images"]


def test_a_run_with_nothing_to_show_is_refused(sweep, tmp_path):
    with pytest.raises(InputError, match="run_dir"):
        dashboard.write_run(sweep / "lambda=1")
    assert not (sweep / "lambda=1" / "report").exists()
    with pytest.raises(InputError, match="sweep="):
        dashboard.write_sweep(tmp_path)
