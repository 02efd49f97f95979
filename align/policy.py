"""The policy a robot runs: observations in, a chunk of actions out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor, nn

from align.checkpoints.description import build, describe
from align.checkpoints.reading import averaged_weights, check_finite, checkpoint_file, read_checkpoint
from align.checkpoints.trust import trusting
from align.data.normalizer import Normalization, Normalizer, Relative
from align.diffusion.schedule import Generators, NoiseSchedule
from align.domain import Domain
from align.errors import SIZE, InputError, check_numbers, one_line
from align.networks.base import Denoiser, Encoder
from align.networks.cameras import camera_names, camera_slices, crop_of, image_features
from align.networks.encoder import ConvEncoder
from align.networks.expectations import Expectations
from align.networks.representation import Representation
from align.networks.unet import ConditionalUnet1D


@dataclass
class Features:
    """What the encoder makes of a batch of observations.

    Attributes:
        image: (B, Ti · F) features of the images alone; (B, 0) without images.
        observation: (B, C) image features and normalised proprioception.
        label: (B, 2) one-hot domain, zero where it is withheld; `None` where the policy is not told.
    """

    image: Tensor
    observation: Tensor
    label: Tensor | None = None

    @property
    def condition(self) -> Tensor:
        """(B, C) or (B, C + 2), what the denoiser is conditioned on. Probes read `observation` instead."""
        return self.observation if self.label is None else torch.cat([self.observation, self.label], dim=-1)

    def without_label(self) -> "Features":
        """The same, with the domain withheld."""
        return replace(self, label=torch.zeros_like(self.label))


class DiffusionPolicy(Expectations):
    """A diffusion policy (Chi et al. 2023, arXiv 2303.04137) on images and proprioception, or without images.

    Args:
        encoder: Maps images (B, C, H, W) in [-1, 1] to (B, `encoder.features`); `CameraEncoders` of several
            cameras. `None` takes a `ConvEncoder`, or none where `n_image_steps` is 0.
        denoiser: The denoiser, or what makes one from (action_dim, condition_dim).
        schedule: The noise schedule.
        action_dim: Size of one action.
        agent_pos_dim: Size of the proprioceptive state.
        n_obs_steps: Observation steps To the policy sees.
        n_image_steps: How many of them, the latest, it sees as images; 0 makes a policy without images.
        horizon: Length of the predicted sequence of actions, beginning at the oldest observation.
        n_action_steps: How many of them are executed, beginning at the newest observation.
        crop: Side in pixels of a random crop in training, central in use; `None` takes whole images.
        color_jitter: In training brightness, contrast and saturation of each RGB image are multiplied by
            random factors in [1 − this, 1 + this]; 0 leaves colours as they are.
        relative_actions: Predict actions relative to the newest position. That is the first `action_dim`
            entries of the newest state; "0:3" or [0, 1, 2] are some of them, each relative to the entry with
            its number, and the others, as a gripper, absolute.
        step_scale: Normalise every step of an action sequence by a deviation of its own; see `Normalizer`.
        relative_history: See `agent_pos` before the newest as differences to it, on a scale of their own: how
            it moves, so that the next actions join the last ones smoothly.
        relative_goal: See the goal, the `action_dim` entries of `agent_pos` after the position, as its
            difference to the position: which way it is, also from close by.
        domain_conditioning: Tell the denoiser the domain, as a one-hot vector.
        guidance_weight: Weight w of classifier-free guidance on the domain when sampling (Ho & Salimans
            2022, arXiv 2207.12598): (1 + w) · prediction with the domain − w · prediction without it. Needs
            `domain_conditioning`, and a policy trained with the domain withheld at times.
        normalization: Action scale. To zero mean and unit deviation ("mean_std"), or to [-1, 1]
            over the training data ("min_max").
    """

    def __init__(
        self,
        encoder: Encoder | None = None,
        denoiser: Callable[[int, int], Denoiser] | Denoiser = ConditionalUnet1D,
        schedule: NoiseSchedule | None = None,
        action_dim: int = 2,
        agent_pos_dim: int = 2,
        n_obs_steps: int = 2,
        n_image_steps: int = 2,
        horizon: int = 16,
        n_action_steps: int = 8,
        crop: int | None = None,
        color_jitter: float = 0.0,
        relative_actions: Relative = False,
        step_scale: bool = True,
        relative_history: bool = False,
        relative_goal: bool = False,
        domain_conditioning: bool = False,
        guidance_weight: float = 0.0,
        normalization: Normalization = "mean_std",
    ):
        super().__init__()
        sizes = {"action_dim": action_dim, "agent_pos_dim": agent_pos_dim, "horizon": horizon, "crop": crop}
        steps = {"n_obs_steps": n_obs_steps, "n_action_steps": n_action_steps}
        check_numbers(SIZE, whole=True, **sizes, **steps)
        check_numbers("[0, 65536]", whole=True, n_image_steps=n_image_steps)
        check_numbers("[0, 1]", color_jitter=color_jitter)
        if n_image_steps > n_obs_steps:
            raise InputError(f"n_image_steps={n_image_steps}: expected 0 to n_obs_steps={n_obs_steps}")
        if n_image_steps == 0 and not (encoder is None and crop is None):
            raise InputError("n_image_steps=0: a policy without images; expected encoder=null and crop=null")
        self.encoder = ConvEncoder() if encoder is None and n_image_steps > 0 else encoder
        if self.encoder is not None and not isinstance(getattr(self.encoder, "features", None), int):
            raise InputError(f"encoder={type(self.encoder).__name__}: needs an integer attribute 'features'")
        self.action_dim, self.agent_pos_dim = action_dim, agent_pos_dim
        self.n_obs_steps, self.n_image_steps = n_obs_steps, n_image_steps
        self.horizon = horizon
        self.execute(n_action_steps)
        self.crop, self.color_jitter = crop, color_jitter
        self.relative_actions, self.step_scale = relative_actions, step_scale
        self.relative_history, self.relative_goal = relative_history, relative_goal
        self.domain_conditioning, self.normalization = domain_conditioning, normalization
        self.guide(guidance_weight)
        self.image_dim = n_image_steps * self.encoder.features if n_image_steps > 0 else 0
        self.observation_dim = self.image_dim + n_obs_steps * agent_pos_dim
        condition_dim = self.observation_dim + len(Domain) * domain_conditioning
        is_module = isinstance(denoiser, nn.Module)
        self.denoiser = denoiser if is_module else denoiser(action_dim, condition_dim)
        if getattr(type(self.denoiser), "features", Denoiser.features) is Denoiser.features:
            raise InputError(
                f"denoiser={type(self.denoiser).__name__}: has no method 'features'; expected one that "
                "returns the prediction and the last hidden layer (B, D)"
            )
        self.schedule = NoiseSchedule() if schedule is None else schedule
        self.normalizer = self.new_normalizer(action_dim, agent_pos_dim)
        self.expect_nothing()

    def new_normalizer(self, action_dim: int, agent_pos_dim: int) -> Normalizer:
        """A normaliser as the policy's own is, not fitted yet, of data of these sizes."""
        return Normalizer(
            self.horizon,
            action_dim,
            agent_pos_dim,
            self.relative_actions,
            self.step_scale,
            self.relative_history,
            self.relative_goal,
            self.normalization,
        )

    @property
    def cameras(self) -> tuple[str, ...]:
        """What it sees, as batches name it: "image", or "image.NAME" for each of several; maybe nothing."""
        return camera_names(self.encoder) if self.n_image_steps > 0 else ()

    @property
    def image_sites(self) -> dict[str, slice]:
        """Where the features of each of several cameras lie among those of all, by "image.NAME"."""
        return camera_slices(self.encoder, self.n_image_steps) if self.n_image_steps > 0 else {}

    @property
    def device(self) -> torch.device:
        """Where the weights are, and where observations must be."""
        return self.normalizer.action_mean.device

    @torch.no_grad()
    def site_sizes(self) -> dict[str, int]:
        """Size of the embedding at each site: "image" and cameras, if any, "observation" and "denoiser".

        Raises:
            InputError: The denoiser was made for other sizes.
        """
        made_for = getattr(self.denoiser, "horizon", self.horizon)
        if made_for != self.horizon:
            raise InputError(
                f"horizon={self.horizon}: the denoiser, {type(self.denoiser).__name__}, was made for "
                f"{made_for}; expected denoiser.init_args.horizon={self.horizon}, too"
            )
        condition_dim = self.observation_dim + len(Domain) * self.domain_conditioning
        x, condition = torch.zeros(1, self.horizon, self.action_dim), torch.zeros(1, condition_dim)
        try:
            _, hidden = self.denoiser.features(x, torch.zeros(1, dtype=torch.long), condition)
        except RuntimeError as error:
            raise InputError(
                f"denoiser={type(self.denoiser).__name__}: the policy does not fit it, with horizon="
                f"{self.horizon}, action_dim={self.action_dim} and a condition of {condition_dim}: {error}"
            ) from None
        image = {"image": self.image_dim} if self.n_image_steps > 0 else {}
        image |= {name: part.stop - part.start for name, part in self.image_sites.items()}
        return {**image, "observation": self.observation_dim, "denoiser": hidden.shape[1]}

    def execute(self, n_action_steps: int) -> None:
        """Set how many of the predicted actions are executed before the next are planned.

        Raises:
            InputError: There are not so many.
        """
        check_numbers(SIZE, whole=True, n_action_steps=n_action_steps)
        most = self.horizon - self.n_obs_steps + 1
        if n_action_steps > most:
            raise InputError(
                f"n_action_steps={n_action_steps}, horizon={self.horizon}, n_obs_steps={self.n_obs_steps}: "
                f"expected n_action_steps from 1 to horizon - n_obs_steps + 1 = {most}"
            )
        self.n_action_steps = n_action_steps

    def guide(self, weight: float) -> None:
        """Set the weight of the guidance on the domain.

        Raises:
            InputError: It is out of range, or the policy is not told the domain.
        """
        check_numbers("[0, 1000]", guidance_weight=weight)
        if weight > 0 and not self.domain_conditioning:
            raise InputError(f"guidance_weight={weight}: needs a policy with domain_conditioning=true")
        self.guidance_weight = weight

    def encode(
        self,
        image: Tensor | Mapping[str, Tensor] | None,
        agent_pos: Tensor,
        generator: torch.Generator | None = None,
        domain: Tensor | None = None,
    ) -> Features:
        """Encode observations.

        Args:
            image: (B, Ti, C, H, W) uint8, or a mapping (a batch, an observation) that holds it for each of
                `cameras`; not looked at by a policy without images.
            agent_pos: (B, To, P) in the data's units.
            generator: Draws random crops and colours; without it the central crop is taken, as it is.
            domain: (B,) of `Domain`, what a policy with domain conditioning is told; all real by default.
        """
        proprioception = self.normalizer.normalize_history(agent_pos).flatten(1)
        label = self._label(agent_pos, domain)
        if self.n_image_steps == 0:
            return Features(proprioception[:, :0], proprioception, label)
        images = image if isinstance(image, Mapping) else {"image": image}
        features = image_features(self.encoder, images, self.crop, self.color_jitter, generator)
        return Features(features, torch.cat([features, proprioception], dim=-1), label)

    def crop_of(self, camera: str) -> int | None:
        """Side of the crop of a camera's images, of those that it has of its own or of all; None is none."""
        return crop_of(self.encoder, camera, self.crop)

    def _label(self, agent_pos: Tensor, domain: Tensor | None) -> Tensor | None:
        if not self.domain_conditioning:
            return None
        domain = torch.full((len(agent_pos),), int(Domain.REAL)) if domain is None else domain
        kinds = torch.arange(len(Domain), device=self.device)
        return (
            domain.to(self.device)[:, None] == kinds
        ).float()  # `one_hot` would read its smallest and wait

    @torch.no_grad()
    def sample(
        self, features: Features, agent_pos: Tensor, noise: Tensor, generator: Generators | None = None
    ) -> Tensor:
        """Whole sequences of actions, in the data's units.

        Args:
            features: Of B observations.
            agent_pos: (B, To, P).
            noise: (B, horizon, A) standard normal, from which sampling starts.
            generator: For the DDPM sampler's own noise; a list has one a sample.

        Returns:
            (B, horizon, A).
        """
        bounds = self.normalizer.action_low, self.normalizer.action_high
        actions = self.schedule.sample(
            lambda x, steps: self._predict(x, steps, features).float(), noise, generator, bounds
        )
        return self.normalizer.unnormalize_action(actions, agent_pos)

    def _predict(self, x: Tensor, steps: Tensor, features: Features) -> Tensor:
        """The denoiser's prediction (B, horizon, A), guided where w > 0."""
        told = self.denoiser(x, steps, features.condition)
        w = self.guidance_weight
        if w == 0:
            return told
        return (1 + w) * told - w * self.denoiser(x, steps, features.without_label().condition)

    @torch.no_grad()
    def act(
        self,
        observation: Mapping[str, Tensor],
        noise: Tensor,
        generator: Generators | None = None,
        domain: Domain = Domain.REAL,
        skip: int = 0,
        as_stored: bool = True,
    ) -> Tensor:
        """The actions to execute next.

        Args:
            observation: Of each of `cameras` ("image", or "image.NAME") (B, Ti, C, H, W) uint8, and
                "agent_pos" (B, To, P), oldest first.
            noise: (B, horizon, A) standard normal; equal noise gives equal actions.
            generator: For the DDPM sampler's own noise; a list has one a sample, which needs no other.
            domain: Where it acts: whose stores say how positions and actions are written, and what a policy
                with domain conditioning is told.
            skip: Leave out so many actions before them, whose time will have passed.
            as_stored: Take positions and give actions as the domain's store writes them: where keys made
                sine and cosine of angles or 6-D of rotations, that is undone. Otherwise both are as the
                policy sees them.

        Returns:
            (B, n_action_steps, A) in the data's units.

        Raises:
            InputError: As `check_observation`, or noise of another shape, or more are left out than are left.
        """
        left = self.horizon - self.n_obs_steps + 1 - self.n_action_steps
        check_numbers(f"[0, {left}]", whole=True, skip=skip)
        self.check_observation(observation, domain, as_stored)
        n = len(observation["agent_pos"])
        if noise.shape != (n, self.horizon, self.action_dim):
            expected = (n, self.horizon, self.action_dim)
            raise InputError(f"noise: has shape {tuple(noise.shape)}; expected {expected}")
        writing = DiffusionPolicy.writing(self, domain) if as_stored else None  # whatever a subclass calls so
        return DiffusionPolicy.plan(self, observation, noise, generator, domain, skip, writing)

    def writing(self, domain: Domain = Domain.REAL) -> tuple[Representation, Representation]:
        """How the stores of a domain write "agent_pos" and "action"."""
        return self.written("agent_pos", domain), self.written("action", domain)

    @torch.no_grad()
    def plan(
        self,
        observation: Mapping[str, Tensor],
        noise: Tensor,
        generator: Generators | None = None,
        domain: Domain = Domain.REAL,
        skip: int = 0,
        writing: tuple[Representation, Representation] | None = None,
    ) -> Tensor:
        """As `act`, of arguments that were checked: nothing of it waits for the device.

        Args:
            observation, noise, generator, domain, skip: As of `act`.
            writing: As of `self.writing`; `None` takes positions and gives actions as the policy sees them.
        """
        told = torch.full((len(noise),), int(domain), device=self.device)
        agent_pos = observation["agent_pos"]
        agent_pos = agent_pos if writing is None else writing[0].see(agent_pos)
        features = self.encode(observation, agent_pos, domain=told)
        actions = self.sample(features, agent_pos, noise, generator)
        first = self.n_obs_steps - 1 + skip
        actions = actions[:, first : first + self.n_action_steps]
        return actions if writing is None else writing[1].restore(actions)

    @classmethod
    def from_checkpoint(cls, path: str | Path, trust: Sequence[str] = ()) -> "DiffusionPolicy":
        """Load a trained policy (its averaged weights), ready to act on the CPU.

        Args:
            path: A checkpoint written by `align fit`, or its run directory.
            trust: Modules or packages of your own, beside align's, whose classes it may be made of; their
                code runs. Nothing else that a checkpoint names is imported.

        Raises:
            InputError: The file is missing or is not a checkpoint of such a policy, or names a class that is
                not trusted.
        """
        checkpoint = read_checkpoint(path)
        try:
            with trusting(trust):
                policy = build(checkpoint["policy"])
            if not isinstance(policy, cls):
                raise InputError(f"policy: {type(policy).__name__}; expected a {cls.__name__}")
            policy.load_state_dict(averaged_weights(checkpoint))
        except (InputError, RuntimeError) as error:
            why = one_line(error) if isinstance(error, InputError) else one_line(error)[:300]
            raise InputError(f"checkpoint={str(checkpoint_file(path))!r}: {why}") from None
        check_finite(policy, path)
        return policy.eval().requires_grad_(False)

    def description(self) -> dict:
        """Plain data from which `checkpoints.description` makes the policy again, without its weights."""
        return describe(self)
