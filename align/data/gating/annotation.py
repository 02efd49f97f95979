"""The annotation of a data set: above which noise level each of its windows is trusted."""

import hashlib
import os
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from align.data.episodes import Episodes
from align.data.normalizer import Normalizer
from align.data.windows import Windows
from align.errors import InputError
from align.files import atomic_path
from align.run.reading import read_arrays, read_table

_SCALE = 1.25  # a factor on the action scale that moves a threshold by as much

SCHEMA = {
    "episode": ("iu", 1),
    "start": ("iu", 1),
    "sigma_min": ("f", 1),
    "dataset_sigma_min": ("f", 0),
    "dataset_sigma_max": ("f", 0),
    "tau": ("f", 0),
    "ends": ("iu", 1),
    "horizon": ("iu", 0),
    "relative_actions": ("b", 0),
    "action_std": ("f", 2),
}
"""What an annotation's file holds."""


def action_digest(episodes: Episodes) -> str:
    """Hash of all actions of a store: it tells stores apart whose episodes have the same lengths."""
    return hashlib.blake2b(np.ascontiguousarray(episodes.action).tobytes(), digest_size=16).hexdigest()


@dataclass(frozen=True)
class Annotation:
    """Noise levels σ_min above which corrupt windows cannot be told from clean ones.

    Attributes:
        episode: (N,) int64 number of the episode in its store.
        start: (N,) int64 step of the episode at which the window begins; negative before it.
        sigma_min: (N,) float32 level of each window; 1 for one that is never trusted.
        dataset_sigma_min: Level of the data set as a whole.
        dataset_sigma_max: Level below which all are trusted, for short stretches are right; 0: none.
        tau: Threshold τ on the probability of being clean.
        ends: (E,) int64 where the episodes of the annotated store end.
        horizon: Steps of a window H.
        relative_actions: Whether actions were taken relative to the newest position.
        action_std: (H, A) scale by which actions were divided before noise was added.
        digest: Hash of the annotated store's actions; "" in annotations older than it, which are not checked.
    """

    episode: np.ndarray
    start: np.ndarray
    sigma_min: np.ndarray
    dataset_sigma_min: float
    dataset_sigma_max: float
    tau: float
    ends: np.ndarray
    horizon: int
    relative_actions: bool
    action_std: np.ndarray
    digest: str = ""

    def save(self, path: str | os.PathLike) -> None:
        """Write it as an `.npz`, whole or not at all."""
        with atomic_path(path) as target, target.open("wb") as file:
            np.savez_compressed(file, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: str | os.PathLike) -> "Annotation":
        """Read one that `save` wrote.

        Raises:
            InputError: There is none at `path`, or it is damaged.
        """
        expected = "an annotation by align annotate"
        arrays = read_table(path, SCHEMA, expected) | read_arrays(path, ["digest"])  # the digest came later
        annotation = cls(**{name: a if a.ndim else a.item() for name, a in arrays.items()})
        lengths = {len(a) for a in (annotation.episode, annotation.start, annotation.sigma_min)}
        if len(lengths) > 1 or not len(annotation.ends) or (np.diff(annotation.ends, prepend=0) <= 0).any():
            raise InputError(f"{path}: its arrays do not go together; expected {expected}")
        levels = np.append(annotation.sigma_min, [annotation.dataset_sigma_min, annotation.dataset_sigma_max])
        if not ((levels >= 0) & (levels <= 1)).all():
            raise InputError(f"{path}: holds noise levels that are not in [0, 1]; expected {expected}")
        return annotation

    def of(self, windows: Windows, normalizer: Normalizer) -> Tensor:
        """σ_min (n,) float32 of some windows.

        Args:
            windows: Of the annotated store.
            normalizer: The normaliser training will use.

        Raises:
            InputError: They are of another store, shape or scale, or one of them is not annotated.
        """
        if not np.array_equal(self.ends, windows.episodes.ends):
            raise InputError(
                f"annotation: is of a store of {len(self.ends)} episodes and {self.ends[-1]} frames, not of "
                f"{windows.episodes.path} with {windows.episodes.n_episodes} and {windows.episodes.ends[-1]}"
            )
        if self.digest and self.digest != action_digest(windows.episodes):
            raise InputError(f"annotation: is of a store of other actions than {windows.episodes.path}")
        if normalizer.relative_dims and not normalizer.all_relative:
            raise InputError(
                f"relative_actions={normalizer.relative!r}: expected true or false with an annotation"
            )
        for name, found, used in (
            ("horizon", self.horizon, windows.horizon),
            ("relative_actions", self.relative_actions, bool(normalizer.relative_dims)),
        ):
            if found != used:
                raise InputError(f"annotation: made with {name}={found}; the policy has {name}={used}")
        ratio = torch.from_numpy(self.action_std) / normalizer.action_std.cpu()
        worst = float(torch.maximum(ratio, 1 / ratio).max())
        if worst > _SCALE:
            raise InputError(
                f"annotation: its actions were scaled {worst:.2f} times differently from training's; "
                "expected the same step_scale, alpha and episodes"
            )
        episode, start = windows.keys()
        stride = int(self.ends.max()) + 2 * self.horizon + 1  # longer than any episode with its padding

        def key(episode: np.ndarray, start: np.ndarray) -> np.ndarray:
            return episode * stride + start + self.horizon

        known = key(self.episode, self.start)
        order = np.argsort(known)
        wanted = key(episode.numpy(), start.numpy())
        at = order[np.searchsorted(known, wanted, sorter=order).clip(max=len(known) - 1)]
        missing = known[at] != wanted
        if missing.any():
            raise InputError(
                f"annotation: lacks {int(missing.sum())} of {len(wanted)} windows; expected one made with "
                "the policy's n_obs_steps and n_action_steps and training's validation, max_sim and seed"
            )
        return torch.from_numpy(self.sigma_min[at])
