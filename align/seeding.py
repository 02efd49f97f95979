"""Random generators derived from (seed, purpose, index), so that no draw depends on another."""

import zlib

import numpy as np


def derive(seed: int, purpose: str, *index: int) -> np.random.SeedSequence:
    """The seed sequence of one draw.

    Args:
        seed: The run's seed, a non-negative integer.
        purpose: What the draw is for ("noise", "starts"). Different purposes never share a stream.
        *index: Position of the draw, e.g. the training step or the episode.
    """
    return np.random.SeedSequence([seed, zlib.crc32(purpose.encode()), *index])


def numpy_rng(seed: int, purpose: str, *index: int) -> np.random.Generator:
    """A NumPy generator for one draw; see `derive`."""
    return np.random.default_rng(derive(seed, purpose, *index))


def torch_generator(seed: int, purpose: str, *index: int, device="cpu"):
    """A torch generator on a device for one draw; see `derive`. Other kinds of device draw other numbers."""
    import torch  # here, so that worlds can seed themselves without torch

    state = int(derive(seed, purpose, *index).generate_state(1, np.uint64)[0] >> 1)
    return torch.Generator(device).manual_seed(state)
