"""A policy's networks as data: the operators that PyTorch traced, and the tensors that they use.

`lerobot_plugin/lerobot_policy_align/graph.py` runs them. That, and no `.pt2` file: PyTorch reads those of its
own version and of older ones, and LeRobot's is older than ours.
"""

import contextlib
import io
import logging
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from align.domain import Domain
from align.errors import InputError
from align.policy import DiffusionPolicy, Features


class _Encode(nn.Module):
    """Observations to what the denoiser is conditioned on; with guidance, also with the domain withheld."""

    def __init__(self, policy: DiffusionPolicy, domain: Domain):
        super().__init__()
        self.policy, self.domain, self.agent_pos = policy, domain, policy.written("agent_pos", domain)

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        observation = dict(zip((*self.policy.cameras, "agent_pos"), inputs, strict=True))
        told, agent_pos = torch.full((1,), int(self.domain)), self.agent_pos.see(observation["agent_pos"])
        features: Features = self.policy.encode(observation, agent_pos, domain=told)
        guided = (features.without_label().condition,) if self.policy.guidance_weight else ()
        return (features.condition, *guided)


class _Step(nn.Module):
    """One step of DDIM, as `align.export.unrolled` has it; its levels are computed beforehand."""

    def __init__(self, policy: DiffusionPolicy):
        super().__init__()
        self.policy = policy

    def forward(self, x: Tensor, step: Tensor, levels: Tensor, *conditions: Tensor) -> Tensor:
        policy, schedule, (signal, noise, to_signal, to_noise) = self.policy, self.policy.schedule, levels
        w = policy.guidance_weight
        predictions = [policy.denoiser(x, step, condition).float() for condition in conditions]
        x0 = predictions[0] if w == 0 else (1 + w) * predictions[0] - w * predictions[1]
        x0 = x0 if schedule.prediction == "sample" else (x - noise * x0) / signal
        if schedule.clip == "data":
            low, high = policy.normalizer.action_low, policy.normalizer.action_high
            x0 = torch.minimum(torch.maximum(x0, low), high)
        elif schedule.clip is not None:
            x0 = x0.clamp(-schedule.clip, schedule.clip)
        return to_signal * x0 + to_noise * (x - signal * x0) / noise


class _Finish(nn.Module):
    """Normalised actions to those that the domain's store would have, from the newest observation on."""

    def __init__(self, policy: DiffusionPolicy, domain: Domain):
        super().__init__()
        self.policy = policy
        self.agent_pos, self.action = (policy.written(name, domain) for name in ("agent_pos", "action"))

    def forward(self, x: Tensor, agent_pos: Tensor) -> Tensor:
        actions = self.policy.normalizer.unnormalize_action(x, self.agent_pos.see(agent_pos))
        return self.action.restore(actions[:, self.policy.n_obs_steps - 1 :])


def traced(
    policy: DiffusionPolicy, observation: Mapping[str, Tensor], noise: Tensor, domain: Domain
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The graphs of a policy by what they do, its sampling steps, and its tensors by name.

    Args:
        policy: The policy.
        observation: One that it may see, a batch of one; positions as the domain's store has them.
        noise: (1, horizon, A).
        domain: Where it acts, for a policy with domain conditioning.

    Raises:
        InputError: A network cannot be traced, or calls what the plugin does not run.
    """
    seen = [observation[name] for name in (*policy.cameras, "agent_pos")]
    schedule = [(t, _levels(signal, to)) for t, signal, to in policy.schedule.ddim_steps()]
    encode = _Encode(policy, domain)
    with torch.no_grad():
        conditions = encode(*seen)
        step, levels = torch.tensor([schedule[0][0]]), torch.tensor(schedule[0][1])
        parts = {
            "encode": (encode, (*seen,)),
            "step": (_Step(policy), (noise, step, levels, *conditions)),
            "finish": (_Finish(policy, domain), (noise, observation["agent_pos"])),
        }
        graphs, tensors = {}, {}
        for name, (module, inputs) in parts.items():
            graphs[name] = _plan(name, module, inputs, tensors)
    return {"graphs": graphs, "schedule": schedule}, tensors


def _levels(signal: float, to: float) -> list[float]:
    """√ᾱ and √(1 − ᾱ) of a step, and of that which it leads to."""
    return [signal**0.5, (1 - signal) ** 0.5, to**0.5, (1 - to) ** 0.5]


def _plan(part: str, module: nn.Module, inputs: Sequence[Tensor], tensors: dict[str, Tensor]) -> dict:
    """A graph as plain data; the tensors that it uses are added to `tensors`."""
    logging.disable(logging.CRITICAL)  # PyTorch tells its developers, at length, why it cannot
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            program = torch.export.export(module, tuple(inputs), strict=False)
    except Exception as error:  # whatever a network of the user's does when it is traced
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise InputError(f"format='lerobot': a network of the policy cannot be traced: {why}") from None
    finally:
        logging.disable(logging.NOTSET)
    known = {**program.state_dict, **program.constants}
    held = {spec.arg.name: spec.target for spec in program.graph_signature.input_specs if spec.target}
    plan: dict[str, Any] = {"inputs": [], "tensors": {}, "nodes": [], "outputs": []}
    for node in program.graph.nodes:
        if node.op == "placeholder" and node.name not in held:
            plan["inputs"].append(node.name)
        elif node.op == "placeholder" and node.users:
            of_all = held[node.name] in program.state_dict or held[node.name].startswith("policy.")
            key = (held[node.name] if of_all else f"{part}.{held[node.name]}").replace(".", "/")
            tensors[key] = known[held[node.name]].detach()
            plan["tensors"][node.name] = key
        elif node.op == "output":
            plan["outputs"] = [value.name for value in node.args[0]]
        elif node.op == "call_function" and "_assert_" not in str(node.target):
            kwargs = {k: _plain(v) for k, v in node.kwargs.items() if k != "pin_memory"}
            operator = (
                str(node.target) if isinstance(node.target, torch._ops.OpOverload) else node.target.__name__
            )
            call = {"name": node.name, "operator": operator, "args": _plain(node.args), "kwargs": kwargs}
            plan["nodes"].append(call)
    return plan


def _plain(value: Any) -> Any:
    """An argument of an operator as JSON has it."""
    if isinstance(value, torch.fx.Node):
        return {"node": value.name}
    if isinstance(value, list | tuple):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not abs(value) < float("inf"):
        return {"float": str(value)}
    for kind in ("dtype", "memory_format", "layout", "device"):
        if isinstance(value, getattr(torch, kind)):
            return {kind: str(value).removeprefix("torch.")}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(f"format='lerobot': a network of the policy calls an operator with {value!r}")
