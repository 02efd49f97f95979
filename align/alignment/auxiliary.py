"""What a simulator knows as a teacher: an auxiliary loss that reads it from the features of sim samples.

A simulator can say for free where the objects are. Features from which that can be read hold the task, and
features that hold the task in one code for both domains are what an alignment is for; real samples, of which
nothing is known, take no part here.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from align.errors import InputError, check_numbers
from align.seeding import torch_generator

_CONSTANT = 1e-6  # of the magnitude: float32 cannot tell a smaller deviation from none


@dataclass(frozen=True)
class Auxiliary:
    """What is read from the features of sim samples at the aligned site, and how much that counts.

    Args:
        targets: Columns of the sim store that are read of the newest observation, as NAME or
            NAME[START:STOP], several joined by +, e.g. "state[2:5]" or "block_pose + door[:1]". The real
            store needs none of them.
        angles: Which of these columns, counted from 0 in the order of `targets`, are angles; they are read as
            sine and cosine.
        period: After how much an angle is the same again: 2 π in radians, 360 in degrees, a quarter of that
            for the yaw of a square block.
        weight: μ, the loss's weight at the start; 0 leaves it out.
        schedule: How the weight falls over `steps`: not at all ("constant"), along a line ("linear") or along
            a half cosine ("cosine").
        steps: Training steps after which the weight is 0; `None`, for "constant" alone, has no such step.
        width: Hidden units of what reads; 0 reads linearly.
    """

    targets: str
    angles: tuple[int, ...] = ()
    period: float = 6.283185307179586
    weight: float = 0.1
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    steps: int | None = None
    width: int = 128

    def __post_init__(self):
        check_numbers("[0, 1e6]", **{"auxiliary.weight": self.weight})
        check_numbers("(0, 1e9]", **{"auxiliary.period": self.period})
        check_numbers("[1, 1e9]", whole=True, **{"auxiliary.steps": self.steps})
        check_numbers("[0, 65536]", whole=True, **{"auxiliary.width": self.width})
        check_numbers("[0, 65536]", whole=True, **{"auxiliary.angles": self.angles})
        if len(set(self.angles)) != len(self.angles):
            raise InputError(f"auxiliary.angles={list(self.angles)}: expected each column once")
        if self.schedule not in ("constant", "linear", "cosine"):
            raise InputError(f"auxiliary.schedule={self.schedule!r}: expected constant, linear or cosine")
        if self.steps is None and self.schedule != "constant":
            raise InputError(
                f"auxiliary.steps=null: schedule={self.schedule!r} needs the number of steps it falls over"
            )

    def weight_at(self, step: int) -> float:
        """μ at a training step."""
        if self.steps is None:
            return self.weight
        if step >= self.steps:
            return 0.0
        done = step / self.steps
        left = {"constant": 1.0, "linear": 1 - done, "cosine": 0.5 * (1 + math.cos(math.pi * done))}
        return self.weight * left[self.schedule]


class Readout(nn.Module):
    """Reads privileged state from embeddings: its mean squared error, in units of the targets' variance.

    0 is perfect, 1 as good as always the mean.

    Args:
        options: What is read.
        dim: Size D of an embedding.
        columns: Columns S that `options.targets` name.

    Raises:
        InputError: An angle is none of the columns.
    """

    def __init__(self, options: Auxiliary, dim: int, columns: int):
        super().__init__()
        beyond = [angle for angle in options.angles if angle >= columns]
        if beyond:
            raise InputError(
                f"auxiliary.angles={list(options.angles)}: targets={options.targets!r} has {columns}; "
                f"expected numbers from 0 to {columns - 1}"
            )
        self.period, self.angles = options.period, sorted(options.angles)
        self.plain = [column for column in range(columns) if column not in self.angles]
        targets = columns + len(self.angles)
        self.register_buffer("mean", torch.zeros(targets))
        self.register_buffer("std", torch.ones(targets))
        if options.width:
            self.layers = nn.Sequential(
                nn.Linear(dim, options.width), nn.SiLU(), nn.Linear(options.width, targets)
            )
        else:
            self.layers = nn.Linear(dim, targets)

    def expanded(self, state: Tensor) -> Tensor:
        """State (n, S) with angles as sines and cosines, behind the rest: (n, K)."""
        columns = state.unbind(1)  # a list of numbers for an index is copied to a GPU, which waits
        turns = [columns[i] * (2 * math.pi / self.period) for i in self.angles]
        plain = [columns[i] for i in self.plain]
        return torch.stack([*plain, *(t.sin() for t in turns), *(t.cos() for t in turns)], dim=1)

    @torch.no_grad()
    def fit(self, state: Tensor) -> None:
        """Standardise by the states (n, S) of training episodes; what does not vary there keeps its scale."""
        targets = self.expanded(state.double())
        std = targets.std(0, correction=0)
        self.mean.copy_(targets.mean(0))
        self.std.copy_(torch.where(std <= _CONSTANT * targets.abs().amax(0), torch.ones_like(std), std))

    def forward(self, embedding: Tensor, state: Tensor) -> Tensor:
        """The error of reading, scalar fp32; a differentiable 0 where there are no samples.

        Args:
            embedding: (n, D) of sim samples.
            state: (n, S), what the simulator says of them.
        """
        with torch.autocast(embedding.device.type, enabled=False):
            read = self.layers(embedding.float())
            if not len(read):
                return read.sum()
            return F.mse_loss(read, (self.expanded(state.float()) - self.mean) / self.std)


def fitted_readout(options: Auxiliary, dim: int, state: Tensor, seed: int) -> Readout:
    """A readout standardised by the states (n, S) of training episodes; its weights follow from the seed."""
    with torch.random.fork_rng(devices=[]):  # no other draw is moved
        torch.default_generator.manual_seed(torch_generator(seed, "readout").initial_seed())
        readout = Readout(options, dim, state.shape[1])
    readout.fit(state)
    return readout
