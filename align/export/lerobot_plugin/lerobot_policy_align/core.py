"""A policy as it acts: its history, its noise, its chunks. Needs PyTorch alone."""

from collections import deque
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from lerobot_policy_align.graph import FORMAT, Graph
from lerobot_policy_align.images import fit_image


def check_rotation(state: Tensor, form: str, first: int, end: int) -> None:
    """Refuse columns of a state (batch, S) that are to be a rotation and are none, as training would."""
    values = state[:, first:end]
    if form in ("quat_xyzw", "quat_wxyz"):
        off = (values.norm(dim=-1) - 1).abs()
    elif form == "matrix":
        matrices = values.unflatten(-1, (3, 3))
        off = (matrices @ matrices.transpose(-1, -2) - torch.eye(3).to(matrices)).abs().amax((-1, -2))
        off = torch.where(torch.linalg.det(matrices) < 0, 1.0, off)
    else:
        return
    if (off > 0.02).any():
        raise ValueError(f"observation.state[{first}:{end}] is no rotation, of {form}")


class Core(nn.Module):
    """An exported policy.

    Args:
        plan: What graph.json holds.
        n_action_steps: Actions of a chunk that are executed.
        seed: Seed of the noise.
        image_fit: How images of another size are resized; None refuses them.
    """

    def __init__(self, plan: Mapping, n_action_steps: int, seed: int = 0, image_fit: str | None = None):
        super().__init__()
        if plan.get("format") != FORMAT:
            raise ValueError(f"graph.json: format {plan.get('format')!r}; this plugin reads {FORMAT!r}")
        self.plan, self.n_action_steps, self.image_fit = plan, n_action_steps, image_fit
        self.cameras, self.schedule = plan["cameras"], plan["schedule"]
        self.encode, self.step, self.finish = (Graph(plan["graphs"][k]) for k in ("encode", "step", "finish"))
        for key, (dtype, shape) in plan["tensors"].items():
            empty = torch.empty(shape, dtype=getattr(torch, dtype))
            if empty.is_floating_point():
                self.register_parameter(key, nn.Parameter(empty, requires_grad=False))
            else:
                self.register_buffer(key, empty)
        self.generator = torch.Generator().manual_seed(seed)
        self.reset()

    def reset(self) -> None:
        """Begin an episode; the noise goes on, so that no two episodes see the same."""
        self.history: deque = deque(maxlen=self.plan["n_obs_steps"])
        self.chunk: deque = deque()

    @torch.no_grad()
    def select_action(self, batch: Mapping[str, Tensor], noise: Tensor | None = None) -> Tensor:
        """The next action (B, A), for observations (B, …) as LeRobot has them."""
        self._look(self._seen(batch))
        if not self.chunk:
            self.chunk.extend(self._plan(noise).unbind(1))
        return self.chunk.popleft()

    @torch.no_grad()
    def predict_action_chunk(self, batch: Mapping[str, Tensor], noise: Tensor | None = None) -> Tensor:
        """The next actions (B, n_action_steps, A).

        Args:
            batch: Observations (B, …), which follow those before, or whole histories (B, steps, …).
            noise: (B, horizon, A) standard normal; equal noise gives equal actions.
        """
        if batch["observation.state"].ndim == 3:
            self.history.clear()
            for t in range(batch["observation.state"].shape[1]):
                self._look(self._seen({key: batch[key][:, t] for key in self._wanted()}))
        else:
            self._look(self._seen(batch))
        return self._plan(noise)

    def _wanted(self) -> tuple[str, ...]:
        return ("observation.state", *self.cameras)

    def _look(self, seen: dict[str, Tensor]) -> None:
        self.history.extend([seen] * (1 if self.history else self.history.maxlen))

    def _seen(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """What of an observation the policy looks at, at the size of training."""
        missing = [key for key in self._wanted() if key not in batch]
        if missing:
            there = sorted(key for key in batch if str(key).startswith("observation."))
            raise ValueError(
                f"{missing[0]} is missing; the observation has {there} (rename_map names cameras)"
            )
        state, width = batch["observation.state"], self.plan["state_dim"]
        if state.ndim != 2 or state.shape[1] != width:
            raise ValueError(
                f"observation.state is {tuple(state.shape)}; expected (batch, {width}), as in training"
            )
        if not torch.isfinite(state).all():
            raise ValueError("observation.state holds NaN or infinity")
        for part in self.plan.get("state_forms", ()):
            check_rotation(state.float(), part["form"], *part["columns"])
        seen = {"observation.state": state.float()}
        for key, camera in self.cameras.items():
            seen[key] = torch.stack([self._image(key, image, camera["shape"]) for image in batch[key]])
        return seen

    def _image(self, key: str, image: Tensor, shape: list[int]) -> Tensor:
        """(C, H, W), uint8 or float from 0 to 1, → uint8 at the size of training."""
        values = image.float() if image.dtype == torch.uint8 else image.float() * 255
        if list(image.shape) != shape:
            if self.image_fit is None or image.ndim != 3 or image.shape[0] != shape[0]:
                raise ValueError(f"{key} is {tuple(image.shape)}; expected {tuple(shape)}, as in training")
            values = fit_image(values, tuple(shape[1:]), self.image_fit)
        if not (values.min() > -0.5 and values.max() < 255.5):
            raise ValueError(f"{key}: pixels beyond 0 to 1; expected images that nothing has normalised")
        return values.round().to(torch.uint8)

    def _plan(self, noise: Tensor | None) -> Tensor:
        """(B, n_action_steps, A), each of the batch by itself."""
        n, shape = len(self.history[-1]["observation.state"]), self.plan["noise_shape"]
        if noise is None:
            noise = torch.randn(n, *shape, generator=self.generator)
        state = self.history[-1]["observation.state"]
        noise = noise.to(state.device, torch.float32)
        return torch.cat([self._one(i, noise[i : i + 1]) for i in range(n)])

    def _one(self, i: int, noise: Tensor) -> Tensor:
        weights = {**dict(self.named_parameters()), **dict(self.named_buffers())}
        stacked = {key: torch.stack([seen[key][i] for seen in self.history])[None] for key in self._wanted()}
        state, steps = stacked["observation.state"], self.plan["n_image_steps"]
        images = [stacked[key][:, -steps:] for key in self.cameras]
        conditions = self.encode([*images, state], weights)
        x = noise
        for step, levels in self.schedule:
            at = torch.full((1,), step, dtype=torch.long, device=x.device)
            (x,) = self.step(
                [x, at, torch.tensor(levels, dtype=torch.float32, device=x.device), *conditions], weights
            )
        (actions,) = self.finish([x, state], weights)
        return actions[:, : self.n_action_steps]
