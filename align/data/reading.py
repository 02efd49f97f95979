"""The stores of both domains, read for one policy and held to what goes together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from align.data.compatibility import (
    check_actions,
    check_compatible,
    check_rates,
    check_roles,
    naming_notes,
)
from align.data.episodes import Actions, Episodes, read_store
from align.data.images import Fit, Keep
from align.data.plausibility import check_world, codec_gaps, doubts
from align.data.readers.encoding import Encoding
from align.data.readers.reader import Reader
from align.data.refusals import Refusals
from align.data.stores import join, other_forms, short_names
from align.domain import Domain
from align.errors import InputError
from align.files import user_path

Stores = Mapping[Domain, Sequence[Episodes]]
"""The stores of each domain, in their order."""


@dataclass(frozen=True)
class Reading:
    """How stores are read, option by option as `align.datamodule.CotrainingData` says.

    Attributes:
        paths: Of each domain's stores.
        keys: Of each domain's stores, where each keeps what.
        codecs: Of each domain, what its uncoded images are passed through.
        image_size, image_fit, images, cache, reader, rate_hz, actions: As there.
    """

    paths: Mapping[Domain, Sequence[str]]
    keys: Mapping[Domain, Sequence[Mapping[str, str] | None]]
    codecs: Mapping[Domain, Encoding | Literal["match"] | None]
    image_size: int | Sequence[int] | None = None
    image_fit: Fit = "stretch"
    images: Keep = "auto"
    cache: str | None = None
    reader: type[Reader] | None = None
    rate_hz: float | None = None
    actions: Actions | None = None

    def __post_init__(self):
        if self.cache is not None:
            user_path(self.cache)  # a folder of nobody is refused, whether or not images will go there

    def read(self, cameras: Sequence[str], privileged: str | None = None) -> dict[Domain, list[Episodes]]:
        """Each store of each domain.

        Args:
            cameras: The policy's; none of them reads no image.
            privileged: Columns of the sim stores to read as that.

        Raises:
            InputError: Stores cannot be read, all of them in one line; or they do not fit each other.
        """
        stores: dict[Domain, list[Episodes]] = {d: [] for d in Domain}
        refusals = Refusals()
        # First what is as it is: the other domain may have to go through its codec.
        for domain in sorted(Domain, key=lambda d: self.codecs[d] is not None):
            wanted = self.codecs[domain] if cameras else None
            others = [store for d in Domain for store in stores[d] if d != domain]
            for path, keys in zip(self.paths[domain], self.keys[domain], strict=True):
                with refusals.collected():
                    stores[domain].append(
                        read_store(
                            path,
                            keys,
                            self.image_size,
                            images=cameras,
                            reader=self.reader,
                            fit=self.image_fit,
                            keep=self.images,
                            cache=self.cache,
                            privileged=privileged if domain == Domain.SIM else None,
                            rate_hz=self.rate_hz,
                            actions=self.actions,
                            encodings=_encodings(f"data.{domain.label}_codec", wanted, cameras, others),
                        )
                    )
        refusals.tell()
        check_compatible(*stores.values())
        check_rates(*stores.values())
        check_actions(*stores.values())
        return stores


def joined(stores: Stores) -> dict[Domain, Episodes]:
    """The episodes of each domain, with the names of their stores."""
    names = iter(short_names([store.path for d in Domain for store in stores[d]]))
    episodes = {d: join(stores[d], [next(names) for _ in stores[d]]) for d in Domain}
    sim, real = episodes[Domain.SIM], episodes[Domain.REAL]
    if sim.privileged is not None:  # a batch is one tensor a key; nothing may be read of real ones
        real.privileged = np.full((len(real.action), sim.privileged.shape[1]), np.nan, np.float32)
    return episodes


def worth_telling(stores: Stores, relative_dims: Sequence[int], compared: Sequence[str]) -> list[str]:
    """What was taken of stores, and what looks unlike what training takes for granted, a line each.

    Args:
        stores: Of each domain.
        relative_dims: Actions that are taken relative to the position.
        compared: Of what is stored, what pairing compares.

    Raises:
        InputError: They were recorded in another world than they say, or stand for the other domain.
    """
    every = [store for d in Domain for store in stores[d]]
    for store in every:
        check_world(store)
    return [
        *(
            f"note: {store.path}: {store.keys}; choose otherwise with data.{d.label}_keys"
            for d in Domain
            for store in stores[d]
            if store.keys
        ),
        *check_roles(*stores.values()),
        *naming_notes(*stores.values()),
        *codec_gaps(*stores.values()),
        *doubts(every, relative_dims, compared),
        *(note for d in Domain for note in other_forms(stores[d])),
    ]


def _encodings(
    option: str, wanted: Encoding | str | None, cameras: Sequence[str], others: Sequence[Episodes]
) -> dict[str, Encoding]:
    """How to encode a domain's images, by camera.

    Args:
        option: What is asked for, for messages.
        wanted: Its value; "match" and what is None in it are as in the other domain.
        cameras: The policy's.
        others: The other domain's stores, as far as they could be read.

    Raises:
        InputError: The other domain has no codec to take.
    """
    if wanted is None:
        return {}
    own = Encoding() if wanted == "match" else wanted
    found = {c: own.over(next((e.codecs[c] for e in others if e.codecs.get(c)), None)) for c in cameras}
    known = {camera: encoding for camera, encoding in found.items() if encoding.codec is not None}
    if others and not known:
        given = ", ".join(f"{k}: {v}" for k, v in own.values().items() if v is not None)
        shown = wanted if wanted == "match" else f"{{{given}}}"
        raise InputError(
            f"{option}={shown}: images of {', '.join(e.path for e in others)} went through no codec that is "
            "told; expected which one to take, as {codec: h264, crf: 23}"
        )
    return known
