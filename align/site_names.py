"""The named sites: where embeddings of a policy are read and aligned; see `align.sites`."""

from typing import Literal, get_args

SiteName = Literal["image", "observation", "denoiser"]
SITES: tuple[SiteName, ...] = get_args(SiteName)
