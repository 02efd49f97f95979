"""Whether one policy can be trained on the stores of both domains, and what is worth a line of them."""

import itertools
import os
from collections.abc import Sequence

from align.data.episodes import ACTIONS, Episodes
from align.data.labels import check_labels, other_names
from align.data.readers.times import MEASURED
from align.data.refusals import Refusals
from align.domain import Domain
from align.errors import InputError

Stores = Episodes | Sequence[Episodes]
"""The store of a domain, or several."""


def labelled(sim: Stores, real: Stores) -> dict[str, Episodes]:
    """All stores by what options call them: "sim" and "real", or "real[0]" and so on of several."""
    found = {}
    for domain, stores in ((Domain.SIM, sim), (Domain.REAL, real)):
        stores = [stores] if isinstance(stores, Episodes) else stores
        for n, store in enumerate(stores):
            found[domain.label if len(stores) == 1 else f"{domain.label}[{n}]"] = store
    return found


def check_compatible(sim: Stores, real: Stores) -> None:
    """Refuse stores that one policy cannot be trained on.

    Raises:
        InputError: Action dimensions, agent_pos dimensions or image shapes differ, or one has no images;
            columns have the same names in another order, or other units.
    """
    (first, ours), *others = labelled(sim, real).items()
    refusals = Refusals()
    for label, theirs in others:
        with refusals.collected():
            if bool(ours.images) != bool(theirs.images):
                without = theirs if ours.images else ours
                raise InputError(
                    f"image: none in {without.path}; expected images in both domains, or in neither"
                )
        for name in ("action", "agent_pos", *(n for n in ours.images if n in theirs.images)):
            shapes = [
                (e.images[name] if name in e.images else getattr(e, name)).shape[1:] for e in (ours, theirs)
            ]
            if shapes[0] != shapes[1]:
                hint = "data.sim_keys and data.real_keys say what is taken"
                hint = "image_size resizes both" if name.startswith("image") else hint
                with refusals.collected():
                    raise InputError(
                        f"{name}: shape {shapes[0]} a frame in {first} ({ours.path}), {shapes[1]} in "
                        f"{label} ({theirs.path}); expected the same; {hint}"
                    )
            elif name in ours.labels and name in theirs.labels:
                with refusals.collected():
                    stores = f"{first} ({ours.path}) and {label} ({theirs.path})"
                    check_labels(name, stores, ours.labels[name], theirs.labels[name])
    refusals.tell()


def naming_notes(sim: Stores, real: Stores) -> list[str]:
    """A line for each store that calls columns otherwise than the first, which may be another spelling."""
    (_, ours), *others = labelled(sim, real).items()
    notes = []
    for _, theirs in others:
        for name in ours.labels.keys() & theirs.labels.keys() - {"state"}:
            a, b = ours.labels[name], theirs.labels[name]
            if len(a.names) == len(b.names) and (differ := other_names(a, b)):
                notes.append(
                    f"note: columns of {name} are called {differ[0]} in {ours.path}, {differ[1]} in "
                    f"{theirs.path}; they are taken for the same"
                )
    return sorted(notes)


def check_roles(sim: Stores, real: Stores) -> list[str]:
    """Whether each store stands for what it says it is; what is worth a line, though it may be meant.

    Raises:
        InputError: Two are one store, or those of each domain say that they are the other's.
    """
    stores = labelled(sim, real)
    for (a, ours), (b, theirs) in itertools.combinations(stores.items(), 2):
        if os.path.realpath(ours.path) == os.path.realpath(theirs.path):
            raise InputError(f"data.{a}, data.{b}: both {ours.path}; expected two stores")
    notes = [note for store in stores.values() for note in store.notes]
    wrong = {
        label: says for label, store in stores.items() if (says := _other_role(label, store)) is not None
    }
    if len(wrong) == len(stores):
        what = ", and ".join(
            f"data.{label}={stores[label].path} says of itself that it is {says}"
            for label, says in wrong.items()
        )
        raise InputError(f"{what}; expected them the other way round")
    notes += [
        f"warning: data.{label}={stores[label].path} says of itself that it is {says}"
        for label, says in wrong.items()
    ]
    return notes


def _other_role(label: str, store: Episodes) -> str | None:
    """The domain that a store says it is of, if that is not the one that it stands for."""
    says, labels = store.attrs.get("domain"), [domain.label for domain in Domain]
    return says if says in labels and says != label.partition("[")[0] else None


def check_actions(sim: Stores, real: Stores) -> None:
    """Refuse stores some of whose actions are known to be targets, and others' to be deltas.

    Raises:
        InputError: They are.
    """
    known = {}
    for label, store in labelled(sim, real).items():
        if store.attrs.get("actions") in ACTIONS:
            known.setdefault(store.attrs["actions"], []).append(f"data.{label}={store.path}")
    if len(known) > 1:
        told = ", ".join(f"{kind} in {' and '.join(stores)}" for kind, stores in known.items())
        raise InputError(
            f"actions: {told}, by their own word; expected one kind in all (if they err, data.actions says "
            "which)"
        )


def rate_of(episodes: Episodes) -> float | None:
    """Frames a second, as the store says or its timestamps tell; None where neither does."""
    return episodes.attrs.get("rate_hz") or episodes.attrs.get("measured_hz")


def check_rates(sim: Stores, real: Stores) -> None:
    """Refuse stores whose steps do not last equally long, as far as they tell.

    Raises:
        InputError: They have different rates.
    """
    stores = labelled(sim, real).values()
    stored = {e.path: e.attrs["rate_hz"] for e in stores if e.attrs.get("rate_hz") is not None}
    measured = {e.path: e.attrs["measured_hz"] for e in stores if e.attrs.get("measured_hz") is not None}
    known = measured | stored
    rates = {e.path: known[e.path] for e in stores if e.path in known}
    apart = rates and max(rates.values()) > (1 + MEASURED) * min(rates.values())
    if len(set(stored.values())) > 1 or apart:
        by = {path: "" if path in stored else " by its timestamps" for path in rates}
        at = ", ".join(f"{path} at {rate:g} Hz{by[path]}" for path, rate in rates.items())
        raise InputError(
            f"rate_hz: {at}; expected one rate, as the steps of a policy last equally long; "
            f"data.rate_hz={min(rates.values()):g} leaves out frames of the faster one"
        )
