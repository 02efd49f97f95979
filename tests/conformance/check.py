"""Checks align against lerobot itself, which needs an environment of its own: `make conformance`.

What lerobot writes is read here, frame for frame; what is written here, lerobot reads; and an exported policy
acts in lerobot, through its own pipelines, as it does here. RLDS and MCAP become what is read, by the scripts
in docs/.
"""

import contextlib
import io
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import outside
import torch

from align.conversion import write_lerobot
from align.data.episodes import read_store
from align.data.readers import LeRobotDataset, check_reader
from align.export import command
from align.policy import DiffusionPolicy

HERE = Path(__file__).parent
sys.path.append(str(HERE.parent / "export"))
from policies import as_published, blind, made, one_camera, positions, saved, turning, two_cameras  # noqa: E402

PYTHONS = ("python3.12", "python3.13", "python3.14")
PLUGIN = HERE.parents[1] / "align/export/lerobot_plugin"
LARGEST_DIFFERENCE = 1e-5
LENGTHS, SIZE, STEPS, SEED = (7, 12, 5), (64, 80), 20, 3
CAMERAS = ("image.top", "image.wrist")


def environment(folder: Path) -> Path:
    """The Python of an environment with lerobot, made if need be, and the plugin of today in it."""
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    wanted = ["lerobot[dataset,diffusion]", "accelerate"]  # the latter for its training
    if not ready.exists() or ready.read_text() != " ".join(wanted):
        found = os.environ.get("PYTHON312") or next(filter(None, map(shutil.which, PYTHONS)), None)
        if found is None:
            sys.exit(f"conformance: no {', '.join(PYTHONS)}; expected one, or PYTHON312=/path/to/python")
        print(f"making {folder} with lerobot: some 8 GB, 5-10 minutes by network; needed once", flush=True)
        subprocess.run([found, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True)
        ready.write_text(" ".join(wanted))
    with tempfile.TemporaryDirectory() as copy:  # pip builds where the sources are
        shutil.copytree(PLUGIN, copy, dirs_exist_ok=True)
        options = ["--quiet", "--no-deps", "--force-reinstall"]
        subprocess.run([python, "-m", "pip", "install", *options, copy], check=True)
    return python


def run(python: Path, script: str, *arguments: str | Path) -> None:
    """Run a script of this folder in lerobot's environment."""
    done = subprocess.run(
        [python, HERE / script, *arguments],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        sys.exit(f"conformance: {script} failed: {done.stderr[-2000:]}")


def read_what_lerobot_wrote(python: Path, folder: Path) -> dict[str, bool]:
    run(python, "lerobot_writes.py", folder)
    data, truth = folder / "dataset", np.load(folder / "truth.npz")
    check_reader(LeRobotDataset, data)
    read = read_store(data, images=CAMERAS, keep="memory")
    video = np.abs(read.images["image.wrist"].astype(int) - truth["decoded"]).max()
    return {
        "episodes": np.array_equal(read.ends, truth["ends"]),
        "action": np.array_equal(read.action, truth["action"]),
        "observation.state": np.array_equal(read.agent_pos, truth["state"]),
        "images, bit for bit": np.array_equal(read.images["image.top"], truth["top"]),
        f"{read.codecs['image.wrist']} video as lerobot decodes it (largest difference {video})": video <= 1,
        "rate": read.attrs["rate_hz"] == 30,
    }


def arm(n: int, length: int) -> dict[str, np.ndarray]:
    """An episode of two arms with two cameras, in which the brightness moves on by 5 a frame."""
    rng, t = np.random.default_rng(n), np.arange(length)[:, None, None, None]
    image = 60 + 10 * n + 5 * t + np.linspace(0, 40, SIZE[1])[None, None, :, None] + np.zeros((*SIZE, 3))
    return {
        "action": rng.normal(size=(length, 14)).astype(np.float32),
        "agent_pos": rng.normal(size=(length, 14)).astype(np.float32),
        "image.top": image.astype(np.uint8),
        "image.wrist": (255 - image).astype(np.uint8),
    }


def have_lerobot_read(python: Path, folder: Path, codec: str) -> dict[str, bool]:
    episodes = [arm(n, length) for n, length in enumerate(LENGTHS)]
    write_lerobot(folder / codec, episodes, 20, codec=codec, task="push", overwrite=True)
    run(python, "lerobot_reads.py", folder / codec, folder / f"{codec}.npz")
    seen = dict(np.load(folder / f"{codec}.npz"))
    ours = read_store(folder / codec, images=CAMERAS, keep="memory")
    joined = {name: np.concatenate([e[name] for e in episodes]) for name in episodes[0]}
    apart = [
        np.abs(seen[f"observation.images.{c.removeprefix('image.')}"].astype(int) - images).max()
        for c, images in (joined if codec == "png" else ours.images).items()
        if c in CAMERAS
    ]
    action = joined["action"].astype(np.float64)
    return {
        "episodes, rate, task": seen["ends"].tolist() == np.cumsum(LENGTHS).tolist()
        and seen["fps"] == 20
        and set(seen["tasks"]) == {"push"},
        "action, observation.state": np.array_equal(seen["action"], joined["action"])
        and np.array_equal(seen["observation.state"], joined["agent_pos"]),
        f"images (largest difference {max(apart)})": max(apart) <= (0 if codec == "png" else 1),
        "statistics": np.allclose(seen["stats/action/std"], action.std(0))
        and seen["stats/observation.images.top/mean"].shape == (3, 1, 1),
    }


def act(python: Path, folder: Path, policy: DiffusionPolicy, dataset: Path | None) -> float:
    """The largest difference of the actions of a policy in lerobot to those here, for equal noise."""
    out, rng = folder / "exported", np.random.default_rng(0)
    with contextlib.redirect_stdout(io.StringIO()):
        command.export(saved(policy, folder / "run"), str(out), "lerobot")
    seen = {"observation.state": positions(policy, rng, STEPS)}
    names = {camera: f"observation.images.{camera.removeprefix('image.')}" for camera in policy.cameras}
    for camera, (channels, height, width) in policy.expected_images().items():
        seen[names[camera]] = rng.integers(0, 256, (STEPS, height, width, channels), np.uint8)
    np.savez(folder / "seen.npz", **seen)
    more = [] if dataset is None else [dataset]
    run(python, "lerobot_acts.py", out, folder / "seen.npz", folder / "actions.npz", *more)
    found = np.load(folder / "actions.npz")
    if not found["saved"]:
        sys.exit("conformance: what save_pretrained wrote has other weights")
    noises, apart = torch.Generator().manual_seed(SEED), []
    for start in range(0, STEPS, policy.n_action_steps):
        noise = torch.randn(1, policy.horizon, policy.action_dim, generator=noises)
        rows = [max(0, t) for t in range(start - policy.n_obs_steps + 1, start + 1)]
        observation = {"agent_pos": torch.tensor(seen["observation.state"][rows])[None]}
        for camera, name in names.items():
            images = torch.tensor(seen[name][rows[-policy.n_image_steps :]])
            observation[camera] = images.movedim(-1, 1)[None].contiguous()
        expected = policy.act(observation, noise)[0, : STEPS - start].numpy()
        apart.append(np.abs(found["actions"][start : start + policy.n_action_steps] - expected).max())
    return float(max(apart))


def roll_out(python: Path, folder: Path) -> dict[str, bool]:
    """Whether `lerobot-rollout` itself does what the engine did, on a robot that shows what was recorded."""
    robot = folder / "site/lerobot_robot_played"
    robot.mkdir(parents=True)
    shutil.copy(HERE / "played_robot.py", robot / "__init__.py")
    about = robot.parent / "lerobot_robot_played-0.dist-info"  # by which lerobot finds a plugin
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: lerobot_robot_played\nVersion: 0\n")
    options = {
        "strategy.type": "base",
        "policy.path": folder / "exported",
        "policy.seed": SEED,
        "policy.device": "cpu",
        "robot.type": "played",
        "robot.seen": folder / "seen.npz",
        "robot.out": folder / "rolled.npz",
        "fps": 10,
        "duration": 25,
        "return_to_initial_position": "false",
    }
    own = {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(robot.parent)}
    command_line = [python.parent / "lerobot-rollout", *[f"--{k}={v}" for k, v in options.items()]]
    done = subprocess.run(command_line, env=os.environ | own, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"conformance: lerobot-rollout failed: {done.stderr[-2000:]}")
    rolled, expected = (np.load(folder / f"{name}.npz")["actions"] for name in ("rolled", "actions"))
    n = min(len(rolled), len(expected))
    same = np.abs(rolled[:n] - expected[:n]).max() <= LARGEST_DIFFERENCE
    return {f"lerobot-rollout, the first {n} actions": bool(same) and n > 1}


def main() -> None:
    python = environment(Path(os.environ.get("ALIGN_CONFORMANCE", ".conformance")).absolute())
    version = "from importlib.metadata import version; print(version('lerobot'))"
    print(f"lerobot {subprocess.check_output([python, '-c', version], text=True).strip()}")
    failed = False

    def tell(what: str, checks: dict[str, bool]) -> None:
        nonlocal failed
        for name, holds in checks.items():
            print(f"{'ok  ' if holds else 'FAIL'} {what}: {name}", flush=True)
            failed |= not holds

    target = outside.packages(python.parents[1])
    with tempfile.TemporaryDirectory() as folder:
        folder = Path(folder)
        tell("RLDS, converted by docs/from_rlds.py", outside.check_rlds(target, folder))
        tell("MCAP, converted by docs/from_mcap.py", outside.check_mcap(target, folder))
        (folder / "lerobot").mkdir()
        tell("read what lerobot wrote", read_what_lerobot_wrote(python, folder / "lerobot"))
        for codec in ("png", "av1", "h264"):
            tell(f"lerobot reads what was written, {codec}", have_lerobot_read(python, folder, codec))
        for make in (one_camera, two_cameras, blind, as_published, turning):
            (folder / make.__name__).mkdir()
            dataset = folder / "png" if make is two_cameras else None  # by make_policy, as lerobot-record
            apart = act(python, folder / make.__name__, made(make), dataset)
            tell(
                make.__name__,
                {f"actions in lerobot (largest difference {apart:.1g})": apart <= LARGEST_DIFFERENCE},
            )
        tell(as_published.__name__, roll_out(python, folder / as_published.__name__))
    sys.exit(failed)


if __name__ == "__main__":
    main()
