"""What a run and a sweep show in TensorBoard beyond the training's own scalars.

Everything is written anew, into event files of their own beside the training's, so that writing twice changes
nothing, the training's events stay as they are, and TensorBoard shows a run once. Open with `tensorboard
--logdir SWEEP`.
"""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.colors import to_rgb
from PIL import Image
from tensorboard.compat.proto.summary_pb2 import Summary
from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from align.analysis.figures.style import DOMAIN_COLOUR
from align.analysis.reports.probes.probe import load_embeddings
from align.analysis.reports.sweep import Metric, Sweep
from align.analysis.reports.sweep.run_table import HELD_OUT, PROBED, measures, read_trials
from align.domain import Domain
from align.errors import InputError, check_numbers
from align.files import atomic_path, write_text, writing_below
from align.run.layout import (
    EMBEDDINGS,
    EVENTS,
    GEOMETRY_PICTURE,
    PROBE,
    PROBE_PICTURE,
    PROBE_SCORES,
    PROBE_STEPS_PICTURE,
    PROJECTOR,
    REPORT,
    ROLLOUTS,
    ROLLOUTS_PICTURE,
    SUMMARY,
    SWEEP_EVENTS,
    TASK_PROBE_PICTURE,
)
from align.run.reading import is_there, of_file, read_arrays, read_json, reading

PICTURES = {
    "rollouts": ROLLOUTS_PICTURE,
    "probe/report": PROBE_PICTURE,
    "probe/steps": PROBE_STEPS_PICTURE,
    "probe/tasks": TASK_PROBE_PICTURE,
    "probe/geometry": GEOMETRY_PICTURE,
}
MOVED = ("acceleration", "jerk")  # of each world that kept paths, in the table of hyper-parameters
DISCERNED = ("auc", "mmd2")  # of each site, likewise


def write_run(run_dir: str | os.PathLike) -> Path:
    """Write a finished run's dashboard.

    From what the run directory holds: the layout of the custom scalars tab (losses, alignment, success,
    probe), final rollout and probe scalars, PR curves of the probe, the embeddings of each site in the
    projector with domain, episode, step and thumbnail, and the pictures.

    Args:
        run_dir: Run directory; files it lacks are left out.

    Returns:
        The event file written.

    Raises:
        InputError: The run has nothing to show yet.
    """
    run_dir = Path(run_dir)
    shown = (ROLLOUTS, PROBE, EMBEDDINGS, *PICTURES.values())
    if not any((run_dir / name).is_file() for name in shown):
        raise InputError(f"run_dir={run_dir}: expected a run directory holding one of {', '.join(shown)}")
    with _events(run_dir / EVENTS) as (writer, folder):
        scalars = _rollout_scalars(run_dir) | _probe_scalars(run_dir)
        writer.add_custom_scalars(_layout(list(scalars), _logged(run_dir)))
        step = _last_step(run_dir)
        for tag, value in scalars.items():
            writer.add_scalar(str(tag), value, step)
        _pr_curves(writer, run_dir, step)
        _projector(writer, run_dir)
        for tag, name in PICTURES.items():
            _picture(writer, tag, run_dir / name, step)
        writer.flush()
        _keep_projector(folder, run_dir)
    return run_dir / EVENTS


def check_shown(run_dir: Path) -> None:
    """Read what a dashboard takes from a run's training, before anything is written.

    Raises:
        InputError: Something of it is damaged.
    """
    _rollout_scalars(run_dir), _logged(run_dir), _last_step(run_dir), _pixels(run_dir / ROLLOUTS_PICTURE)


@contextlib.contextmanager
def _events(path: Path) -> Iterator[tuple[SummaryWriter, Path]]:
    """A writer of one event file, which appears whole at `path`, and the folder of what else it writes."""
    with writing_below(path), atomic_path(path) as target:
        folder = target.parent / "log"
        with SummaryWriter(str(folder)) as writer:
            yield writer, folder
        (written,) = folder.glob("events*")
        os.replace(written, target)


def _keep_projector(folder: Path, run_dir: Path) -> None:
    """Move what a writer left for the projector into the run, whose own configuration names it."""
    if (folder / PROJECTOR).is_file():
        with atomic_path(run_dir / REPORT) as target:
            target.mkdir()
            for embeddings in (path for path in folder.iterdir() if path.is_dir()):
                shutil.move(embeddings, target)
        text = re.sub(r'(path: ")', rf"\g<1>{REPORT}/", (folder / PROJECTOR).read_text())
        write_text(run_dir / PROJECTOR, text)
    for old in (run_dir / REPORT).glob("events*"):  # of a dashboard that was a run of its own
        old.unlink()


