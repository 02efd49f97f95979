"""What of a store may be meant, but seldom is: said in a line, as training would take it without a word."""

from collections.abc import Sequence

from align.data.episodes import Episodes
from align.data.signals import delta_columns, find_wraps
from align.domain import Domain
from align.errors import InputError
from align.worlds.pushing.rerender import look_of


def doubts(
    sim: Episodes, real: Episodes, relative_actions: bool | Sequence[int], others: Sequence[str] = ()
) -> list[str]:
    """Warnings, a line each, of actions that are differences already and of angles that wrap.

    Args:
        sim: The sim demonstrations.
        real: The real ones.
        relative_actions: Whether a policy takes actions relative to the position, or which of them.
        others: Names of the arrays that are used beside agent_pos and action.
    """
    deltas = {e.path: delta_columns(e.action, e.agent_pos, e.ends) for e in (sim, real)}
    every = range(sim.action.shape[1]) if relative_actions else ()
    taken = every if isinstance(relative_actions, bool) else relative_actions
    told = []
    for path, columns in deltas.items():
        others_too = all(deltas.values())
        columns = [c for c in columns if c in taken or not others_too]
        if columns:
            meant = "; expected targets, or relative_actions=false" if set(columns) & set(taken) else ""
            mixed = "" if others_too else ", unlike those of the other store; expected one kind in both"
            told.append(
                f"warning: store {path}: action {_columns(columns)} looks like differences, not like targets "
                f"on the scale of agent_pos{mixed or meant}"
            )
    for episodes in (sim, real):
        for name in dict.fromkeys(("agent_pos", "action", *others)):
            told += _wraps(episodes, name)
    return told


def check_world(episodes: Episodes) -> None:
    """Refuse a store that says it was made in a world whose pictures nobody could draw anew.

    Raises:
        InputError: A number of the world's look is none, or out of range.
    """
    try:
        look_of(episodes.attrs)
    except InputError as error:
        raise InputError(f"store {episodes.path}: attribute world.look: {error}") from None


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


def _columns(columns: Sequence[int]) -> str:
    return f"[{', '.join(map(str, columns))}]"


def codec_gaps(sim: Episodes, real: Episodes) -> list[str]:
    """Where codecs alone tell the domains apart, a line a camera."""
    notes = []
    for camera in sorted(set(sim.codecs) & set(real.codecs)):
        codecs = {Domain.SIM: sim.codecs[camera], Domain.REAL: real.codecs[camera]}
        if all(codec is None for codec in codecs.values()):
            continue
        lossless = next((domain for domain, codec in codecs.items() if codec is None), None)
        if lossless is not None:
            (lossy,) = (domain for domain in Domain if domain != lossless)
            notes.append(
                f"warning: data.{lossy.label}: images of {camera} went through {codecs[lossy]}, those of "
                f"data.{lossless.label} through no codec; a codec alone tells domains apart; "
                f"data.{lossless.label}_codec=match passes the others through it, too"
            )
        elif any(
            None not in pair and pair[0] != pair[1]
            for pair in zip(*((c.codec, c.crf) for c in codecs.values()), strict=True)
        ):
            notes.append(
                f"warning: images of {camera} went through {codecs[Domain.SIM]} in sim, "
                f"{codecs[Domain.REAL]} in real; a codec alone tells domains apart"
            )
    return notes
    return notes
