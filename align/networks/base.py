"""What can be swapped in a policy: the bases of encoders and denoisers.

To build on them is not required: any `nn.Module` that does the same counts as one, so that a network of
another library needs no wrapper for its type. What builds on them is listed where a network is asked for.
"""

from abc import ABCMeta

from torch import Tensor, nn


class Encoder(nn.Module, metaclass=ABCMeta):
    """Maps images (B, C, H, W) in [-1, 1] to (B, `features`).

    Attributes:
        features: Size of the output.
    """

    features: int

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        return issubclass(kind, nn.Module) if cls is Encoder else NotImplemented


class Denoiser(nn.Module, metaclass=ABCMeta):
    """Maps noised actions (B, H, A), diffusion steps (B,) and a condition (B, C) to (B, H, A).

    It is made with the arguments `action_dim` and `condition_dim`. `features` returns the same together with
    the last hidden layer (B, D), which is the site `denoiser`.
    """

    def features(self, x: Tensor, steps: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        raise NotImplementedError(f"{type(self).__name__} has no method 'features'")

    @classmethod
    def __subclasshook__(cls, kind: type) -> bool:
        return issubclass(kind, nn.Module) if cls is Denoiser else NotImplemented
