"""Synthetic runs and sweeps with the files that training, rollouts and embeddings leave."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from align.analysis.reports.everything import report
from align.analysis.reports.sweep.keep import keep
from align.domain import Domain
from align.seeding import numpy_rng


def embeddings(
    shift: float = 0.0,
    episodes: int = 10,
    windows: int = 20,
    dims=(32, 64, 16),
    spread: float = 0.5,
    seed: int = 0,
) -> dict[str, np.ndarray]:
    """Windows of both domains: an episode's offset of size `spread`, plus noise; real moved by `shift`."""
    rng = numpy_rng(seed, "synthetic embeddings")
    domain = np.repeat([Domain.SIM, Domain.REAL], episodes * windows).astype(np.int64)
    episode = np.tile(np.repeat(np.arange(episodes), windows), 2)
    arrays = {"domain": domain, "episode": episode, "step": np.tile(np.arange(windows), 2 * episodes)}
    for i, (site, d) in enumerate(zip(("image", "observation", "denoiser"), dims, strict=True)):
        offset = spread * np.repeat(rng.normal(size=(2 * episodes, d)), windows, axis=0)
        direction = rng.normal(size=d)
        x = rng.normal(size=(len(domain), d)) + offset
        x += shift * (i + 1) / 3 * np.outer(domain == Domain.REAL, direction / np.linalg.norm(direction))
        arrays[site] = x.astype(np.float32)
    colour = np.where(domain[:, None] == Domain.REAL, [[200, 90, 40]], [[40, 90, 200]])
    noise = rng.integers(0, 50, size=(len(domain), 32, 32, 3))
    arrays["thumbnail"] = (colour[:, None, None] + noise).astype(np.uint8)
    return arrays


def rollouts(skill: float, trials: int, seed: int, worlds=("sim", "real")) -> pd.DataFrame:
    """Rows of `rollouts.csv`; a trial's difficulty is shared by all runs."""
    frames = []
    for w, world in enumerate(worlds):
        hard = numpy_rng(0, "trial difficulty").uniform(0, 0.5, size=trials)
        noise = numpy_rng(seed, "rollouts", w).normal(0, 0.15, size=trials)
        coverage = np.clip(skill - 0.12 * w - hard + 0.35 + noise, 0, 1)
        frames.append(
            pd.DataFrame({
                "world": world, "trial": np.arange(trials), "seed": 1000 + np.arange(trials),
                "score": np.clip(coverage / 0.95, 0, 1), "coverage": coverage,
                "success_90": coverage >= 0.9, "success_95": coverage >= 0.95,
                "success_pose": coverage >= 0.93,
                "held": coverage >= 0.96, "final_coverage": coverage * 0.98, "steps": 200,
                "start_score": hard / 2,
            })
        )  # fmt: skip
    return pd.concat(frames)


def write_run(path: Path, point: dict, skill=0.7, shift=2.0, trials=30, seed=0, **kwargs) -> Path:
    """A whole run directory at `path`, the probe's files excepted."""
    path.mkdir(parents=True)
    (path / "point.json").write_text(json.dumps(point))
    (path / "config.yaml").write_text(
        "seed_everything: 0\ntrainer: {callbacks: [{init_args: {worlds: {real: {}}}}]}\n"
    )
    (path / "provenance.json").write_text("{}")
    summary = {"lambda": point.get("lambda", 0.0), "seed": seed, "steps": 100, "val_loss_sim": 0.05,
               "val_loss_real": 0.06, "seconds": 12.0}  # fmt: skip
    (path / "summary.json").write_text(json.dumps(summary))
    rollouts(skill, trials, seed).to_csv(path / "rollouts.csv", index=False)
    np.savez(path / "embeddings.npz", **embeddings(shift, seed=seed, **kwargs))
    Image.fromarray(numpy_rng(0, "picture").integers(0, 255, (64, 128, 3), dtype=np.uint8)).save(
        path / "rollouts.png"
    )
    return path


def write_probe(run, auc=0.8, mmd2=0.1):
    """A `probe.json` of the image site only."""
    numbers = {n: {"value": v, "low": v - 0.1, "high": v + 0.1} for n, v in
               {"auc": auc, "accuracy": 0.7, "margin": 1.0, "mmd2": mmd2}.items()}  # fmt: skip
    site = numbers | {c: {"auc": numbers["auc"]} for c in ("shuffled", "real_vs_real")}
    (run / "probe.json").write_text(json.dumps({"level": 0.95, "seed": 0, "sites": {"image": site}}))


def write_kept(folder: Path) -> None:
    """A sweep of two arms in `folder`/sweep, with its report, and what is kept of it in `folder`/kept."""
    for arm in ("a", "b"):
        write_probe(write_run(folder / f"sweep/{arm},0", {"arm": arm, "seed": 0}, episodes=2, windows=1))
    report(folder / "sweep")
    keep(folder / "sweep", folder / "kept", "it")
