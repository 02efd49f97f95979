"""What of a store may be meant, but seldom is: said in a line, as training would take it without a word."""

from collections.abc import Sequence

from align.data.compatibility import Stores, labelled
from align.data.episodes import ACTIONS, Episodes
from align.data.readers.encoding import Encoding
from align.data.readers.jpeg import JPEG
from align.data.readers.reencoding import can_be_matched
from align.data.signals import delta_columns, find_flips, find_wraps
from align.errors import InputError
from align.worlds.pushing.rerender import recorded_in


def doubts(
    stores: Sequence[Episodes], relative_actions: bool | Sequence[int], others: Sequence[str] = ()
) -> list[str]:
    """Warnings, a line each, of actions that are differences already, and of angles and signs that jump.

    Args:
        stores: The sim and the real demonstrations, a store each.
        relative_actions: Whether a policy takes actions relative to the position, or which of them.
        others: Names of the arrays that are used beside agent_pos and action.
    """
    deltas = {e.path: _deltas(e) for e in stores}
    every = range(stores[0].action.shape[1]) if relative_actions else ()
    taken = every if isinstance(relative_actions, bool) else relative_actions
    told = []
    for path, columns in deltas.items():
        others_too = all(deltas.values())
        columns = [c for c in columns if c in taken or not others_too]
        if columns:
            meant = "; expected targets, or relative_actions=false" if set(columns) & set(taken) else ""
            mixed = "" if others_too else ", unlike those of another store; expected one kind in all"
            told.append(
                f"warning: store {path}: action {_columns(columns)} looks like differences, not like targets "
                f"on the scale of agent_pos{mixed or meant}"
            )
    for episodes in stores:
        for name in dict.fromkeys(("agent_pos", "action", *others)):
            told += _wraps(episodes, name) + _flips(episodes, name)
    return told


def check_world(episodes: Episodes) -> None:
    """Refuse a store that says it was made in a world whose pictures nobody could draw anew.

    Raises:
        InputError: A number of the world's look or mechanics is none, or out of range.
    """
    try:
        recorded_in(episodes.attrs)
    except InputError as error:
        raise InputError(f"store {episodes.path}: attribute world: {error}") from None


def _deltas(episodes: Episodes) -> list[int]:
    """The columns of the action that are deltas, as is known, or that look like it."""
    if episodes.attrs.get("actions") in ACTIONS:
        return list(range(episodes.action.shape[1])) if episodes.attrs["actions"] == "deltas" else []
    return delta_columns(episodes.action, episodes.agent_pos, episodes.ends)


def _wraps(episodes: Episodes, name: str) -> list[str]:
    """A warning for each column that jumps by a period of an angle, from one frame to the next."""
    values = getattr(episodes, name)
    if values is None:
        return []
    return [
        f"warning: store {episodes.path}: {name} [{wrap.column}] jumps by {wrap.jump:.3g} at frame "
        f"{wrap.frame}, as an angle that wraps by {wrap.period}, and differences are wrong there; "
        "expected no jumps (numpy.unwrap, an episode at a time), or sine and cosine, by the key "
        f"{'radians' if wrap.period == '2π' else 'degrees'}(NAME)"
        for wrap in find_wraps(values, episodes.ends)
    ]


def _flips(episodes: Episodes, name: str) -> list[str]:
    """A warning for each four columns that flip their sign within an episode, as a quaternion does."""
    values = getattr(episodes, name)
    if values is None:
        return []
    return [
        f"warning: store {episodes.path}: {name} {_columns(range(flip.column, flip.column + 4))} flips its "
        f"sign {flip.count}×, first at frame {flip.frame}, as a quaternion that is the same rotation, and "
        "differences are wrong there; expected no jumps, by the key quat_xyzw(NAME), or quat_wxyz(NAME) if w "
        "is first"
        for flip in find_flips(values, episodes.ends)
    ]


def _columns(columns: Sequence[int]) -> str:
    return f"[{', '.join(map(str, columns))}]"


def codec_gaps(sim: Stores, real: Stores) -> list[str]:
    """Where codecs alone tell the domains apart, or stores of one, a line a camera and codec."""
    stores, notes = labelled(sim, real), []
    for camera in sorted(set.intersection(*(set(e.codecs) for e in stores.values()))):
        codecs = {label: e.codecs[camera] for label, e in stores.items()}
        lossless = [label for label, codec in codecs.items() if codec is None]
        if len(lossless) == len(codecs):
            continue
        if lossless:
            domains = {label.partition("[")[0] for label in lossless}
            rest = {label.partition("[")[0] for label in codecs if label not in lossless}
            can = len(domains) == 1 and not domains & rest
            option = f"; data.{min(domains)}_codec=match passes the others through it, too"
            notes += [
                f"warning: data.{label}: images of {camera} went through {codec}, those of "
                f"{', '.join(f'data.{other}' for other in lossless)} through no codec; a codec alone tells "
                f"domains apart{option if can and can_be_matched(codec) else ''}"
                for label, codec in codecs.items()
                if codec is not None
            ]
        elif any(
            len(set(values) - {None}) > 1
            for values in zip(*(_settings(c) for c in codecs.values()), strict=True)
        ):
            told = ", ".join(f"{codec} in {label}" for label, codec in codecs.items())
            notes.append(
                f"warning: images of {camera} went through {told}; a codec alone tells domains apart"
            )
    return notes


def _settings(codec: Encoding) -> tuple:
    """What tells codecs apart, None where it is not told; a JPEG of no known quality is as no other."""
    quality = codec.quality or "unknown" if codec.codec == JPEG else None
    return codec.codec, codec.crf, codec.pix_fmt, quality
