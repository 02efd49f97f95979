"""What a configuration can take from two stores of one's own, so that nobody has to look it up.

A base lists the options under `from_stores`. Those that are given, there or by `--set`, stay as they are.
"""

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

from align.checkpoints.trust import named_class, trusting
from align.data.compatibility import check_compatible, labelled
from align.data.episodes import read_store
from align.data.keys import find_keys
from align.data.readers import Reader, open_store
from align.data.refusals import Refusals
from align.data.stores import each_keys, listed
from align.domain import Domain
from align.errors import InputError
from align.experiments.options import check_keys, get_option, set_option
from align.inspection.cameras import common_cameras
from align.inspection.fitting import Seen, fitting_options


def fill_in(config: dict[str, Any], options: list[str]) -> dict[str, Any]:
    """Set what the stores of a configuration say; returns what was set.

    Args:
        config: Options of `align fit`, with the paths of both stores; changed in place.
        options: Those that may be set, of those below.

    Raises:
        InputError: A store cannot be used; all reasons in one line.
    """
    given = {option for option in options if get_option(config, option, ...) is not ...}
    blind = get_option(config, "model.policy.n_image_steps") == 0
    found = fitting_options(_read(config["data"]), blind)
    check_keys(dict.fromkeys(options), list(found), "from_stores")
    taken = {option: found[option] for option in options if option not in given}
    for option, value in taken.items():
        set_option(config, option, value)
    _fit_horizon(config)
    return taken


def _read(data: Mapping[str, Any]) -> dict[str, Seen]:
    """All stores without their images, by what options call them.

    Raises:
        InputError: One cannot be read, or they do not fit each other; all reasons in one line.
    """
    reader = data.get("reader")
    if isinstance(reader, str):
        with trusting([reader.partition(".")[0]]):  # who names it here has it at hand
            reader = named_class(reader, Reader)
    refusals, episodes, opened, cameras = Refusals(), {}, {}, {}
    with ExitStack() as stack:
        for domain in Domain:
            paths = listed(domain.label, data[domain.label])
            keys = each_keys(domain.label, data.get(f"{domain.label}_keys"), len(paths))
            episodes[domain] = []
            for n, (path, given) in enumerate(zip(paths, keys, strict=True)):
                with refusals.collected():
                    episodes[domain].append(
                        read_store(
                            path,
                            given,
                            images=False,
                            reader=reader,
                            rate_hz=data.get("rate_hz"),
                            actions=data.get("actions"),
                        )
                    )
                with refusals.collected():
                    store = open_store(path, reader)
                    stack.callback(store.close)
                    opened[domain, n] = store, given
        names = ()
        with refusals.collected():
            names = common_cameras([(store, given or {}) for store, given in opened.values()])
        for which, (store, given) in opened.items():
            with refusals.collected():
                cameras[which] = _shapes(store, given, names)
    if not refusals:
        with refusals.collected():
            check_compatible(*episodes.values())
    refusals.tell()
    every = labelled(*episodes.values()).items()
    return {label: Seen(e, shapes) for (label, e), shapes in zip(every, cameras.values(), strict=True)}


def _shapes(
    store: Reader, keys: Mapping[str, str] | None, names: tuple[str, ...]
) -> dict[str, tuple[int, int, int]]:
    """(H, W, C) of a store's images, by the policy's name of the camera."""
    if not store.cameras() and not any(name in (keys or {}) for name in names):
        return {}
    there, found = store.cameras(), {}
    for name, camera in find_keys(store, keys, names).cameras.items():
        if camera not in there:
            raise InputError(
                f"store {store.path}: {store.label(camera)} is no camera; it has {', '.join(there) or 'none'}"
            )
        found[name] = there[camera].shape
    return found


def _fit_horizon(config: dict[str, Any]) -> None:
    """Tell a denoiser that is made for one horizon the policy's."""
    denoiser = get_option(config, "model.policy.denoiser")
    if isinstance(denoiser, Mapping) and str(denoiser.get("class_path")).endswith("ConditionalMLP"):
        arguments = denoiser.setdefault("init_args", {})
        arguments.setdefault("horizon", get_option(config, "model.policy.horizon"))
