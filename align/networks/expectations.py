"""What a policy was trained on, kept in its checkpoint: it acts on nothing that looks otherwise."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from align.domain import Domain
from align.errors import InputError
from align.networks.representation import Representation, encode_forms

FREE = ("C", "H", "W")
"""The shape of images to a policy that was saved before it knew."""


class Expectations(nn.Module):
    """Shapes of images, and how stores write what a policy sees of them: buffers of the policy itself.

    A policy that builds on it has `cameras`, and the sizes `action_dim`, `agent_pos_dim`, `n_obs_steps` and
    `n_image_steps`.
    """

    def expect_nothing(self) -> None:
        """Make the buffers of a policy that has seen no data yet."""
        shape = (3,) if self.cameras in ((), ("image",)) else (len(self.cameras), 3)
        self.register_buffer("image_shape", torch.zeros(shape, dtype=torch.long))
        for name, size in (("action", self.action_dim), ("agent_pos", self.agent_pos_dim)):
            codes = torch.zeros(len(Domain), size, 2, dtype=torch.long)
            self.register_buffer(f"{name}_forms", codes)

    def expect_images(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """Remember the shapes (C, H, W) of the images that it is trained on: `act` refuses any others.

        Args:
            shapes: By camera; see `cameras`.
        """
        if shapes:
            found = torch.tensor([list(shapes[camera]) for camera in self.cameras])
            self.image_shape.copy_(found.reshape(self.image_shape.shape))

    def expected_images(self) -> dict[str, tuple[int, int, int]]:
        """The shapes (C, H, W) of the images that it is trained on, by camera; empty if it does not know."""
        if not self.image_shape.any():
            return {}
        shapes = self.image_shape.reshape(-1, 3).tolist()
        return {camera: tuple(shape) for camera, shape in zip(self.cameras, shapes, strict=True)}

    def expect_forms(self, forms: Mapping[Domain, Mapping[str, Sequence[tuple[str | None, int]]]]) -> None:
        """Remember how stores write what the policy sees without jumps: `act` takes and gives it as they do.

        Args:
            forms: By domain, of "action" and "agent_pos", whose parts add up to what the policy sees.
        """
        for domain, of in forms.items():
            for name, size in (("action", self.action_dim), ("agent_pos", self.agent_pos_dim)):
                getattr(self, f"{name}_forms")[domain] = encode_forms(of.get(name, ()), size)

    def written(self, name: str, domain: Domain = Domain.REAL) -> Representation:
        """How the stores of a domain write "action" or "agent_pos"."""
        return Representation(getattr(self, f"{name}_forms")[domain])

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *rest) -> None:
        """A policy saved before it knew the shape of its images, or how stores write what it sees, takes any
        images, and all else as it is."""
        for name in ("image_shape", "action_forms", "agent_pos_forms"):
            state_dict.setdefault(f"{prefix}{name}", torch.zeros_like(getattr(self, name)))
        super()._load_from_state_dict(state_dict, prefix, *rest)

    def check_observation(
        self, observation: Mapping[str, Tensor], domain: Domain = Domain.REAL, as_stored: bool = True
    ) -> None:
        """Refuse what does not look as in training.

        Args:
            observation, domain, as_stored: As of `DiffusionPolicy.act`.

        Raises:
            InputError: An entry is missing, has another shape, is not finite or no rotation where one is
                expected; images are not uint8.
        """
        written = self.written("agent_pos", domain)
        wanted = {"agent_pos": [self.n_obs_steps, written.size if as_stored else self.agent_pos_dim]}
        known = self.expected_images()
        wanted |= {camera: [self.n_image_steps, *known.get(camera, FREE)] for camera in self.cameras}
        for name, shape in wanted.items():
            if name not in observation:
                raise InputError(f"observation: has {sorted(observation)}; expected {name!r}")
            found = list(observation[name].shape[1:])
            same = [a == b or b in FREE for a, b in zip(found, shape, strict=False)]
            if len(found) != len(shape) or not all(same):
                found, expected = (", ".join(map(str, ["B", *s])) for s in (found, shape))
                raise InputError(f"observation: {name} is ({found}); expected ({expected}), as in training")
        if not torch.isfinite(observation["agent_pos"]).all():
            raise InputError("observation: agent_pos holds NaN or infinity; expected finite numbers")
        if as_stored and (fault := written.fault(observation["agent_pos"])):
            raise InputError(f"observation: agent_pos {fault}; expected it as in the demonstrations")
        for camera in self.cameras:
            found = observation[camera].dtype
            if found != torch.uint8:
                raise InputError(
                    f"observation: {camera} is {found}; expected uint8, 0 to 255, as in training"
                )