def write_sweep(sweep_dir: str | os.PathLike) -> Path:
    """Write a sweep's dashboard: the table of hyper-parameters, an entry a run, and the sweep's figures.

    Args:
        sweep_dir: A sweep. A run that lacks files is in the table with the metrics it has. The figures are
            those that `align.analysis.reports.everything.report` left.

    Returns:
        The folder written, `sweep_dir/report`.

    Raises:
        InputError: The sweep cannot be read.
    """
    sweep = Sweep(sweep_dir)
    axes = [c for c in sweep.frame.columns if "/" not in c and c not in ("run", "missing")]
    metrics = [Metric("rollout", w, name) for w in sweep.worlds for name in ("score", sweep.success)]
    metrics += [Metric("held_out", domain, name) for domain in sweep.held_out for name in HELD_OUT]
    metrics += [Metric("motion", w, name) for w in sweep.worlds for name in MOVED]
    metrics += [Metric("probe", s, name) for s in sweep.sites for name in DISCERNED]
    for row in sweep.frame.to_dict("records"):
        point = {axis: row[axis] for axis in axes if not pd.isna(row[axis])}
        measured = {f"final/{m}": row[str(m)] for m in metrics if not pd.isna(row.get(str(m)))}
        if point and (sweep.path / row["run"]).is_dir():
            with _events(sweep.path / row["run"] / SWEEP_EVENTS) as (writer, _):
                for summary in hparams(point, measured):  # add_hparams would make a run of its own
                    writer.file_writer.add_summary(summary)
                for tag, value in measured.items():
                    writer.add_scalar(tag, value)
    report = sweep.path / REPORT
    with writing_below(report), atomic_path(report) as folder, SummaryWriter(str(folder)) as writer:
        for path in sorted(sweep.path.glob("*.png")):
            _picture(writer, f"sweep/{path.stem}", path, 0)
    return report


def _logged(run_dir: Path) -> set[str] | None:
    """Tags that the training logged, by what it last knew of each; None where it said nothing of them."""
    path = run_dir / SUMMARY
    if not is_there(path):
        return None
    with reading(path, "what align fit wrote"):
        names = [name for name in read_json(path) if name.startswith(("train_", "val_"))]
    tags = {name.replace("_", "/", 1) for name in names}
    return tags if any(tag.startswith("train/") for tag in tags) else None


def _layout(scalars: Sequence[Metric], logged: set[str] | None) -> dict:
    """Charts of the custom scalars tab: {category: {chart: ["Multiline", tags]}}, none of them empty.

    A chart of the training has all its tags also where some were not logged: TensorBoard shows the layouts of
    all runs at once, and two charts of one title that are not alike side by side.

    Args:
        scalars: What is shown of trials and probes.
        logged: Tags of the training; where it is not known, all that there may be.
    """

    def chart(*tags: str) -> list:  # the tab takes tags for beginnings of regular expressions
        any_logged = logged is None or any(t in logged or not t.startswith(("train/", "val/")) for t in tags)
        return ["Multiline", [f"{re.escape(tag)}$" for tag in tags if any_logged]]

    def final(kind: str, *names: str) -> list:
        return chart(*(str(m) for m in scalars if m.kind == kind and m.name in names))

    categories = {
        "losses": {
            "training": chart("train/loss", "train/denoise"),
            "validation": chart("val/loss_sim", "val/loss_real"),
        },
        "alignment": {
            "alignment": chart("train/alignment", "val/mmd2"),
            "gradient-norm ratio": chart(
                "train/grad_ratio", "train/grad_ratio_smoothed", "train/auxiliary_grad_ratio"
            ),
            "weight λ": chart("train/lambda"),
            "multiplier 1/λ": chart("train/multiplier"),
            "what is left of the budget": chart("train/slack"),
            "auxiliary loss": chart("train/auxiliary"),
            "bandwidth": chart("train/bandwidth"),
        },
        "success": {
            "score": final("rollout", "score"),
            "success rate": chart(*(str(m) for m in scalars if m.is_rate)),
        },
        "probe": {
            "AUC and accuracy": final("probe", "auc", "accuracy"),
            "MMD² on held-out episodes": final("probe", "mmd2"),
        },
    }
    full = {name: {title: c for title, c in charts.items() if c[1]} for name, charts in categories.items()}
    return {name: charts for name, charts in full.items() if charts}


