"""Positions and actions as a store writes them, and as a policy sees them: without jumps, and back.

What `align.data.rotations` does to a store's columns in NumPy, here as tensor operations without turns that
depend on values, so that a policy, and what is exported of it, does it itself.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

CODES = {"quat_xyzw": 1, "quat_wxyz": 2, "axis_angle": 3, "matrix": 4, "radians": 5, "degrees": 6}
"""Numbers of the forms of `align.data.rotations.TRANSFORMS` in checkpoints, for good; 0 is as stored."""
_UNIT = 0.02  # by which a stored rotation may be off, as in `align.data.rotations`


class Form(NamedTuple):
    """Columns that a policy sees one behind the other, and how the store writes them.

    Attributes:
        how: One of `CODES`; `None` is as stored.
        seen: How many columns the policy sees.
    """

    how: str | None
    seen: int

    @property
    def stored(self) -> int:
        """How many columns the store has."""
        if self.how is None:
            return self.seen
        return self.seen // 2 if self.how in ("radians", "degrees") else _WRITTEN[self.how].columns


def encode_forms(forms: Sequence[tuple[str | None, int]], size: int) -> Tensor:
    """Forms as numbers (size, 2) that a checkpoint keeps: of each column seen, its form and its part.

    Args:
        forms: In order, as of `Form`; none at all is all columns as stored.
        size: Columns that the policy sees.
    """
    rows = [[CODES.get(how, 0), n] for n, (how, seen) in enumerate(forms) for _ in range(seen)]
    return torch.tensor(rows) if rows else torch.zeros(size, 2, dtype=torch.long)


class Representation:
    """How a store writes what a policy sees of it.

    Args:
        codes: (D, 2), as of `encode_forms`.
    """

    def __init__(self, codes: Tensor):
        names = {code: how for how, code in CODES.items()}
        parts: dict[tuple[int, int], int] = {}
        for code, part in codes.tolist():
            parts[part, code] = parts.get((part, code), 0) + 1
        self.forms = [Form(names.get(code), seen) for (_, code), seen in parts.items()]

    @property
    def recoded(self) -> bool:
        """Whether the policy sees anything otherwise than it is stored."""
        return any(form.how for form in self.forms)

    @property
    def size(self) -> int:
        """Columns of the store."""
        return sum(form.stored for form in self.forms)

    def see(self, stored: Tensor) -> Tensor:
        """(..., `size`) as stored to (..., D) as a policy sees it."""
        if not self.recoded:
            return stored
        parts = stored.split([form.stored for form in self.forms], dim=-1)
        return torch.cat([_see(f.how, x) for f, x in zip(self.forms, parts, strict=True)], dim=-1)

    def restore(self, seen: Tensor) -> Tensor:
        """The inverse, of (..., D) of any length and angle: rotations are made orthonormal.

        Quaternions have w ≥ 0, and angles lie within ± half a turn, whatever turns the store counted.
        """
        if not self.recoded:
            return seen
        parts = seen.split([form.seen for form in self.forms], dim=-1)
        return torch.cat([_restore(f.how, x) for f, x in zip(self.forms, parts, strict=True)], dim=-1)

    def fault(self, stored: Tensor) -> str | None:
        """What is no rotation of (..., `size`), in words; None if nothing."""
        first = 0
        for form in self.forms:
            values = stored[..., first : first + form.stored]
            if form.how in ("quat_xyzw", "quat_wxyz"):
                off = (values.norm(dim=-1) - 1).abs()
            elif form.how == "matrix":
                matrices = values.unflatten(-1, (3, 3))
                off = (matrices @ matrices.transpose(-1, -2) - torch.eye(3).to(matrices)).abs().amax((-1, -2))
                off = torch.where(torch.linalg.det(matrices) < 0, 1.0, off)
            else:
                off = values.new_zeros(1)
            if (off > _UNIT).any():
                return f"[{first}:{first + form.stored}] is no rotation, of {form.how}"
            first += form.stored
        return None

    def describe(self) -> list[dict]:
        """A part each, as JSON: its form, and which columns it has as stored."""
        told, first = [], 0
        for form in self.forms:
            told.append({"form": form.how or "as stored", "columns": [first, first + form.stored]})
            first += form.stored
        return told


def _see(how: str | None, x: Tensor) -> Tensor:
    if how is None:
        return x
    if how in ("radians", "degrees"):
        angle = torch.deg2rad(x) if how == "degrees" else x
        return torch.stack([angle.sin(), angle.cos()], dim=-1).flatten(-2)
    matrices = _WRITTEN[how].matrix(x)
    return torch.cat([matrices[..., 0], matrices[..., 1]], dim=-1)


def _restore(how: str | None, x: Tensor) -> Tensor:
    if how is None:
        return x
    if how in ("radians", "degrees"):
        angle = torch.atan2(x[..., 0::2], x[..., 1::2])
        return torch.rad2deg(angle) if how == "degrees" else angle
    return _WRITTEN[how].write(_orthonormal(x))


def _orthonormal(x: Tensor) -> Tensor:
    """(..., 6) to rotation matrices (..., 3, 3), by Gram–Schmidt."""
    a, b = x[..., :3], x[..., 3:]
    a = a / a.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    b = b - (a * b).sum(-1, keepdim=True) * a
    b = b / b.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return torch.stack([a, b, _cross(a, b)], dim=-1)


def _cross(a: Tensor, b: Tensor) -> Tensor:
    (x, y, z), (u, v, w) = a.unbind(-1), b.unbind(-1)
    return torch.stack([y * w - z * v, z * u - x * w, x * v - y * u], dim=-1)


def _of_quaternion(q: Tensor) -> Tensor:
    """(..., 4), scalar last, of any length, to matrices (..., 3, 3)."""
    x, y, z, w = (q / q.norm(dim=-1, keepdim=True).clamp_min(1e-12)).unbind(-1)
    rows = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    return torch.stack([torch.stack(row, dim=-1) for row in rows], dim=-2)


def _quaternion(m: Tensor) -> Tensor:
    """Matrices (..., 3, 3) to quaternions (..., 4), scalar last and not negative (Shepperd 1978).

    Four quaternions, each written by dividing by another entry; that of the largest entry is taken.
    """
    d = [m[..., i, i] for i in range(3)]
    sums = {(i, j): m[..., i, j] + m[..., j, i] for i, j in ((0, 1), (0, 2), (1, 2))}
    turns = [m[..., 2, 1] - m[..., 1, 2], m[..., 0, 2] - m[..., 2, 0], m[..., 1, 0] - m[..., 0, 1]]
    candidates = torch.stack(
        [
            torch.stack([1 + d[0] - d[1] - d[2], sums[0, 1], sums[0, 2], turns[0]], dim=-1),
            torch.stack([sums[0, 1], 1 + d[1] - d[0] - d[2], sums[1, 2], turns[1]], dim=-1),
            torch.stack([sums[0, 2], sums[1, 2], 1 + d[2] - d[0] - d[1], turns[2]], dim=-1),
            torch.stack([*turns, 1 + d[0] + d[1] + d[2]], dim=-1),
        ],
        dim=-2,
    )  # each is 4 q_k q, so the one of the largest q_k is the longest
    longest = candidates.square().sum(-1).argmax(-1)
    pick = (torch.arange(4, device=longest.device) == longest[..., None]).to(candidates)
    q = (candidates * pick[..., None]).sum(-2)
    q = q / q.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    return torch.where(q[..., 3:] < 0, -q, q)


def _of_axis_angle(v: Tensor) -> Tensor:
    half = v.norm(dim=-1, keepdim=True) / 2
    scale = torch.where(half < 1e-4, 0.5 - half.square() / 12, half.sin() / (2 * half).clamp_min(1e-12))
    return _of_quaternion(torch.cat([v * scale, half.cos()], dim=-1))


def _axis_angle(m: Tensor) -> Tensor:
    q = _quaternion(m)
    length = q[..., :3].norm(dim=-1, keepdim=True)
    scale = torch.where(length < 1e-6, 2.0, 2 * torch.atan2(length, q[..., 3:]) / length.clamp_min(1e-12))
    return q[..., :3] * scale


@dataclass(frozen=True)
class _Written:
    """One way to write a rotation: how many columns it has, to its matrix, and from it."""

    columns: int
    matrix: Callable[[Tensor], Tensor]
    write: Callable[[Tensor], Tensor]


_WRITTEN = {
    "quat_xyzw": _Written(4, _of_quaternion, _quaternion),
    "quat_wxyz": _Written(4, lambda q: _of_quaternion(q.roll(-1, -1)), lambda m: _quaternion(m).roll(1, -1)),
    "axis_angle": _Written(3, _of_axis_angle, _axis_angle),
    "matrix": _Written(9, lambda x: x.unflatten(-1, (3, 3)), lambda m: m.flatten(-2)),
}
