"""The scale on which a policy sees positions and actions; part of the policy, so saved with it."""

import re
from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from align.data.windows import Windows
from align.errors import InputError

_BATCH = 16384
_STEP_FLOOR = 0.01  # of the dimension's widest step: rare motion of a still step must not be blown up
_CONSTANT = 1e-6  # of the magnitude: float32 cannot tell a smaller spread from none
Relative = bool | str | list[int]
"""Which actions are taken relative to the newest position: all or none, "0:3", or [0, 1, 2]."""
Normalization = Literal["mean_std", "min_max"]
"""Whether actions are scaled to zero mean and unit deviation, or to [-1, 1] over the training data."""
_UNRECORDED = 4.0  # deviations to which sampling was clipped before a normaliser knew its data's range


class Normalizer(nn.Module):
    """Normalises actions to zero mean and unit deviation, or to [-1, 1] as positions; knows their range.

    Until it is fitted or loaded from a state dict it is the identity (but for the relative origin), and its
    range of actions is open. A state dict from before there was a range gives ±4 deviations.

    Args:
        horizon: Steps of an action window H.
        action_dim: Action dimension A.
        agent_pos_dim: Proprioception dimension P.
        relative: Take actions relative to the first A entries of the newest agent_pos, as suits actions that
            are target positions and an agent_pos that begins with the position (and may go on with a goal).
            Of some of them alone, as "0:3" or [0, 1, 2]: each of these is relative to the entry of agent_pos
            with its number, and the others, as a gripper, stay as they are.
        step_scale: Give every step of the horizon a deviation of its own, so that near steps of relative
            actions, which vary little, are learned as precisely as far ones. Without it all steps of a
            dimension share one, and noise is as large at every step in the data's units too.
        relative_history: Show observations before the newest as differences to it, scaled to [-1, 1]: how it
            moves, which positions on the scale of the whole workspace hardly tell.
        relative_goal: Take the A entries of agent_pos after the position for a goal, and show how far it is
            from the position instead: of two nearby places on the scale of the whole workspace a network
            hardly sees which way to go from one to the other.
        normalization: "mean_std" scales actions to zero mean and unit deviation, "min_max" to [-1, 1] over
            the training data. Dimensions that never change keep their unit.

    Raises:
        InputError: `relative` with A > P or entries that are not there, or `relative_goal` with 2 A > P.
    """

    def __init__(
        self,
        horizon: int,
        action_dim: int,
        agent_pos_dim: int,
        relative: Relative = True,
        step_scale: bool = True,
        relative_history: bool = False,
        relative_goal: bool = False,
        normalization: Normalization = "mean_std",
    ):
        super().__init__()
        if relative is True and action_dim > agent_pos_dim:
            raise InputError(
                f"relative: True needs actions that are positions, but action has {action_dim} and agent_pos"
                f" {agent_pos_dim} dimensions; expected at most as many, relative=False, or those of them "
                "that are, as '0:3'"
            )
        if relative_goal and 2 * action_dim > agent_pos_dim:
            raise InputError(
                f"relative_goal: True needs a position and a goal, {2 * action_dim} entries of agent_pos; "
                f"it has {agent_pos_dim}"
            )
        self.horizon, self.action_dim, self.agent_pos_dim = horizon, action_dim, agent_pos_dim
        self.relative, self.step_scale, self.relative_history = relative, step_scale, relative_history
        self.relative_goal, self.normalization = relative_goal, normalization
        self.relative_dims = relative_dims(relative, action_dim, agent_pos_dim)
        self.register_buffer("action_mean", torch.zeros(horizon, action_dim))
        self.register_buffer("action_std", torch.ones(horizon, action_dim))
        self.register_buffer("action_low", torch.full((horizon, action_dim), -torch.inf))
        self.register_buffer("action_high", torch.full((horizon, action_dim), torch.inf))
        self.register_buffer("agent_pos_centre", torch.zeros(agent_pos_dim))
        self.register_buffer("agent_pos_half", torch.ones(agent_pos_dim))
        if relative_history:
            self.register_buffer("history_half", torch.ones(agent_pos_dim))
        if self.relative_dims and not self.all_relative:
            chosen = torch.zeros(action_dim)
            chosen[self.relative_dims] = 1.0
            self.register_buffer("relative_mask", chosen, persistent=False)

    @property
    def all_relative(self) -> bool:
        """Whether every entry of an action is relative to the position."""
        return len(self.relative_dims) == self.action_dim

    @torch.no_grad()
    def fit(self, windows: Sequence[Windows], weights: Sequence[float] | None = None) -> "Normalizer":
        """Set the statistics from TRAINING windows, in place.

        Args:
            windows: Training windows, one a domain.
            weights: Share of each in the action statistics, e.g. (1 - alpha, alpha); those of share 0 are
                left out of the position range as well. None weighs each by its number of windows.

        Returns:
            This normaliser.

        Raises:
            InputError: Windows of other dimensions, or no window of positive weight.
        """
        weights = [float(len(w)) for w in windows] if weights is None else [float(w) for w in weights]
        if len(weights) != len(windows) or not all(w >= 0 for w in weights):
            raise InputError(f"weights: {weights}; expected {len(windows)} numbers that are not negative")
        used = [(w, share) for w, share in zip(windows, weights, strict=True) if share > 0 and len(w)]
        if not used:
            raise InputError(
                "windows: none of positive weight to fit the normaliser on; expected training data"
            )
        total = sum(share for _, share in used)
        pooled, ranges, lows, highs, magnitudes, moves = [], [], [], [], [], []
        for domain, share in used:
            self._check(domain)
            action, agent_pos = self._collect(domain)  # (N, H, A), (N, To, P)
            pooled.append((share / total, action.mean(0), action.var(0, correction=0)))
            ranges.append((action.amin(0), action.amax(0)))
            shown = self._shown(agent_pos)
            lows.append(shown.amin((0, 1)))
            highs.append(shown.amax((0, 1)))
            magnitudes.append(action.abs().amax((0, 1)))
            moves.append((agent_pos - agent_pos[:, -1:]).abs().amax((0, 1)))
        mean = sum(share * m for share, m, _ in pooled)
        var = sum(share * (v + (m - mean) ** 2) for share, m, v in pooled)
        if not self.step_scale:
            var = var.mean(0, keepdim=True).expand_as(var)
        magnitude = torch.stack(magnitudes).amax(0)
        spread = var.sqrt()
        if self.normalization == "min_max":
            low, high = (
                torch.stack([r[0] for r in ranges]).amin(0),
                torch.stack([r[1] for r in ranges]).amax(0),
            )
            if not self.step_scale:
                low, high = (x.expand_as(mean) for x in (low.amin(0), high.amax(0)))
            mean, spread = (high + low) / 2, (high - low) / 2
        self.action_mean.copy_(mean)
        self.action_std.copy_(_floor(spread, magnitude))
        self._set_range(torch.stack([low for low, _ in ranges]), torch.stack([high for _, high in ranges]))
        low, high = torch.stack(lows).amin(0), torch.stack(highs).amax(0)
        half = (high - low) / 2
        magnitude = torch.maximum(low.abs(), high.abs())
        self.agent_pos_centre.copy_((high + low) / 2)
        self.agent_pos_half.copy_(torch.where(half <= _CONSTANT * magnitude, torch.ones_like(half), half))
        if self.relative_history:
            move = torch.stack(moves).amax(0)
            self.history_half.copy_(torch.where(move <= _CONSTANT * magnitude, torch.ones_like(move), move))
        return self

    def _set_range(self, lows: Tensor, highs: Tensor) -> None:
        """The range (H, A) of actions, from their lowest and highest (n, H, A) in the data's units."""
        low, high = lows.amin(0), highs.amax(0)
        if not self.step_scale:
            low, high = (x.expand_as(self.action_std) for x in (low.amin(0), high.amax(0)))
        self.action_low.copy_((low - self.action_mean) / self.action_std)
        self.action_high.copy_((high - self.action_mean) / self.action_std)

    @torch.no_grad()
    def widen(self, other: "Normalizer") -> None:
        """Widen the range of actions by another's, on whose data this one's policy goes on to train."""
        both = self, other
        lows, highs = (
            torch.stack([(getattr(n, name) * n.action_std + n.action_mean).to(self.action_std) for n in both])
            for name in ("action_low", "action_high")
        )
        self._set_range(lows, highs)

    def normalize_action(self, action: Tensor, agent_pos: Tensor) -> Tensor:
        """Actions as the denoiser sees them.

        Args:
            action: (B, H, A), in the store's units.
            agent_pos: (B, To, P), in the store's units (not normalised); the last is the newest.

        Returns:
            (B, H, A), of about unit variance.
        """
        return (action - self._origin(agent_pos) - self.action_mean) / self.action_std

    def unnormalize_action(self, action: Tensor, agent_pos: Tensor) -> Tensor:
        """The inverse of `normalize_action`, with the same arguments."""
        return action * self.action_std + self.action_mean + self._origin(agent_pos)

    def normalize_agent_pos(self, agent_pos: Tensor) -> Tensor:
        """Positions (..., P) in the store's units to [-1, 1] over the training data; see `relative_goal`."""
        return (self._shown(agent_pos) - self.agent_pos_centre) / self.agent_pos_half

    def normalize_history(self, agent_pos: Tensor) -> Tensor:
        """What a policy is shown of successive positions (B, To, P), the newest last; the same shape."""
        normalised = self.normalize_agent_pos(agent_pos)
        if not self.relative_history:
            return normalised
        moves = (agent_pos - agent_pos[:, -1:]) / self.history_half
        return torch.cat([moves[:, :-1], normalised[:, -1:]], dim=1)

    def _shown(self, agent_pos: Tensor) -> Tensor:
        """agent_pos (..., P) with the goal relative to the position, if that is wanted."""
        if not self.relative_goal:
            return agent_pos
        position, goal, rest = agent_pos.tensor_split((self.action_dim, 2 * self.action_dim), dim=-1)
        return torch.cat([position, goal - position, rest], dim=-1)

    def _origin(self, agent_pos: Tensor) -> Tensor | float:
        """What actions are relative to: (B, 1, A), or nothing."""
        if not self.relative_dims:
            return 0.0
        position = agent_pos[:, -1:, : self.action_dim]
        if self.all_relative:
            return position
        missing = self.action_dim - position.shape[-1]  # of a gripper of which no position is told
        return functional.pad(position, (0, missing)) * self.relative_mask

    def _collect(self, windows: Windows) -> tuple[Tensor, Tensor]:
        """All (relative) actions (N, H, A) and observed positions (N, To, P) of the windows, in float64."""
        actions, positions = [], []
        for indices in torch.arange(len(windows)).split(_BATCH):
            batch = windows.gather(indices, images=False)
            agent_pos = batch["agent_pos"].double()
            actions.append(batch["action"].double() - self._origin(agent_pos))
            positions.append(agent_pos)
        return torch.cat(actions), torch.cat(positions)

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest) -> None:
        for name, sign in (("action_low", -1), ("action_high", 1)):
            state_dict.setdefault(prefix + name, sign * torch.full_like(self.action_std, _UNRECORDED))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def _check(self, windows: Windows) -> None:
        found = (windows.horizon, windows.action_dim, windows.agent_pos_dim)
        expected = (self.horizon, self.action_dim, self.agent_pos_dim)
        if found != expected:
            raise InputError(f"windows: (horizon, action, agent_pos) dimensions {found}; expected {expected}")