def _rollout_scalars(run_dir: Path) -> dict[Metric, float]:
    if not is_there(run_dir / ROLLOUTS):
        return {}
    worlds = read_trials(run_dir).groupby("world", sort=False)
    return {
        Metric("rollout", world, name): float(rows[name].mean())
        for world, rows in worlds
        for name in measures(rows)
    }


def _probe_scalars(run_dir: Path) -> dict[Metric, float]:
    path = run_dir / PROBE
    if not is_there(path):
        return {}
    with reading(path, "what align probe wrote"):
        return {
            Metric("probe", site, name): float(numbers[name]["value"])
            for site, numbers in read_json(path)["sites"].items()
            for name in PROBED
            if name in numbers and numbers[name]["value"] is not None
        }


def _pr_curves(writer: SummaryWriter, run_dir: Path, step: int) -> None:
    path = run_dir / PROBE_SCORES
    if is_there(path):
        with reading(path, "what align probe wrote"):
            scores = pd.read_csv(path)[["site", "domain", "probability"]].astype({"probability": float})
        for site, rows in scores.groupby("site", sort=False):
            if rows["probability"].isna().any():  # of a classifier that knows none
                continue
            is_real = (rows["domain"] == Domain.REAL).to_numpy()
            writer.add_pr_curve(f"probe/{site}", is_real, rows["probability"].to_numpy(), step)


def _projector(writer: SummaryWriter, run_dir: Path) -> None:
    path = run_dir / EMBEDDINGS
    if not path.is_file():
        return
    columns = read_arrays(path, ("episode", "step", "thumbnail"))
    for data in load_embeddings(run_dir):
        known = [name for name in ("episode", "step") if name in columns]
        rows = zip(data.domain, *(columns[name][data.row] for name in known), strict=True)
        metadata = [[Domain(domain).label, *map(str, rest)] for domain, *rest in rows]
        thumbnails = columns["thumbnail"][data.row] if "thumbnail" in columns else None  # (N, 32, 32, 3)
        writer.add_embedding(
            data.x,
            metadata=metadata,
            metadata_header=["domain", *known],
            label_img=None if thumbnails is None else _framed(thumbnails, data.domain),
            tag=data.site,
        )


def _framed(thumbnails: np.ndarray, domain: np.ndarray) -> torch.Tensor:
    """Thumbnails (N, S, S, 3) uint8 in a frame of their domain's colour, as (N, 3, S, S) in [0, 1]."""
    colours = np.array([to_rgb(DOMAIN_COLOUR[Domain(d)]) for d in domain])
    framed = np.repeat(colours[:, None, None], thumbnails.shape[1], axis=1).repeat(
        thumbnails.shape[2], axis=2
    )
    edge = max(1, thumbnails.shape[1] // 12)
    framed[:, edge:-edge, edge:-edge] = thumbnails[:, edge:-edge, edge:-edge] / 255
    return torch.from_numpy(framed.transpose(0, 3, 1, 2)).float()


def _picture(writer: SummaryWriter, tag: str, path: Path, step: int) -> None:
    """Show a picture as it lies on the disk: to compress it anew takes longer than all else here."""
    if (pixels := _pixels(path)) is not None:
        height, width, channels = pixels.shape
        image = Summary.Image(height=height, width=width, colorspace=channels)
        image.encoded_image_string = path.read_bytes()
        writer.file_writer.add_summary(Summary(value=[Summary.Value(tag=tag, image=image)]), step)


def _pixels(path: Path) -> np.ndarray | None:
    if not is_there(path):
        return None
    with reading(path, "a picture that align wrote"):
        try:
            return np.asarray(Image.open(path).convert("RGB"))
        except (SyntaxError, Image.DecompressionBombError) as error:  # so Pillow calls some damage
            raise ValueError(str(error)) from None


def _last_step(run_dir: Path) -> int:
    path = run_dir / SUMMARY
    if not is_there(path):
        return 0
    with reading(path, "what align fit wrote"):
        step = int(read_json(path).get("steps", 0))
    with of_file(str(path)):
        check_numbers("[0, 1e12]", whole=True, steps=step)
    return step
