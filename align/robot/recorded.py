"""A policy's plans on a GPU, each launched as one CUDA graph instead of some thousand kernels."""

import contextlib
from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor

from align.diffusion.schedule import Generators
from align.domain import Domain
from align.errors import one_line
from align.policy import DiffusionPolicy
from align.step import graph

GRAPHS = 4
"""That are kept, of the kinds of calls seen first; others are computed as ever."""


class RecordedAct:
    """`DiffusionPolicy.act`, which a GPU replays from the second call of a kind on.

    Of a kind are calls with inputs of equal shapes, in one domain, with as many actions left out. What draws
    on its way (DDPM), runs elsewhere or holds modules of one's own is computed as ever, and so is everything
    after a recording that failed or found other actions, of its own inputs or of others, with a line that
    says why.

    Args:
        policy: The values of its weights may change; where they are moved, recording begins anew.
        record: As `align.step.graph.record`; `None` records on a GPU alone, with that.
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        record: Callable[[Callable[[], graph.Outputs]], Callable[[], graph.Outputs]] | None = None,
    ):
        self._policy, self._given = policy, record
        self._replays: dict[tuple, tuple[dict[str, Tensor], Callable[[], graph.Outputs]] | None] = {}
        self._failed = False
        self._places: list[int] = []

    def __call__(
        self,
        observation: Mapping[str, Tensor],
        noise: Tensor,
        generator: Generators,
        domain: Domain,
        skip: int,
    ) -> Tensor:
        """As `DiffusionPolicy.act`; inputs that are still on the CPU are taken to the policy's device."""
        policy, inputs = self._policy, {**observation, "noise": noise}
        if not self._may():
            return self._plain(inputs, generator, domain, skip)
        places = [weight.data_ptr() for weight in policy.parameters()]
        if places != self._places:  # graphs read them where they were
            self._places = places
            self._replays.clear()
        kind = domain, skip, policy.guidance_weight, policy.n_action_steps, policy.schedule.inference_steps
        kind += tuple((key, x.shape, x.dtype) for key, x in inputs.items())
        if kind not in self._replays:
            if len(self._replays) < GRAPHS:
                self._replays[kind] = None
            return self._plain(inputs, generator, domain, skip)
        if self._replays[kind] is None:
            with _current(policy.device):
                return self._recorded(kind, inputs, domain, skip)
        static, replay = self._replays[kind]
        with _current(policy.device):
            for key, x in inputs.items():
                static[key].copy_(x)
            return replay()[0].clone()

    def _may(self) -> bool:
        policy = self._policy
        return (
            not self._failed
            and isinstance(policy, DiffusionPolicy)
            and (self._given is not None or policy.device.type == "cuda")
            and policy.schedule.sampler == "ddim"
            and graph.foreign(policy) is None
        )

    def _plain(
        self, inputs: Mapping[str, Tensor], generator: Generators | None, domain: Domain, skip: int
    ) -> Tensor:
        inputs = {key: x.to(self._policy.device) for key, x in inputs.items()}
        return self._policy.act(inputs, inputs.pop("noise"), generator, domain, skip)

    @torch.no_grad()
    def _recorded(self, kind: tuple, inputs: Mapping[str, Tensor], domain: Domain, skip: int) -> Tensor:
        static = {key: x.to(self._policy.device, copy=True) for key, x in inputs.items()}
        expected = self._plain(static, None, domain, skip)
        writing = DiffusionPolicy.writing(self._policy, domain)
        seen = {key: x for key, x in static.items() if key != "noise"}
        plan = partial(DiffusionPolicy.plan, self._policy, seen, static["noise"], None, domain, skip, writing)
        others = {key: -x if key == "noise" else x.flip(-1) for key, x in static.items()}
        others["agent_pos"] = static["agent_pos"]  # maybe a rotation, which no other numbers are
        try:
            replay = (self._given or graph.record)(lambda: (plan(),))
            for of, actions in ((static, expected), (others, self._plain(others, None, domain, skip))):
                for key, x in of.items():
                    static[key].copy_(x)
                if not self._apart(replay()[0], actions, domain, skip) < graph.ALIKE:
                    raise RuntimeError("a replay found other actions")
        except Exception as error:  # of whatever the policy is made of
            print(f"plans are no CUDA graph, their kernels are launched one by one ({one_line(error)})")
            self._failed = True
            return expected
        self._replays[kind] = static, replay
        return expected

    def _apart(self, ours: Tensor, theirs: Tensor, domain: Domain, skip: int) -> float:
        """The largest difference of actions, as the policy sees them, in deviations of the training's."""
        policy, written = self._policy, self._policy.written("action", domain)
        first = policy.n_obs_steps - 1 + skip
        scale = policy.normalizer.action_std[first : first + ours.shape[1]]
        return float(((written.see(ours) - written.see(theirs)) / scale).abs().max())


def _current(device: torch.device) -> contextlib.AbstractContextManager:
    """Have a GPU be the current one, on which alone is recorded; a thread begins with the first as such."""
    return torch.cuda.device(device) if device.type == "cuda" else contextlib.nullcontext()
