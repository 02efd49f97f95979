"""What a policy sees: one camera, or several, each with its encoder."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from align.errors import InputError, check_numbers
from align.networks.augment import prepare
from align.networks.base import Encoder


class CameraEncoders(Encoder):
    """An encoder for each of several cameras, whose features stand side by side in the order of their names.

    Where a policy has it as its encoder, observations and batches hold "image.NAME" for each camera instead
    of "image", and each camera is a site of that name beside "image", which is all of them.

    Args:
        cameras: The encoder of each camera, by name.
        share: Cameras that see through another's encoder, weights included, as {right: left}. They come
            after those that have one of their own.
        crops: Side in pixels of a camera's random crop in training, central in use; one that is not named
            has the policy's `crop`.

    Attributes:
        sizes: By camera, the size of what its encoder makes of an image; `features` is their sum.

    Example:
        >>> CameraEncoders({"top": ConvEncoder(), "wrist": ConvEncoder(32)}, crops={"wrist": 56})
    """

    def __init__(
        self,
        cameras: dict[str, Encoder],
        share: dict[str, str] | None = None,
        crops: dict[str, int] | None = None,
    ):
        super().__init__()
        check_numbers("[1, 65536]", whole=True, crops=crops)
        share, crops = dict(share or {}), dict(crops or {})
        if not cameras:
            raise InputError("cameras: none; expected an encoder by name")
        for name, encoder in cameras.items():
            if not name or "." in name:
                raise InputError(f"cameras: {name!r}: expected a name without a dot")
            if not isinstance(getattr(encoder, "features", None), int):
                raise InputError(f"cameras: {name}: needs an integer attribute 'features'")
        for name, other in share.items():
            if name in cameras or "." in name or other not in cameras:
                raise InputError(
                    f"share: {{{name}: {other}}}; expected a camera without an encoder of its own, and one "
                    f"of {', '.join(cameras)}"
                )
        for name in crops:
            if name not in cameras and name not in share:
                raise InputError(f"crops: {name!r}; expected one of {', '.join([*cameras, *share])}")
        self.cameras = nn.ModuleDict(cameras)
        self.share, self.crops = share, crops
        self.sizes = {name: self.of(name).features for name in (*cameras, *share)}
        self.features = sum(self.sizes.values())

    def of(self, camera: str) -> nn.Module:
        """The encoder of a camera."""
        return self.cameras[self.share.get(camera, camera)]

    def forward(self, images: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Images (B, C, H, W) in [-1, 1] by camera → features (B, `sizes[camera]`) by camera."""
        return {name: self.of(name)(images[name]) for name in self.sizes}


def camera_names(encoder: nn.Module) -> tuple[str, ...]:
    """What observations and batches call its cameras: "image", or "image.NAME" of each of several."""
    return tuple(f"image.{name}" for name in encoder.sizes) if _several(encoder) else ("image",)


def camera_slices(encoder: nn.Module, n_steps: int) -> dict[str, slice]:
    """Where the features of each of several cameras lie among those of all, by "image.NAME"."""
    found, first = {}, 0
    for name, size in encoder.sizes.items() if _several(encoder) else ():
        found[f"image.{name}"] = slice(first, first := first + n_steps * size)
    return found


def crop_of(encoder: nn.Module, camera: str, crop: int | None) -> int | None:
    """Side of the crop of a camera's images, of those that it has of its own or of all; None is none."""
    own = encoder.crops if _several(encoder) else {}
    return own.get(camera.removeprefix("image."), crop)


def image_features(
    encoder: nn.Module,
    images: Mapping[str, Tensor],
    crop: int | None,
    color_jitter: float,
    generator: torch.Generator | None,
) -> Tensor:
    """Features of the images of B observations, a camera's beside another's.

    Args:
        encoder: Of the policy.
        images: Of each of `camera_names` (B, Ti, C, H, W) uint8.
        crop: Side of the crop where a camera has none of its own.
        color_jitter, generator: As of `align.networks.augment.prepare`.

    Returns:
        (B, Ti · F).
    """
    names = camera_names(encoder)
    frames = {
        name: prepare(images[name].flatten(0, 1), crop_of(encoder, name, crop), color_jitter, generator, name)
        for name in names
    }
    steps = images[names[0]].shape[:2]
    if not _several(encoder):
        return encoder(frames["image"]).unflatten(0, steps).flatten(1)
    seen = encoder({name.removeprefix("image."): frame for name, frame in frames.items()})
    return torch.cat([z.unflatten(0, steps).flatten(1) for z in seen.values()], dim=-1)


def _several(encoder: nn.Module) -> bool:
    return isinstance(encoder, CameraEncoders)
