"""Small data sets in LeRobot's and robomimic's layouts, written as their own libraries write them."""

import json
from fractions import Fraction

import numpy as np

FPS = 30


def demonstrations(n=4, lengths=(7, 12, 5, 9), size=(24, 32), action_dim=8):
    """Episodes of a 7-DoF arm with a gripper and two cameras whose frames differ from one another."""
    rng = np.random.default_rng(0)
    for k in range(n):
        t = np.arange(lengths[k])[:, None, None, None]
        base = rng.integers(60, 150, (1, 1, 1, 3))
        gradient = np.linspace(0, 40, size[1])[None, None, :, None]
        yield {
            "top": np.clip(base + gradient + 5 * t, 0, 255).astype(np.uint8).repeat(size[0], 1),
            "wrist": np.clip(255 - base - gradient - 5 * t, 0, 255).astype(np.uint8).repeat(size[0], 1),
            "state": rng.normal(size=(lengths[k], action_dim)).astype(np.float32),
            "action": rng.normal(size=(lengths[k], action_dim)).astype(np.float32),
        }


def write_video(path, images, fps=FPS, codec="libx264", drop=(), options=None):
    """A video of some images; those in `drop` are left out, their time with them."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps, options=options or {"crf": "4", "g": "4"})
        stream.height, stream.width, stream.pix_fmt = *images.shape[1:3], "yuv420p"
        stream.codec_context.time_base = Fraction(1, fps)
        for n, image in enumerate(images):
            if n in drop:
                continue
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = n, Fraction(1, fps)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def _png(image):
    import cv2

    return {"bytes": cv2.imencode(".png", image[..., ::-1])[1].tobytes(), "path": None}


def _features(episode, cameras):
    height, width = episode["top"].shape[1:3]
    vectors = {"observation.state": episode["state"], "action": episode["action"]}
    return {
        **{n: {"dtype": "float32", "shape": [v.shape[1]], "names": None} for n, v in vectors.items()},
        **{
            f"observation.images.{c}": {
                "dtype": dtype,
                "shape": [height, width, 3],
                "names": ["height", "width", "channels"],
            }
            for c, dtype in cameras.items()
        },
        **{
            n: {"dtype": "int64", "shape": [1], "names": None}
            for n in ("episode_index", "frame_index", "index")
        },
        "timestamp": {"dtype": "float32", "shape": [1], "names": None},
    }


def _rows(number, episode, first, cameras):
    length = len(episode["action"])
    rows = {
        "observation.state": list(episode["state"]),
        "action": list(episode["action"]),
        "timestamp": (np.arange(length) / FPS).astype(np.float32),
        "frame_index": np.arange(length),
        "episode_index": np.full(length, number),
        "index": np.arange(first, first + length),
        "task_index": np.zeros(length, np.int64),
    }
    for camera, dtype in cameras.items():
        if dtype == "image":
            rows[f"observation.images.{camera}"] = [_png(image) for image in episode[camera]]
    return rows


def _parquet(path, rows):
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(rows), path)


def write_lerobot_v3(root, episodes, top="image", wrist="video", per_file=2, drop=(), **video):
    """A LeRobotDataset v3.0, several episodes a file."""
    episodes = list(episodes)
    cameras = {"top": top, "wrist": wrist}
    meta, first = [], 0
    for file, low in enumerate(range(0, len(episodes), per_file)):
        part = episodes[low : low + per_file]
        rows = {}
        begins = 0
        for n, episode in enumerate(part, start=low):
            length = len(episode["action"])
            for key, values in _rows(n, episode, first, cameras).items():
                rows.setdefault(key, []).extend(values)
            row = {
                "episode_index": n,
                "length": length,
                "tasks": ["push"],
                "data/chunk_index": 0,
                "data/file_index": file,
                "dataset_from_index": first,
                "dataset_to_index": first + length,
            }
            for camera, dtype in cameras.items():
                if dtype == "video":
                    row[f"videos/observation.images.{camera}/chunk_index"] = 0
                    row[f"videos/observation.images.{camera}/file_index"] = file
                    row[f"videos/observation.images.{camera}/from_timestamp"] = begins / FPS
                    row[f"videos/observation.images.{camera}/to_timestamp"] = (begins + length) / FPS
            meta.append(row)
            first, begins = first + length, begins + length
        _parquet(root / f"data/chunk-000/file-{file:03d}.parquet", rows)
        for camera, dtype in cameras.items():
            if dtype == "video":
                name = f"videos/observation.images.{camera}/chunk-000/file-{file:03d}.mp4"
                write_video(root / name, np.concatenate([e[camera] for e in part]), drop=drop, **video)
    _parquet(root / "meta/episodes/chunk-000/file-000.parquet", {k: [m[k] for m in meta] for k in meta[0]})
    info = {
        "codebase_version": "v3.0",
        "fps": FPS,
        "robot_type": "panda",
        "features": _features(episodes[0], cameras),
        "data_path": "data/chunk-{chunk_index:03d}/file-{file_index:03d}.parquet",
        "video_path": "videos/{video_key}/chunk-{chunk_index:03d}/file-{file_index:03d}.mp4",
    }
    (root / "meta/info.json").write_text(json.dumps(info))
    return root


def as_jpeg(root, episodes, camera="top", options=()):
    """Replaces the images of a camera in the tables of a dataset, which lie there as PNG."""
    import cv2
    import pyarrow as pa
    import pyarrow.parquet as pq

    images = iter(np.concatenate([e[camera] for e in episodes]))
    for file in sorted(root.glob("data/*/*.parquet")):
        rows = pq.read_table(file, partitioning=None).to_pylist()
        for row in rows:
            encoded = cv2.imencode(".jpg", next(images)[..., ::-1], list(options))[1]
            row[f"observation.images.{camera}"]["bytes"] = encoded.tobytes()
        pq.write_table(pa.Table.from_pylist(rows), file)


def write_lerobot_v21(root, episodes):
    """A LeRobotDataset v2.1, a file an episode."""
    cameras, lines, first = {"top": "image", "wrist": "video"}, [], 0
    for n, episode in enumerate(episodes):
        length = len(episode["action"])
        _parquet(root / f"data/chunk-000/episode_{n:06d}.parquet", _rows(n, episode, first, cameras))
        write_video(root / f"videos/chunk-000/observation.images.wrist/episode_{n:06d}.mp4", episode["wrist"])
        lines.append(json.dumps({"episode_index": n, "tasks": ["push"], "length": length}))
        first += length
    info = {
        "codebase_version": "v2.1",
        "fps": FPS,
        "chunks_size": 1000,
        "features": _features(episode, cameras),
        "data_path": "data/chunk-{episode_chunk:03d}/episode_{episode_index:06d}.parquet",
        "video_path": "videos/chunk-{episode_chunk:03d}/{video_key}/episode_{episode_index:06d}.mp4",
    }
    (root / "meta").mkdir(parents=True)
    (root / "meta/info.json").write_text(json.dumps(info))
    (root / "meta/episodes.jsonl").write_text("\n".join(lines) + "\n")
    return root


def write_robomimic(path, episodes, rate=20):
    """A robomimic file, its demonstrations written in an order that is not theirs."""
    import h5py

    with h5py.File(path, "w") as file:
        data = file.create_group("data")
        data.attrs["env_args"] = json.dumps({"env_name": "Lift", "env_kwargs": {"control_freq": rate}})
        for n, episode in reversed(list(enumerate(episodes))):
            demo = data.create_group(f"demo_{n}")
            demo.attrs["num_samples"] = len(episode["action"])
            demo["actions"] = episode["action"].astype(np.float64)
            demo["rewards"] = np.zeros(len(episode["action"]))
            demo["obs/robot0_eef_pos"] = episode["state"][:, :3]
            demo["obs/robot0_eef_quat"] = episode["state"][:, 3:7]
            demo["obs/robot0_gripper_qpos"] = episode["state"][:, 7:]
            demo["obs/agentview_image"] = episode["top"]
            demo["obs/robot0_eye_in_hand_image"] = episode["wrist"]
    return path
