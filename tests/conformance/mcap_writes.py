"""ROS 2 recordings in MCAP, written by its own library, and what they hold at each step."""

from pathlib import Path

import cv2
import numpy as np

TOPICS = {
    "action": "/commands",
    "agent_pos": "/joint_states",
    "image.top": "/top/compressed",
    "image.wrist": "/wrist/image",
}
RULE = 80 * "="
HEADER = f"""{RULE}
MSG: std_msgs/Header
builtin_interfaces/Time stamp
string frame_id
{RULE}
MSG: builtin_interfaces/Time
int32 sec
uint32 nanosec
"""
DEFINITIONS = {
    "/joint_states": (
        "sensor_msgs/msg/JointState",
        "std_msgs/Header header\nstring[] name\nfloat64[] position\nfloat64[] velocity\nfloat64[] effort\n"
        + HEADER,
    ),
    "/commands": (
        "std_msgs/msg/Float64MultiArray",
        f"std_msgs/MultiArrayLayout layout\nfloat64[] data\n{RULE}\nMSG: std_msgs/MultiArrayLayout\n"
        f"std_msgs/MultiArrayDimension[] dim\nuint32 data_offset\n{RULE}\nMSG: std_msgs/MultiArrayDimension\n"
        "string label\nuint32 size\nuint32 stride\n",
    ),
    "/top/compressed": (
        "sensor_msgs/msg/CompressedImage",
        "std_msgs/Header header\nstring format\nuint8[] data\n" + HEADER,
    ),
    "/wrist/image": (
        "sensor_msgs/msg/Image",
        "std_msgs/Header header\nuint32 height\nuint32 width\nstring encoding\nuint8 is_bigendian\n"
        "uint32 step\nuint8[] data\n" + HEADER,
    ),
}
RATES = {"/joint_states": 100, "/commands": 50, "/top/compressed": 30, "/wrist/image": 30}
LENGTH = 2.0
"""Seconds of a recording."""


def times(topic: str) -> np.ndarray:
    """When messages of a topic come, in nanoseconds; no two topics are in step."""
    late = 1_000_000 * (1 + list(RATES).index(topic))
    return late + np.arange(0, LENGTH * 1e9, 1e9 / RATES[topic]).astype(np.int64)


def said(topic: str, n: int) -> np.ndarray:
    """What the n-th message of a topic says."""
    if "image" in topic or "top" in topic:
        image = np.empty((24, 32, 3), np.uint8)
        image[..., 0], image[..., 1], image[..., 2] = n, 255 - n, np.arange(32)
        return image
    return n / 100 + np.arange(8 if topic == "/commands" else 7)


def write_take(path: Path) -> None:
    """A recording of all topics."""
    from mcap_ros2.writer import Writer

    header = {"stamp": {"sec": 0, "nanosec": 0}, "frame_id": ""}
    with path.open("wb") as file:
        writer = Writer(file)
        schemas = {topic: writer.register_msgdef(*definition) for topic, definition in DEFINITIONS.items()}
        stream = [(int(t), topic, n) for topic in RATES for n, t in enumerate(times(topic))]
        for t, topic, n in sorted(stream):
            value = said(topic, n)
            message = {
                "/joint_states": lambda v: {
                    "position": v.tolist(),
                    "name": list("abcdefg"),
                    "velocity": [],
                    "effort": [],
                },
                "/commands": lambda v: {"data": v.tolist(), "layout": {"dim": [], "data_offset": 0}},
                "/top/compressed": lambda v: {
                    "format": "png",
                    "data": cv2.imencode(".png", v[..., ::-1])[1].tobytes(),
                },
                "/wrist/image": lambda v: padded(v[..., ::-1]),
            }[topic](value)
            writer.write_message(topic, schemas[topic], {"header": header, **message}, log_time=10**18 + t)
        writer.finish()


def padded(image: np.ndarray) -> dict:
    """A raw image whose rows are longer than its pixels."""
    height, width = image.shape[:2]
    rows = np.pad(image.reshape(height, -1), ((0, 0), (0, 4)))
    return {
        "height": height,
        "width": width,
        "encoding": "bgr8",
        "is_bigendian": 0,
        "step": rows.shape[1],
        "data": rows.tobytes(),
    }


def at_steps(fps: float) -> dict[str, np.ndarray]:
    """What is to be read: the latest of each topic at a step; of commands the latest before the next."""
    begin, end = max(times(t)[0] for t in RATES), min(times(t)[-1] for t in RATES)
    steps = [begin + k * 1e9 / fps for k in range(1000) if begin + k * 1e9 / fps < end]
    found = {}
    for name, topic in TOPICS.items():
        until = [t + 1e9 / fps if name == "action" else t for t in steps]
        before = (lambda t, u: t < u) if name == "action" else (lambda t, u: t <= u)
        latest = [max(n for n, t in enumerate(times(topic)) if before(t, u)) for u in until]
        found[name] = np.stack([said(topic, n) for n in latest])
    return found
