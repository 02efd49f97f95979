"""Which cameras a policy of some stores sees, and what it calls them."""

from collections.abc import Mapping, Sequence

from align.data.keys import short_name
from align.data.readers import Reader
from align.errors import InputError


def common_cameras(stores: Sequence[tuple[Reader, Mapping[str, str]]]) -> tuple[str, ...]:
    """The policy's names of the cameras that all stores have.

    Args:
        stores: Readers, with the keys that are given for each.

    Returns:
        "image" where each has one camera, or the user says which is meant; "image.NAME" for each of several,
        NAME being what all of them call it, or what the user does. Stores without cameras do not count.

    Raises:
        InputError: There are several, and none has the same name in all.
    """
    stores = [(reader, _told(keys)) for reader, keys in stores if _told(keys) or reader.cameras()]
    given = [keys for _, keys in stores]
    cameras = [list(reader.cameras()) for reader, _ in stores]
    if not stores:
        return ()
    if any("image" in keys for keys in given):
        return ("image",)
    if all(len(names) == 1 and not keys for names, keys in zip(cameras, given, strict=True)):
        return ("image",)
    named = [keys | _short(names) for names, keys in zip(cameras, given, strict=True)]
    wanted = set().union(*given) or set().union(*named)
    common = [name for name in sorted(wanted) if all(name in names for names in named)]
    if common:
        return tuple(common)
    there = "; ".join(f"{reader.path} has {', '.join(reader.cameras()) or 'none'}" for reader, _ in stores)
    example = next(iter(next(names for names in cameras if len(names) > 1)), "NAME")
    raise InputError(
        f"image: no camera has one name in all stores: {there}; choose with data.sim_keys or data.real_keys, "
        f"as {{image: {example}}}, or {{image.NAME: {example}}} for each of several"
    )


def _told(keys: Mapping[str, str]) -> set[str]:
    """The cameras that keys name."""
    return {key for key in keys if key == "image" or key.startswith("image.")}


def _short(cameras: Sequence[str]) -> set[str]:
    """Short names, without those that two cameras have or a policy cannot."""
    short = [short_name(camera) for camera in cameras]
    return {f"image.{name}" for name in short if short.count(name) == 1 and "." not in name}
