"""Windows of episodes: what a policy is trained on, gathered a batch at a time."""

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from align.data.episodes import Episodes
from align.data.images.frames import Frames
from align.errors import InputError


class Windows:
    """Every window of some episodes, padded and numbered as by Diffusion Policy's `SequenceSampler`.

    A window is `horizon` consecutive steps of one episode. It may begin up to `n_obs_steps - 1` steps before
    the episode and end up to `n_action_steps - 1` steps after it; steps outside repeat the first or the last
    frame. The first `n_obs_steps` steps are the observation, and the actions begin at the OLDEST of them. An
    episode shorter than the horizon is padded alike; one with fewer than
    `horizon - n_obs_steps - n_action_steps + 2` frames has no window, as in Diffusion Policy, and is listed
    in `skipped`.

    Args:
        episodes: The episodes of one domain; shared, not copied.
        episode_ids: Numbers of the episodes to take windows from, (E',), without repeats.
        n_obs_steps: Observed steps To.
        horizon: Steps of actions H that are predicted.
        n_action_steps: Steps that are executed of them.
        n_image_steps: Images Ti <= To, the most recent ones; None takes To, 0 none.

    Attributes:
        counts: Windows of each of the episodes, (E',) int64; they follow one another in the numbering.
        skipped: Numbers of the episodes too short for a window, (K,) int64.

    Raises:
        InputError: An episode does not exist or repeats, the step counts do not fit each other, or
            images are asked for and the episodes have none.
    """

    def __init__(
        self,
        episodes: Episodes,
        episode_ids: Sequence[int] | np.ndarray,
        n_obs_steps: int = 2,
        horizon: int = 16,
        n_action_steps: int = 8,
        n_image_steps: int | None = None,
    ):
        n_image_steps = n_obs_steps if n_image_steps is None else n_image_steps
        _check_steps(n_obs_steps, horizon, n_action_steps, n_image_steps)
        ids = np.asarray(episode_ids, np.int64)
        if ids.size and not (0 <= ids.min() and ids.max() < episodes.n_episodes):
            raise InputError(
                f"episode_ids: {ids.min()} to {ids.max()}; expected 0 to {episodes.n_episodes - 1}"
            )
        if len(np.unique(ids)) != ids.size:
            raise InputError("episode_ids: an episode is listed twice; expected each at most once")
        self.episodes, self.episode_ids = episodes, ids
        self.n_obs_steps, self.horizon, self.n_action_steps = n_obs_steps, horizon, n_action_steps
        self.n_image_steps = n_image_steps

        # An episode of L steps has windows that begin at step 1 - To, ..., L - H + Ta - 1.
        counts = np.maximum(episodes.lengths[ids] - horizon + n_action_steps + n_obs_steps - 1, 0)
        self.counts, self.skipped = counts, ids[counts == 0]
        first = np.repeat(np.cumsum(counts) - counts, counts)
        offset = (
            np.arange(counts.sum()) - first + 1 - n_obs_steps
        )  # first step in its episode, may be negative
        self._episode = torch.from_numpy(np.repeat(ids, counts))
        self._offset = torch.from_numpy(offset)
        self._low = torch.from_numpy(episodes.starts.astype(np.int64))
        self._high = torch.from_numpy(episodes.ends.astype(np.int64) - 1)
        if n_image_steps and not episodes.images:
            raise InputError(f"n_image_steps: {n_image_steps}; {episodes.path} has no images, expected 0")
        self._images = {name: Frames.of(image) for name, image in episodes.images.items()}
        self._agent_pos = torch.from_numpy(episodes.agent_pos)
        self._action = torch.from_numpy(episodes.action)
        self._privileged = None if episodes.privileged is None else torch.from_numpy(episodes.privileged)

    def __len__(self) -> int:
        """Number of windows."""
        return len(self._episode)

    def check_length(self) -> None:
        """Refuse a horizon that no episode is long enough for.

        Raises:
            InputError: There are episodes, and not one window.
        """
        if self.n_episodes and not len(self):
            longest = self.episodes.lengths[self.episode_ids].max()
            raise InputError(
                f"policy.horizon={self.horizon}: the longest of {self.n_episodes} episodes of "
                f"{self.episodes.path} has {longest} steps; expected a shorter horizon, or longer episodes"
            )

    @property
    def n_episodes(self) -> int:
        """Number of episodes that the windows are taken from."""
        return len(self.episode_ids)

    @property
    def newest(self) -> Tensor:
        """Row in the store of each window's newest observation, (len,) int64."""
        return self._low[self._episode] + self._offset + self.n_obs_steps - 1

    @property
    def action_dim(self) -> int:
        """Action dimension A."""
        return self._action.shape[1]

    @property
    def agent_pos_dim(self) -> int:
        """Proprioception dimension P."""
        return self._agent_pos.shape[1]

    def of(self, episode_ids: Sequence[int] | np.ndarray) -> "Windows":
        """The windows of other episodes, taken as these are."""
        steps = self.n_obs_steps, self.horizon, self.n_action_steps, self.n_image_steps
        return Windows(self.episodes, episode_ids, *steps)

    def spread(self, n: int) -> Tensor:
        """Numbers of at most `n` windows, spread evenly over the episodes. (m,) int64"""
        return torch.linspace(0, len(self) - 1, min(n, len(self))).round().long()

    def by_store(self) -> dict[str, np.ndarray]:
        """Numbers of the episodes that windows are taken from, by name of the store."""
        ids = self.episode_ids
        return {
            store.name: ids[(ids >= store.episodes.start) & (ids < store.episodes.stop)]
            for store in self.episodes.stores
        }

    def windows_by_store(self) -> dict[str, int]:
        """How many windows there are of each store, by its name."""
        chosen = {name: np.isin(self.episode_ids, ids) for name, ids in self.by_store().items()}
        return {name: int(self.counts[rows].sum()) for name, rows in chosen.items()}

    def keys(self) -> tuple[Tensor, Tensor]:
        """What tells windows apart: their episode and the step at which they begin, (n,) int64 each."""
        return self._episode, self._offset

    def whole(self) -> Tensor:
        """Which windows (n,) lie in their episode with all their steps, so that no frame is repeated."""
        lengths = self._high[self._episode] - self._low[self._episode] + 1
        return (self._offset >= 0) & (self._offset + self.horizon <= lengths)

    def gather(
        self, indices: Tensor, images: bool = True, floats: Mapping[str, Tensor] | None = None
    ) -> dict[str, Tensor]:
        """The windows of a batch, one indexing operation a key.

        Args:
            indices: Numbers of the windows, (n,) int64.
            images: Whether to gather images; False leaves the key out.
            floats: For loops of your own that want floats from the CPU: (n, Ti, C, H, W) float32 of each
                camera, to be overwritten with its images, scaled to 0 to 1. Training takes bytes, which its
                device scales.

        Returns:
            Of each camera ("image", or "image.NAME") (n, Ti, C, H, W) uint8, where Ti > 0; "agent_pos"
            (n, To, P) float32; "action" (n, H, A) float32; "episode" (n,) int64, its number in the store;
            "step" (n,) int64, the step in its episode of the newest observation; "privileged" (n, S) float32
            of that observation, where the episodes have it.
        """
        indices = indices.to(self._episode.device, non_blocking=True)
        episode = self._episode[indices]
        rows = self._rows(indices)  # (n, H)
        observed = rows[:, : self.n_obs_steps]
        batch = {
            "agent_pos": _take(self._agent_pos, observed),
            "action": _take(self._action, rows),
            "episode": episode,
            "step": observed[:, -1] - self._low[episode],
        }
        if self._privileged is not None:
            batch["privileged"] = _take(self._privileged, observed[:, -1])
        if images and self.n_image_steps:
            seen = observed[:, -self.n_image_steps :]
            for name, image in self._images.items():
                if floats is not None:
                    image.put(seen.reshape(-1), floats[name].flatten(0, 1))
                    batch[name] = floats[name]
                    continue
                frames = image.take(seen.reshape(-1))
                batch[name] = frames.view(*seen.shape, *frames.shape[1:])
        return batch

    @property
    def n_bytes(self) -> int:
        """Size of what batches are gathered from, in bytes; windows of the same episodes share it."""
        others = [x for x in (self._agent_pos, self._action, self._privileged) if x is not None]
        return sum(x.nbytes for x in (*self._images.values(), *others))

    def to(self, device: torch.device) -> "Windows":
        """The same windows with all that batches are gathered from on a device, where they are gathered."""
        moved = copy.copy(self)
        for name, value in vars(self).items():
            if isinstance(value, Tensor):
                setattr(moved, name, value.to(device))
        moved._images = {name: image.to(device) for name, image in self._images.items()}
        return moved

    def states(self, indices: Tensor) -> Tensor | None:
        """Full states (n, To, S) float32 of the observed steps, oldest first; None if the store has none."""
        if self.episodes.state is None:
            return None
        return _take(torch.from_numpy(self.episodes.state), self._rows(indices)[:, : self.n_obs_steps])

    def privileged(self) -> Tensor | None:
        """What "privileged" is in each window, (len, S) float32; None if the episodes have none."""
        return None if self._privileged is None else _take(self._privileged, self.newest)

    def _rows(self, indices: Tensor) -> Tensor:
        """Frames (n, H) of the windows; those beyond an episode's edges repeat the first or the last."""
        episode, offset = self._episode[indices], self._offset[indices]
        low, high = self._low[episode], self._high[episode]
        rows = (low + offset)[:, None] + torch.arange(self.horizon, device=low.device)
        return torch.clamp(rows, low[:, None], high[:, None])


def _take(values: Tensor, rows: Tensor) -> Tensor:
    """`values[rows]` through one `index_select`, which is faster than advanced indexing."""
    return values.index_select(0, rows.reshape(-1)).view(*rows.shape, *values.shape[1:])


def _check_steps(n_obs_steps: int, horizon: int, n_action_steps: int, n_image_steps: int) -> None:
    for name, value in (("n_obs_steps", n_obs_steps), ("n_action_steps", n_action_steps)):
        if value < 1:
            raise InputError(f"{name}: {value}; expected at least 1")
    if horizon < n_obs_steps + n_action_steps - 1:
        raise InputError(
            f"horizon: {horizon}; expected at least n_obs_steps + n_action_steps - 1 ="
            f" {n_obs_steps + n_action_steps - 1}, since it begins at the oldest observation"
        )
    if not 0 <= n_image_steps <= n_obs_steps:
        raise InputError(f"n_image_steps: {n_image_steps}; expected 0 to n_obs_steps = {n_obs_steps}")
