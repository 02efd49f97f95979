"""The commands that train on stores, with what these ask for."""

import re
import shlex
from collections.abc import Mapping
from typing import Any

import yaml

from align import shipped

_LEFT_OUT = ("model.policy.horizon", "model.policy.n_action_steps")
"""Of the options that stores ask for, those that the small policy has a value of its own for, if it fits."""


def training_commands(
    stores: Mapping[str, str | list[str]],
    keys: Mapping[str, Mapping[str, str] | list[Mapping[str, str] | None] | None],
    options: Mapping[str, Any],
    rate_hz: float | None = None,
    lossless: str | None = None,
) -> list[str]:
    """A sweep over λ, and one training.

    Args:
        stores: Paths by domain, "sim" and "real"; a list of several.
        keys: What is given of their keys, by domain.
        options: What fits both; see `align.inspection.fitting.fitting_options`.
        rate_hz: The rate to bring both to, where they differ.
        lossless: The domain, "sim" or "real", whose images went through no codec while the other's did.
    """
    where = {f"data.{domain}": path for domain, path in stores.items()}
    where |= {f"data.{domain}_keys": given for domain, given in keys.items() if given}
    where |= {"data.rate_hz": rate_hz} if rate_hz else {}
    where |= {f"data.{lossless}_codec": "match"} if lossless else {}
    sweep = ["align", "sweep", "lambda", "--base", "own"]
    sweep += [f"--set+={option}={_value(value)}" for option, value in where.items()]
    fit = ["align", "fit", "--config", "own_data", "--run", "runs/mine"]
    for option, value in {**where, **_needed(options)}.items():
        fit += [f"--{option}", _value(value)]
    return [" ".join(map(shlex.quote, words)) for words in (sweep, fit)]


def folded(command: str, width: int = 100) -> str:
    """A command over several lines of a shell, broken before options."""
    lines = [""]
    for word in re.split(r" (?=--)", command):
        if lines[-1] and len(lines[-1]) + len(word) > width:
            lines.append("   ")
        lines[-1] += f" {word}" if lines[-1] else word
    return " \\\n".join(lines)


def _needed(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options in which the configuration that ships does not have what is asked for."""
    config = yaml.safe_load(shipped.find("own_data").read_text(encoding="utf-8"))
    config["model"]["policy"] = {"action_dim": 2, "agent_pos_dim": 2, "horizon": 16} | config["model"][
        "policy"
    ]
    config["model"].setdefault("site", "image")
    needed = {}
    for option, value in options.items():
        if option not in _LEFT_OUT and _get(config, option) != value:
            needed[option] = value
    if "model.policy.encoder" in needed:
        needed["model.policy.encoder"] = _briefly(needed["model.policy.encoder"])
        if needed["model.policy.encoder"] == config["model"]["policy"]["encoder"]:
            del needed["model.policy.encoder"]
    if options and options["model.policy.horizon"] < 16:  # else short episodes have no window
        horizon = options["model.policy.horizon"]
        needed |= {name: options[name] for name in _LEFT_OUT}
        needed["model.policy.denoiser.init_args.horizon"] = horizon
    return needed


def _get(config: Mapping[str, Any], option: str) -> Any:
    for part in option.split("."):
        config = config.get(part) if isinstance(config, Mapping) else None
    return config


def _briefly(encoder: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An encoder of its class's own size: of the arguments only what images ask for."""
    if encoder is None:
        return None
    arguments = encoder["init_args"]
    if "cameras" in arguments:
        kept = {"cameras": {name: _briefly(each) for name, each in arguments["cameras"].items()}}
    else:
        kept = {} if arguments["in_channels"] == 3 else {"in_channels": arguments["in_channels"]}
    return {"class_path": encoder["class_path"]} | ({"init_args": kept} if kept else {})


def _value(value: Any) -> str:
    """A value as the command line takes it: YAML in one line."""
    if isinstance(value, str):
        return value
    return (
        yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=1 << 20)
        .removesuffix("...\n")
        .strip()
    )
