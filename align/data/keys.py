"""Where a store keeps what a policy is trained on: as the user says, by a preset, or by what is there."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from align.data.columns import Column, parse_columns
from align.data.readers.reader import Reader
from align.errors import InputError

VECTORS = ("action", "agent_pos", "state")
USUAL = "usual in this format"
_NOT_A_STATE = re.compile(r"action|reward|done|success|truncated|time|index|keypoint|n_contacts|^states$")
_AROUND = re.compile(r"^(observation\.)?(images?\.)?|(_image|_rgb|_color)$")


@dataclass(frozen=True)
class Keys:
    """Where a store keeps what.

    Attributes:
        vectors: Columns by what they are: "action", "agent_pos", and "state" where there is one.
        cameras: The store's name of a camera by the policy's ("image", or "image.wrist").
        why: By what each is, the reason why it was taken.
    """

    vectors: dict[str, tuple[Column, ...]]
    cameras: dict[str, str]
    why: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        """What each is, and why, in a line."""
        taken = {name: " + ".join(map(str, columns)) for name, columns in self.vectors.items()} | self.cameras
        reasons: dict[str, list[str]] = {}
        for name, key in taken.items():
            reasons.setdefault(self.why[name], []).append(f"{name} is {key}")
        return "; ".join(f"{', '.join(told)} ({why})" for why, told in reasons.items())


def find_keys(reader: Reader, given: Mapping[str, str] | None, cameras: Sequence[str]) -> Keys:
    """The keys of a store.

    Args:
        reader: The store.
        given: What the user says, e.g. `{"image": "camera0", "agent_pos": "pose + gripper[:1]"}`; it is laid
            over what is found. Angles and rotations are asked for without jumps by what is around them, as in
            "quat_xyzw(pose[3:7])"; see `align.data.rotations.TRANSFORMS`.
        cameras: What the policy sees: "image" for its only camera, or "image.NAME" for each of several. A
            camera that is not given is the one of that name ("image.wrist" is "wrist", "wrist_image" and
            "observation.images.wrist", too); "image" is the only camera there is.

    Returns:
        The keys. Without `given` they are the first of the format's presets that fits; without one, the
        only array called an action and the only other that can be a state.

    Raises:
        InputError: An unknown name, a malformed key, or one of a camera that the policy does not have while
            one that it has is not given; or several arrays or cameras could be meant, or none.
    """
    given = dict(given or {})
    for name in given:
        if name not in (*VECTORS, "image") and not name.startswith("image."):
            raise InputError(f"keys: unknown name {name!r}; expected some of image, agent_pos, action, state")
        # Others than the policy's may be named, too, where all of the policy's are; else one is misspelt.
        if name not in (*VECTORS, *cameras) and not all(camera in given for camera in cameras):
            raise InputError(
                f"store {reader.path}: keys: {{{name}: {given[name]}}} is of no camera of the policy; "
                f"expected {', '.join(cameras)}"
            )
    preset, because = _preset(reader)
    wanted = {**preset, **given}
    there = reader.vectors()
    found, why = {}, {}
    for name in VECTORS:
        if name in wanted:
            found[name] = parse_columns(wanted[name], name)
            why[name] = "given" if name in given else because
        elif name == "action":
            found[name] = (_only(reader, name, [n for n in there if "action" in n.lower()]),)
            why[name] = "the only array called an action"
        elif name == "agent_pos":
            found[name] = (_only(reader, name, [n for n in there if not _NOT_A_STATE.search(n.lower())]),)
            why[name] = "the only other array that can be a state"
    seen = {}
    for name in cameras:
        seen[name] = _camera(reader, name, given, preset)
        usual = because if preset.get(name) == seen[name] else "by its name"
        only = "the only camera" if len(reader.cameras()) == 1 else usual
        why[name] = "given" if name in given else only
    return Keys(found, seen, why)


def short_name(camera: str) -> str:
    """What a camera is called without what formats add: "observation.images.wrist" is "wrist"."""
    return _AROUND.sub("", camera) or camera


def _preset(reader: Reader) -> tuple[dict[str, str], str]:
    """The keys of the first preset of which arrays, widths and a sign, if it has any, are there, and why."""
    vectors, unsigned = reader.vectors(), ""
    state = {"state": "state"} if "state" in vectors else {}
    for preset in reader.presets:
        columns = {n: parse_columns(preset.keys[n]) for n in VECTORS if n in preset.keys}
        fits = (
            all(column.name in vectors for each in columns.values() for column in each)
            and all(vectors.get(name) == width for name, width in preset.widths.items())
            and not any(name in vectors for name in preset.absent)
        )
        if not fits:
            continue
        sign = next((sign for sign in preset.signs if reader.holds(sign)), None)
        if preset.signs and sign is None:
            told = " or ".join(preset.signs[:2])
            unsigned = f"; {preset.name}'s, told by {told}, would be {preset.keys['agent_pos']}"
            continue
        since = f", since it has {sign}" if sign else ""
        return {**state, **preset.keys}, f"as in {preset.name}{since}" if preset.name else USUAL + unsigned
    return state, USUAL


def _only(reader: Reader, name: str, found: list[str]) -> Column:
    """The only array that could be meant; if there is none, the usual one: the reader says why it is not."""
    usual = parse_columns(reader.presets[0].keys[name])[0].name if reader.presets else None
    if not found and usual is not None:
        return Column(usual)
    if len(found) == 1:
        return Column(found[0])
    what = "none of its arrays is" if not found else f"{len(found)} of its arrays could be"
    there = ", ".join(f"{n} ({width})" for n, width in reader.vectors().items()) or "none"
    example = " + ".join(found[:2]) or "NAME"
    order = ", joined in the order of the action" if name == "agent_pos" and len(found) > 1 else ""
    raise InputError(
        f"store {reader.path}: {what} the {name}; it has {there}; choose with data.sim_keys or "
        f"data.real_keys, as {{{name}: {example}}}{order}"
    )


def _camera(reader: Reader, name: str, given: Mapping[str, str], preset: Mapping[str, str]) -> str:
    if name in given:
        (column, *more) = parse_columns(given[name], name)
        if more or not column.whole:
            raise InputError(f"keys: {name} is {given[name]!r}; expected a key without a slice")
        return column.name
    cameras = reader.cameras()
    if preset.get(name) in cameras:
        return preset[name]
    if name == "image":
        found = list(cameras)
    else:
        short = name.removeprefix("image.")
        found = [n for n in cameras if n == short] or [n for n in cameras if short_name(n) == short]
    if len(found) == 1:
        return found[0]
    there = ", ".join(cameras) or "none"
    if not cameras and name == "image" and reader.presets and "image" in reader.presets[0].keys:
        return reader.presets[0].keys["image"]  # the reader says why it is no camera
    if not found:
        raise InputError(f"store {reader.path}: no camera is {name!r}; its cameras: {there}")
    raise InputError(
        f"store {reader.path}: {len(found)} cameras could be {name!r}: {', '.join(found)}; choose with "
        f"data.sim_keys or data.real_keys, as {{{name}: {found[0]}}}, or name them in the policy "
        "(model.policy.encoder: CameraEncoders)"
    )
