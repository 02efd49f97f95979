"""Sim and real demonstrations as a LightningDataModule."""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import numpy as np
import pytorch_lightning as pl
import torch
from lightning_fabric.utilities import move_data_to_device
from torch import Tensor
from torch.utils.data import DataLoader

from align.checkpoints.trust import named_class
from align.data.columns import Forms
from align.data.episodes import Actions, Episodes, Store
from align.data.gating.batches import GatedBatches
from align.data.gating.levels import Gating
from align.data.images import Fit, Keep
from align.data.mixture import real_quota, resolve_alpha
from align.data.pairing import Pairing
from align.data.readers.encoding import Encoding
from align.data.readers.reader import Reader
from align.data.reading import Reading, joined, worth_telling
from align.data.shares import (
    batch_in_words,
    check_shares,
    demonstrations_in_words,
    domain_weights,
    mixture_sampler,
    weighted_parts,
)
from align.data.splits import PROBED_EPISODES
from align.data.stores import each_keys, listed, split_stores
from align.data.windows import Windows
from align.diffusion.ambient import Ambient
from align.domain import Domain
from align.errors import COUNT, SEED, SIZE, InputError, check_numbers
from align.policy import DiffusionPolicy
from align.step.batches import HeldOutBatches, TrainingBatches


class CotrainingData(pl.LightningDataModule):
    """Batches with a fixed share of sim and real windows.

    Args:
        sim: Path of the sim demonstrations: a Zarr store in Diffusion Policy's layout, a LeRobotDataset, a
            robomimic HDF5 file, or what `reader` reads. A list of paths joins several stores.
        real: Path of the real demonstrations, or a list of paths, e.g. of three labs' arms.
        sim_keys: Where the sim store keeps what, if it is not found by itself, e.g. {agent_pos: "pose +
            gripper[:1]", image: camera_0}; see `align.data.keys.find_keys`. A list has those of each store.
        real_keys: The same for the real store.
        sim_shares: Of several sim stores, how much of sim each is, e.g. [3, 1]: of the loss, and as near as
            whole numbers come of each batch. `None` draws all their windows alike.
        real_shares: The same for the real stores.
        alpha: Weight α of the real loss, in [0, 1]; `None` takes the natural share of real windows.
        balanced: Give both domains half of each batch whatever α is, and reweight the loss, so that
            alignment sees as many real as sim samples. Otherwise the share of a batch is α.
        batch_size: Windows a batch, over both domains.
        max_sim: Number of sim training demonstrations to use; `None` uses all.
        max_real: Number of real training demonstrations to use.
        validation: Held-out episodes of each store: a number, or a share below 1, but at least four, or a
            third of a store that has few.
        image_size: Size in pixels to which images are resized: the side of a square, or [height, width];
            `None` keeps theirs.
        image_fit: How images of other proportions become that size: "stretch" them, "pad" them with black,
            or "crop" them to their central part.
        images: Where images are kept. In "memory", in a "cache" beside the data, decoded once and mapped, or
            by "auto" in the cache if they are video or would take more than a quarter of the free memory.
        cache: Folder of that cache; `None` takes `.align-cache` beside each store.
        reader: A format of your own, a subclass of `align.data.readers.Reader` by its import path, asked
            before the others whether it recognises a store.
        actions: What actions are: "targets", where to be, or "deltas", by how much to move; `None` is what
            stores say (robomimic's controllers do), and otherwise what they look like.
        rate_hz: Frames a second to train on. At most the lower rate of the two: of a faster store every so
            many frames are kept, or those nearest in time, each with the last target before the next. `None`
            keeps all, and refuses stores of different rates.
        sim_codec: A codec to pass uncoded sim images through: "match" is the real images'. It would tell
            the domains apart else. {codec: h264, crf: 23} says what those do not, or otherwise.
        real_codec: The same for real images.
        val_windows: Number of held-out windows per domain that validation uses.
        seed: Seed of the splits: which episodes are held out, and which of the others are used.
        shuffle_seed: Seed of the order in which training windows are seen, and of the noise that the ambient
            loss fixes; `align fit` takes it from `seed_everything`.
        pairing: Draw sim windows that are temporally aligned with the real ones of the batch, e.g.
            {key: agent_pos, neighbours: 10}; see `align.data.pairing.Pairing`, also for what else it changes.
            `None` draws the domains independently.
        gating: At which noise levels sim windows train the denoiser; `None` uses all windows at all of them.
    """

    def __init__(
        self,
        sim: list[str] | str = "data/sim.zarr",
        real: list[str] | str = "data/real.zarr",
        sim_keys: dict[str, str] | list[dict[str, str] | None] | None = None,
        real_keys: dict[str, str] | list[dict[str, str] | None] | None = None,
        sim_shares: list[float] | None = None,
        real_shares: list[float] | None = None,
        alpha: float | None = None,
        balanced: bool = False,
        batch_size: int = 64,
        max_sim: int | None = None,
        max_real: int | None = None,
        validation: int | float = 0.1,
        image_size: int | list[int] | None = None,
        image_fit: Fit = "stretch",
        images: Keep = "auto",
        cache: str | None = None,
        reader: type[Reader] | None = None,
        actions: Actions | None = None,
        rate_hz: float | None = None,
        sim_codec: Encoding | Literal["match"] | None = None,
        real_codec: Encoding | Literal["match"] | None = None,
        val_windows: int = 512,
        seed: int = 0,
        shuffle_seed: int = 0,
        pairing: Pairing | None = None,
        gating: Gating | None = None,
    ):
        super().__init__()
        check_numbers("[0, 1]", alpha=alpha)
        check_numbers("[2, 1e6]", whole=True, batch_size=batch_size, val_windows=val_windows)
        check_numbers(COUNT, whole=True, max_sim=max_sim, max_real=max_real)
        check_numbers("[0, 1e9]", whole=not 0 <= validation < 1, validation=validation)
        check_numbers(SIZE, whole=True, image_size=image_size)
        check_numbers("(0, 1e6]", rate_hz=rate_hz)
        check_numbers(SEED, whole=True, seed=seed, shuffle_seed=shuffle_seed)
        check_numbers("(0, 1e9]", sim_shares=sim_shares, real_shares=real_shares)
        paths = {Domain.SIM: listed("sim", sim), Domain.REAL: listed("real", real)}
        keys, shares = (sim_keys, real_keys), (sim_shares, real_shares)
        self.reading = Reading(
            paths,
            {d: each_keys(d.label, keys[d], len(paths[d])) for d in Domain},
            {Domain.SIM: sim_codec, Domain.REAL: real_codec},
            image_size,
            image_fit,
            images,
            cache,
            reader,
            rate_hz,
            actions,
        )
        self.shares = {d: check_shares(f"{d.label}_shares", shares[d], len(paths[d])) for d in Domain}
        self.max_demos = {Domain.SIM: max_sim, Domain.REAL: max_real}
        self.alpha, self.balanced, self.batch_size = alpha, balanced, batch_size
        self.validation, self.val_windows = validation, val_windows
        self.seed, self.shuffle_seed = seed, shuffle_seed
        if pairing is not None and gating is not None:
            raise InputError(
                "pairing, gating: a batch is drawn either in pairs or by noise level; expected one"
            )
        if any(self.shares.values()) and (pairing is not None or gating is not None):
            drawn = "in pairs" if gating is None else "by noise level"
            raise InputError(f"sim_shares, real_shares: windows are drawn {drawn}; expected no shares")
        self.pairing, self.gating = pairing, gating
        if sim_codec == real_codec == "match":
            raise InputError("sim_codec=match, real_codec=match: expected it of one, which takes the other's")
        self.gated: GatedBatches | None = None
        self._privileged: str | None = None
        self.train: dict[Domain, Windows] = {}
        self.held_out: dict[Domain, Windows] = {}

    @classmethod
    def recorded(cls, options: Mapping[str, Any], policy: DiffusionPolicy) -> "CotrainingData":
        """The data of a finished run with its split, read for a policy; its way to draw batches is left out.

        Args:
            options: What the run's configuration says of the data.
            policy: As in `read`.

        Raises:
            InputError: The demonstrations are gone or no longer fit.
        """
        kept = {name: value for name, value in options.items() if name not in ("pairing", "gating")}
        if isinstance(kept.get("reader"), str):
            kept["reader"] = named_class(kept["reader"], Reader)
        for name in ("sim_codec", "real_codec"):
            if isinstance(kept.get(name), Mapping):
                kept[name] = Encoding(**kept[name])
        data = cls(**kept)
        data.read(policy)
        return data

    def serve(
        self,
        policy: DiffusionPolicy,
        noise_draws: int,
        ambient: Ambient | None,
        privileged: str | None = None,
    ) -> None:
        """Say whom the batches are for; to be called before `setup`.

        Args:
            policy: The policy that is trained on them.
            noise_draws: Noise draws a window, whose diffusion steps gated batches bring.
            ambient: How it learns from samples trusted only above a noise level.
            privileged: Columns of the sim store that batches bring as "privileged", NaN for real windows.

        Raises:
            InputError: `ambient` needs batches that are gated.
        """
        if ambient is not None and self.gating is None:
            raise InputError("model.ambient: needs data.gating, e.g. {sigma_min: 0.1}")
        self._policy, self._noise_draws, self._ambient = policy, noise_draws, ambient
        self._privileged = privileged

    def setup(self, stage: str | None = None) -> None:
        """Read the stores for what `serve` was given, if that was not done."""
        if not self.train:
            self.read(self._policy)
            self._set_up_gating()

    def read(self, policy: DiffusionPolicy) -> None:
        """Read the stores, hold out validation episodes, fit the normaliser on the training ones.

        Args:
            policy: What the windows are for.

        Raises:
            InputError: A store cannot be read, or does not fit the policy.
        """
        self.load(policy, policy.n_image_steps)
        for name, size, found in (
            ("action_dim", policy.action_dim, self.train[Domain.SIM].action_dim),
            ("agent_pos_dim", policy.agent_pos_dim, self.train[Domain.SIM].agent_pos_dim),
        ):
            if size != found:
                taken = self.train[Domain.SIM].episodes.keys
                raise InputError(
                    f"policy.{name}={size}: the demonstrations have {found}" + (f": {taken}" if taken else "")
                )
        for domain, windows in self.held_out.items():
            if not len(windows):
                raise InputError(
                    f"validation={self.validation}: leaves no held-out window of the "
                    f"{windows.episodes.n_episodes} {domain.label} episodes; expected 1 or more, and "
                    f"{PROBED_EPISODES} or more for a probe"
                )
        self._set_up_sampler()

    def share(self, other: "CotrainingData") -> None:
        """Take what another has read, of which only the order of the batches is to be another.

        Args:
            other: Read, and of the same options but for `shuffle_seed`.
        """
        for name in ("train", "held_out", "normalizer", "real_alpha"):
            setattr(self, name, getattr(other, name))
        self.notes = list(other.notes)
        self._set_up_sampler()
        self._set_up_gating()

    def _set_up_sampler(self) -> None:
        n_sim, n_real = len(self.train[Domain.SIM]), len(self.train[Domain.REAL])
        self.quota = real_quota(self.alpha, self.batch_size, n_sim, n_real, self.balanced)
        self.sampler = mixture_sampler(
            self.train,
            self.batch_size,
            self.quota,
            self.shuffle_seed,
            self.shares,
            self.pairing,
            self.alpha,
        )

    def load(self, policy: DiffusionPolicy, n_image_steps: int) -> None:
        """The windows of training and of held-out episodes, the weight of the real ones, and the normaliser.

        Args:
            policy: What the windows are for; how large actions and positions are is the data's to say.
            n_image_steps: How many steps of a window have images; 0 reads none.

        Raises:
            InputError: A store cannot be read.
        """
        stores = self.reading.read(policy.cameras if n_image_steps > 0 else (), self._privileged)
        episodes = joined(stores)
        sizes = (getattr(episodes[Domain.SIM], name).shape[1] for name in ("action", "agent_pos"))
        self.normalizer = policy.new_normalizer(*sizes)
        compared = [] if self.pairing is None else [self.pairing.key]
        self.notes = worth_telling(stores, self.normalizer.relative_dims, compared)

        def windows(data: Episodes, ids: np.ndarray) -> Windows:
            return Windows(
                data, ids, policy.n_obs_steps, policy.horizon, policy.n_action_steps, n_image_steps
            )

        for domain, data in episodes.items():
            split = split_stores(data, stores[domain], self.validation, self.max_demos[domain], self.seed)
            self.train[domain], self.held_out[domain] = (windows(data, ids) for ids in split)
            self.train[domain].check_length()
        sim, real = self.train[Domain.SIM], self.train[Domain.REAL]
        self.real_alpha = resolve_alpha(self.alpha, len(sim), len(real))
        self.normalizer.fit(*weighted_parts(self.train, self.real_alpha, self.shares))

    def _set_up_gating(self) -> None:
        if self.gating is None:
            return
        self.gated = GatedBatches(
            self.gating,
            self.train,
            self.normalizer,
            self._policy.schedule.sigmas,
            self.batch_size,
            self._noise_draws,
            self.real_alpha,
            self.shuffle_seed,
            self.balanced,
            None if self._ambient is None else self._ambient.admission,
        )

    def weights(self) -> dict[Domain, Tensor]:
        """Weights (quota,) of each domain's samples of a batch, which make the mean over it the objective."""
        return domain_weights(self.real_alpha, self.sampler, self.shares)

    @property
    def stores(self) -> dict[Domain, tuple[Store, ...]]:
        """The stores of each domain, with their names."""
        return {d: self.train[d].episodes.stores for d in Domain}

    def stores_of(self, domain: np.ndarray, episode: np.ndarray) -> np.ndarray:
        """Names (N,) of the stores that windows are of, by their domains and episodes (N,)."""
        found = np.full(len(domain), "", dtype=object)
        for d, stores in self.stores.items():
            rows = domain == d
            which = np.searchsorted([store.episodes.stop for store in stores], episode[rows], side="right")
            found[rows] = np.array([store.name for store in stores])[which]
        return found.astype(str)

    @property
    def forms(self) -> dict[Domain, dict[str, Forms]]:
        """How the stores of each domain, of several the first, write what batches hold."""
        return {d: self.train[d].episodes.forms for d in Domain}

    @property
    def image_shapes(self) -> dict[str, tuple[int, int, int]]:
        """(C, H, W) of the images, by camera."""
        images = self.train[Domain.REAL].episodes.images
        return {name: (image.shape[3], *image.shape[1:3]) for name, image in images.items()}

    def describe(self) -> str:
        """One line on what a batch holds, for the log."""
        drawn = self.sampler if self.gated is None else None
        sizes = demonstrations_in_words(self.train, self.held_out, self.shares, drawn)
        if self.gated is not None:
            lowest = float(self._policy.schedule.inference_levels().min())
            return f"training on {sizes}; {self.batch_size} windows a batch; {self.gated.describe(lowest)}"
        return f"training on {sizes}; {batch_in_words(self.sampler, self.real_alpha)}"

    def train_dataloader(self) -> DataLoader:
        return DataLoader(TrainingBatches(self), batch_size=None)

    def transfer_batch_to_device(
        self, batch: dict[str, Any], device: torch.device, dataloader_idx: int
    ) -> dict[str, Any]:
        """The batch on the device; Lightning takes apart whatever may hold tensors, which takes longer."""
        return {key: _moved(x, device) for key, x in batch.items()}

    def val_dataloader(self) -> DataLoader:
        return DataLoader(HeldOutBatches(self.held_out, self.val_windows), batch_size=None)

    test_dataloader = val_dataloader

    def too_few_to_probe(self, per_domain: int) -> str | None:
        """What to tell where a run will not have the held-out episodes that a probe needs, before it trains.

        Args:
            per_domain: Windows of each domain whose embeddings are kept.
        """
        found = {}
        for domain, windows in self.held_out.items():
            episodes, _ = windows.keys()
            found[domain.label] = len(episodes[windows.spread(per_domain)].unique())
        if min(found.values()) >= PROBED_EPISODES:
            return None
        held = ", ".join(f"{n} {label}" for label, n in found.items())
        return (
            f"data.validation={self.validation}: holds out {held} episodes that have windows; a probe of sim "
            f"against real needs {PROBED_EPISODES} or more of each, and a whole number "
            f"(data.validation={PROBED_EPISODES}) is of episodes"
        )

    def held_out_batches(self, per_domain: int, batch_size: int = 128) -> Iterator[dict[str, Tensor]]:
        """Held-out windows; see `HeldOutBatches`."""
        return iter(HeldOutBatches(self.held_out, per_domain, batch_size))


def _moved(x: Any, device: torch.device) -> Any:
    if isinstance(x, Tensor):
        return x.to(device, non_blocking=device.type == "cuda")
    return move_data_to_device(x, device) if isinstance(x, dict | list | tuple) else x
