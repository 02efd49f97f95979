"""ROS 2 recordings, an MCAP file an episode, to a LeRobotDataset: `python docs/from_mcap.py --help`.

Needs no ROS: `pip install mcap-ros2-support`.
"""

from collections import defaultdict
from pathlib import Path

import cv2
import numpy as np
from jsonargparse import auto_cli
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from align.conversion import write_lerobot
from align.data.readers.encoding import Encoding
from align.data.readers.jpeg import jpeg_encoding


def value(message) -> np.ndarray:
    """Of a message of sensor_msgs (CompressedImage, Image, JointState) or std_msgs (Float64MultiArray).

    What else your robot sends has its place here.
    """
    if hasattr(message, "format"):
        return cv2.imdecode(np.frombuffer(message.data, np.uint8), cv2.IMREAD_COLOR_RGB)
    if hasattr(message, "encoding"):
        order = {"rgb8": [0, 1, 2], "bgr8": [2, 1, 0]}[message.encoding]
        rows = np.frombuffer(message.data, np.uint8).reshape(message.height, message.step)
        return rows[:, : 3 * message.width].reshape(message.height, message.width, 3)[..., order]
    return np.array(message.position if hasattr(message, "position") else message.data)


def episode(
    file: Path, topics: dict[str, str], fps: float, lossy: dict[str, Encoding]
) -> dict[str, np.ndarray]:
    """At each step the latest of each topic; of the action the latest before the next step."""
    times, messages = defaultdict(list), defaultdict(list)
    with file.open("rb") as stream:
        reader = make_reader(stream, decoder_factories=[DecoderFactory()])
        for _, channel, message, decoded in reader.iter_decoded_messages(topics=list(topics.values())):
            times[channel.topic].append(message.log_time / 1e9)
            messages[channel.topic].append(decoded)
            if getattr(decoded, "name", None) != getattr(messages[channel.topic][0], "name", None):
                raise SystemExit(f"{file}: {channel.topic} has other joints now and then; expected one order")
    if missing := set(topics.values()) - set(times):
        raise SystemExit(f"{file}: nothing of {', '.join(sorted(missing))}")
    steps = np.arange(max(t[0] for t in times.values()), min(t[-1] for t in times.values()), 1 / fps)
    found = {}
    for name, topic in topics.items():
        until = steps + (0.999 / fps if name == "action" else 0)
        latest = np.searchsorted(times[topic], until, side="right") - 1
        if (stale := (until - np.array(times[topic])[latest]).max()) > 3 / fps:
            raise SystemExit(f"{file}: nothing of {topic} for {stale:.2f} s")
        found[name] = np.stack([value(messages[topic][k]) for k in latest])
        if "jp" in getattr(messages[topic][0], "format", ""):  # such as "bgr8; jpeg compressed bgr8"
            lossy.setdefault(name, jpeg_encoding(bytes(messages[topic][0].data)))  # which tells domains apart
    return found


def main(folder: Path, out: Path, topics: dict[str, str], fps: float, task: str) -> None:
    """Write the episodes.

    Args:
        folder: Its MCAP files, in the order of their names.
        out: The folder to create.
        topics: Where each array comes from, e.g. {action: /commands, agent_pos: /joint_states,
            image.wrist: /wrist/compressed}.
        fps: Steps a second.
        task: In words.
    """
    files, lossy = sorted(folder.glob("**/*.mcap")), {}
    if not files:
        raise SystemExit(f"{folder}: no *.mcap; expected a file an episode")
    found = (episode(file, topics, fps, lossy) for file in files)
    print(f"{out}: {write_lerobot(out, found, fps, task=task, encodings=lossy)} episodes")


if __name__ == "__main__":
    auto_cli(main)
