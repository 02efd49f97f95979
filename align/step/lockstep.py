"""Many trainings that differ in seeds, in lockstep: each has its own trainer, and their policies step as one.

Each training runs in a thread of its own, of which one is awake at a time. Where a step encodes, denoises and
goes back through both, it waits until all others have come as far; then that is computed for all at once (see
`align.step.stacked`), and each goes on with its own part. Everything else - objectives, clipping, optimisers,
averages, logs, validation, checkpoints - is each training's own and does not know of the others.
"""

import contextlib
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import IO, Any

import torch
from torch import Tensor, nn

from align.errors import InputError, one_line
from align.policy import Features
from align.step.stacked import Named, Stacked

ALONE = object()
"""The answer to who is to go on by itself."""


class Apart(InputError):
    """These trainings cannot be batched."""


class Seed:
    """One of the trainings.

    Args:
        module: Its `CotrainingModule`.
        train: Trains it.
        output: Where what it prints goes; by default where it goes anyway.
    """

    def __init__(self, module, train: Callable[[], None], output: IO | None = None):
        self.module, self._train, self.output = module, train, output
        self.error: BaseException | None = None
        self.asked: tuple[str, Any] | None = None
        self._answer: Any = None
        self._joined = False
        self._awake, self._asleep = threading.Semaphore(0), threading.Semaphore(0)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._encode, self._denoise, self._backward = module._encode, module._denoise, module.backward
        module._encode, module._denoise, module.backward = self.encode, self.denoise, self.backward

    @property
    def step(self) -> int:
        return self.module.global_step

    def go_on(self, answer: Any = None) -> None:
        """Let it run, until it asks for something or has ended."""
        self._answer, self.asked = answer, None
        output = sys.stdout if self.output is None else self.output
        errors = sys.stderr if self.output is None else self.output
        with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
            if self._thread.ident is None:
                self._thread.start()
            else:
                self._awake.release()
            self._asleep.acquire()

    def _run(self) -> None:
        try:
            self._train()
        except BaseException as error:  # whatever it is, it is told to who waits for this training
            self.error = error
        self._asleep.release()

    def _ask(self, *asked: Any) -> Any:
        self.asked = asked
        self._asleep.release()
        self._awake.acquire()
        if isinstance(self._answer, BaseException):
            raise self._answer
        return self._answer

    def encode(self, batch: dict[str, Any], generator: torch.Generator) -> Features:
        """`CotrainingModule._encode`; a step that is logged is taken alone, since logs look into it."""
        found = ALONE if self.module._is_logged() else self._ask("encode", (_tensors(batch),), generator)
        self._joined = found is not ALONE
        return _features(found) if self._joined else self._encode(batch, generator)

    def denoise(
        self, features: Features, batch: dict[str, Any], generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """`CotrainingModule._denoise`."""
        if not self._joined:
            return self._denoise(features, batch, generator)
        found = self._ask("denoise", (_named(features), _tensors(batch)), generator)
        self._hidden = found["hidden"]
        return found["loss"], found["hidden"]

    def backward(self, loss: Tensor, *rest: Any, **options: Any) -> None:
        """`LightningModule.backward`."""
        if not self._joined:
            return self._backward(loss, *rest, **options)
        if self._hidden._backward_hooks:  # it sees but the part that does not come through the denoiser
            raise Apart("something measures the gradient of denoising at the denoiser's hidden layer")
        del self._hidden
        return self._ask("backward", loss)


def in_lockstep(seeds: Sequence[Seed], stop: Callable[[], bool] = lambda: False) -> None:
    """Train all to their ends; what ended each is its `error`.

    Args:
        seeds: They differ in numbers only. One that is behind, as a run that was killed earlier, first
            catches up alone.
        stop: Whether they are to stop as SIGTERM has them, asked between two steps.

    Raises:
        Apart: They cannot be batched, and have been ended.
    """
    stacked, members = None, []
    for seed in seeds:
        seed.go_on()
    while live := [seed for seed in seeds if seed.asked is not None]:
        if live[0].asked[0] == "encode":  # the beginning of a step
            if stop():
                for seed in live:
                    seed.module.trainer._signal_connector.received_sigterm = True
            behind = [seed for seed in live if seed.step == min(s.step for s in live)]
            if len(behind) < len(live) or len(live) == 1:
                for seed in behind:
                    seed.go_on(ALONE)
                continue
            if members != live:
                stacked, members = None, live
        try:
            stacked = Stacked([seed.module for seed in members]) if stacked is None else stacked
            answers = _computed(stacked, members)
        except (RuntimeError, InputError) as error:
            answers = dict.fromkeys(live, Apart(one_line(error)))
        for seed in live:
            seed.go_on(answers.get(seed))
        if apart := next((seed.error for seed in live if isinstance(seed.error, Apart)), None):
            for seed in live:
                if seed.asked is not None:
                    seed.go_on(apart)
            raise apart


def _computed(stacked: Stacked, members: Sequence[Seed]) -> dict[Seed, Named]:
    """What those members who ask are asking for; one that has ended since the step began is done without."""
    asking = [seed for seed in members if seed.asked is not None]
    kind = asking[0].asked[0]
    if kind == "backward":
        stacked.backward([seed.asked[1] for seed in asking])
        return {}
    given = [(seed if seed in asking else asking[0]).asked for seed in members]
    arguments, generators = ([asked[i] for asked in given] for i in (1, 2))
    with asking[0].module.trainer.precision_plugin.forward_context(), torch.enable_grad():
        return dict(zip(members, stacked(FUNCTIONS[kind], arguments, generators), strict=True))


def _encode(module: nn.Module, batch: Named, generator: torch.Generator) -> Named:
    return _named(type(module)._encode(module, batch, generator))


def _denoise(module: nn.Module, features: Named, batch: Named, generator: torch.Generator) -> Named:
    loss, hidden = type(module)._denoise(module, Features(**features), batch, generator)
    return {"loss": loss, "hidden": hidden}


FUNCTIONS = {"encode": _encode, "denoise": _denoise}


def _named(features: Features) -> Named:
    found = {field.name: getattr(features, field.name) for field in fields(features)}
    return {name: x for name, x in found.items() if x is not None}


def _features(found: Named) -> Features:
    """One seed's part; denoising comes back through its image features, as it does alone."""
    image, observation = found["image"], found["observation"]
    observation = torch.cat([image, observation[:, image.shape[1] :]], dim=-1)
    return Features(image, observation, found.get("label"))


def _tensors(batch: Mapping[str, Any]) -> Named:
    return {key: x for key, x in batch.items() if isinstance(x, Tensor)}
