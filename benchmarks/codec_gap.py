"""How well a probe tells two halves of one world apart where one was stored as video, and where both were.

    python benchmarks/codec_gap.py --out results/codec_gap

Both domains are demonstrations of the same pushing world, drawn alike; what differs is how their images were
stored, and nothing else.
"""

import json
import tempfile
from pathlib import Path

from jsonargparse import auto_cli

from align.cli import main

CODECS = {"av1": "AV1 as lerobot's (GOP 2, CRF 30)", "h264": "H.264 (GOP 2, CRF 30)"}
JPEG = "{codec: jpeg, quality: 80}"  # ROS 1's compressed_image_transport; ROS 2's has 95
COLUMNS = ("real images", "px stored", "px trained on", "sim images", "AUC, trained", "AUC, untrained")


def codec_gap(
    out: str = "runs/codec_gap", demos: int = 60, steps: int = 100, stored: list[int] | None = None
) -> None:
    """Train and probe an arm for each way of storing; writes `results.md`.

    Args:
        out: Folder for the table.
        demos: Demonstrations of each domain, half of them held out for the probe.
        steps: Of training.
        stored: Sides in pixels of the stored images, all trained on at the smallest.
    """
    stored = stored or [64, 128]
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        for size in stored:
            for seed, name in enumerate(("sim", "real"), start=1):
                demo = ["demos", f"{work}/{name}-{size}.zarr", "--n", demos, "--size", size, "--seed", seed]
                _align(*demo, "--domain", name.upper(), "--jobs", 1)
            arms = [("none", None)] if size == min(stored) else []
            arms += [(codec, match) for codec in CODECS for match in (False, True)]
            for codec, match in arms:
                sim, real = (f"{work}/{name}-{size}.zarr" for name in ("sim", "real"))
                if codec != "none":
                    source, real = real, f"{work}/real-{size}-{codec}"
                    if not Path(real).exists():
                        _align("convert", source, real, "--codec", codec)
                rows.append(_arm(work, sim, real, codec, match, size, min(stored), demos, steps))
                _write(Path(out), rows, demos, steps)
        for size in stored:
            for match in (False, True):
                both = (f"{work}/{name}-{size}.zarr" for name in ("sim", "real"))
                rows.append(_arm(work, *both, "jpeg", match, size, min(stored), demos, steps))
                _write(Path(out), rows, demos, steps)


def _arm(work: Path, sim: str, real: str, codec: str, match: bool | None, *numbers: int) -> list[str]:
    size, trained, demos, steps = numbers
    run = f"{work}/run-{size}-{codec}-{match}"
    options = {
        "data.sim": sim,
        "data.real": real,
        "data.image_size": trained,
        "data.validation": demos // 2,
        "data.batch_size": 16,
        "model.noise_draws": 1,
        "model.policy.encoder.init_args": "{width: 16, blocks: 1}",
        "model.policy.denoiser.init_args": "{horizon: 16, width: 64, blocks: 1}",
        "data.val_windows": 32,
        "embeddings.per_domain": 300,
        "model.lr_warmup": 20,
        "model.alignment_weight": 0.0,
        "model.site": "image",
        "embeddings.paired": 0,
        "trainer.max_steps": steps,
        "trainer.accelerator": "cpu",
        **({"data.real_codec": JPEG} if codec == "jpeg" else {}),
        **({"data.sim_codec": JPEG if codec == "jpeg" else "match"} if match else {}),
    }
    given = [word for option, value in options.items() for word in (f"--{option}", value)]
    _align("fit", "--config", "own_data", "--run", run, *given)
    _align("probe", run, "--probe", "linear")
    site = json.loads(Path(run, "probe.json").read_text())["sites"]["image"]
    auc = [
        f"{x['value']:.2f} [{x['low']:.2f}, {x['high']:.2f}]" for x in (site["auc"], site["untrained"]["auc"])
    ]
    through = "as drawn" if not match else "through the same codec"
    stored = {**CODECS, "jpeg": "JPEG (quality 80)"}.get(codec, "as drawn")
    return [stored, str(size), str(trained), through, *auc]


def _write(out: Path, rows: list[list[str]], demos: int, steps: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    lines = [
        "# How well a codec alone tells domains apart",
        "",
        "AUC of a linear probe of the image features, with 95 % intervals over held-out episodes, "
        f"{demos // 2} of each domain. Both are one pushing world, {demos} demonstrations each; λ = 0, "
        f"{steps} steps of training, or none.",
        "",
        "| arm | " + " | ".join(COLUMNS) + " |",
        "|" + "---|" * (len(COLUMNS) + 1),
    ]
    lines += [f"| {n} | " + " | ".join(row) + " |" for n, row in enumerate(rows, start=1)]
    (out / "results.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (out / "command.txt").write_text(f"python benchmarks/codec_gap.py --out {out}\n", encoding="utf-8")


def _align(*words: object) -> None:
    if main([str(word) for word in words]):
        raise SystemExit(f"align {' '.join(map(str, words))} failed")


if __name__ == "__main__":
    auto_cli(codec_gap, as_positional=False)