_PART = re.compile(r"(\d*):(\d*)")


def relative_dims(relative: Relative, action_dim: int, agent_pos_dim: int) -> list[int]:
    """The entries of an action that are relative to those of agent_pos with the same number.

    Args:
        relative: All, none, "START:STOP", or their numbers.
        action_dim: Action dimension A.
        agent_pos_dim: Proprioception dimension P.

    Raises:
        InputError: It is of another form, or names entries that are not there.
    """
    if isinstance(relative, bool):
        return list(range(action_dim)) if relative else []
    if isinstance(relative, str):
        part = _PART.fullmatch(relative)
        if part is None:
            raise InputError(
                f"relative_actions={relative!r}: expected true, false, 'START:STOP' or [0, 1, 2]"
            )
        dims = list(range(int(part[1] or 0), int(part[2] or action_dim)))
    else:
        dims = list(relative)
    most = min(action_dim, agent_pos_dim)
    if not dims or len(set(dims)) < len(dims) or not all(0 <= dim < most for dim in dims):
        raise InputError(
            f"relative_actions={relative!r}: expected numbers from 0 to {most - 1}, each once, as action has "
            f"{action_dim} and agent_pos {agent_pos_dim} dimensions"
        )
    return dims


def _floor(std: Tensor, magnitude: Tensor) -> Tensor:
    """Deviations (H, A) safe to divide by; a dimension that never varies, for its magnitude (A,), gets 1."""
    widest = std.amax(0)
    constant = widest <= _CONSTANT * magnitude
    return torch.where(constant, torch.ones_like(std), torch.maximum(std, _STEP_FLOOR * widest))
