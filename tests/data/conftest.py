"""Small stores to read, and to damage."""

import numpy as np
import pytest

from align.data.episodes import Episodes, write_store

LENGTHS = (20, 5, 31, 9, 24)


def demonstration(rng, length, size=12, action_dim=2):
    state = rng.uniform(0, 512, (length, 5)).astype(np.float32)
    image = rng.integers(0, 256, (length, size, size, 3), dtype=np.uint8)
    action = rng.uniform(0, 512, (length, action_dim)).astype(np.float32)
    contacts = np.zeros((length, 1), np.float32)  # what tells Push-T's stores from others of these widths
    return {"img": image, "state": state, "action": action, "n_contacts": contacts}


@pytest.fixture
def demonstrations():
    rng = np.random.default_rng(0)
    return [demonstration(rng, length) for length in LENGTHS]


@pytest.fixture
def store(tmp_path, demonstrations):
    path = tmp_path / "sim.zarr"
    write_store(path, demonstrations, {"domain": "sim", "rate_hz": 10})
    return path


@pytest.fixture
def episodes(demonstrations):
    joined = {key: np.concatenate([d[key] for d in demonstrations]) for key in demonstrations[0]}
    return Episodes(
        images={"image": joined["img"]},
        agent_pos=np.ascontiguousarray(joined["state"][:, :2]),
        action=joined["action"],
        state=joined["state"],
        ends=np.cumsum(LENGTHS),
        path="memory",
    )
