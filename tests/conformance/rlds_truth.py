"""What the RLDS data set `arm` holds: what `rlds_writes.py` writes, and what is to be read of it."""

import numpy as np

LENGTHS, SIZE = (5, 4, 6), (12, 16)


def episode(n: int, length: int) -> dict[str, np.ndarray]:
    """Arrays of an episode."""
    t = np.arange(length)
    image = np.zeros((length, *SIZE, 3), np.uint8)
    image[..., 0], image[..., 1], image[..., 2] = 40 * n, 10 * t[:, None, None], np.arange(SIZE[1])
    return {
        "action": np.sin(t[:, None] + np.arange(8)) + n,
        "state": np.cos(t[:, None] / 3 + np.arange(7)).astype(np.float32) + n,
        "image": image,
        "wrist_image": np.broadcast_to(200 - 20 * t[:, None, None, None], image.shape).astype(np.uint8),
    }
