"""What robosuite's controllers take for actions, by the arguments of an environment."""


def kind_of_actions(controllers: object) -> str | None:
    """ "deltas" or "targets", as robosuite's controllers take actions; None where they do not say or differ.

    Up to 1.4 a controller says `control_delta`; from 1.5 on each part of the body says its `input_type`.
    """
    said, todo = set(), [controllers]
    while todo:
        found = todo.pop()
        if isinstance(found, list):
            todo += found
        elif isinstance(found, dict):
            if "control_delta" in found:
                said.add("deltas" if found["control_delta"] else "targets")
            elif found.get("input_type") in ("delta", "absolute"):
                said.add("deltas" if found["input_type"] == "delta" else "targets")
            todo += [part for part in found.values() if isinstance(part, dict | list)]
    return said.pop() if len(said) == 1 else None
