"""A whole training step, losses to averaging, as one function of tensors that stay where they are.

Such a function can be recorded as a CUDA graph (`align.step.graph`); without a recording it is called, and
computes the same. What differs from step to step is written into its inputs before: the batch, the seed of
its draws, λ, μ, learning rates and the averaging's decay. What the host is to know, as at steps that are
logged, is left to steps as they ever are, which may come between any two.
"""

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from align.alignment import CORAL, DANN, MMD, JointMMD, MomentMatching
from align.errors import one_line
from align.step import graph
from align.step.captured import capture
from align.step.layout import channels_last

OBJECTIVES = (MMD, JointMMD, CORAL, MomentMatching, DANN)
"""Those that compute with tensors alone. A class that builds on one of them is another."""
WARM = 3
"""Steps before one is recorded, on a stream of their own."""
LIMITS = {"weights": 0.3, "average": 0.3}
"""What a replay may differ by where `graph.ALIKE` is too little: AdamW makes whole steps of round-off."""
Record = Callable[[Callable[[], graph.Outputs], torch.Generator], Callable[[], graph.Outputs]]


def not_whole(module) -> str | None:
    """Why the steps of a training cannot be taken whole; `None` where they can.

    Args:
        module: A `CotrainingModule` whose training begins.
    """
    trainer, objective = module.trainer, module.alignment
    foreign = graph.foreign(module.policy)
    reasons = {
        "it trains on several devices": trainer.world_size > 1,
        f"trainer.precision={trainer.precision} scales its loss": trainer.precision == "16-mixed",
        "trainer.accumulate_grad_batches is not 1": trainer.accumulate_grad_batches != 1,
        f"{type(objective).__name__} may do more than compute": type(objective) not in OBJECTIVES,
        "a memory of past batches moves": objective.memory > 0,
        "spectral norms are iterated": bool(getattr(objective, "spectral_norm", False)),
        f"{type(module.weighting).__name__} looks at gradients": module.weighting.measures,
        f"{foreign} may do more than compute": foreign is not None,
    }
    return next((reason for reason, holds in reasons.items() if holds), None)


def prepared(module) -> Callable[[], None]:
    """Have the training steps of a module on a GPU computed as it wants it, as far as they can be.

    Args:
        module: A `CotrainingModule` whose training begins.

    Returns:
        What makes the module as it was.
    """
    made = contextlib.ExitStack()
    if module.device.type != "cuda":
        return made.close
    if module.channels_last and module.policy.encoder is not None:
        made.callback(channels_last(module.policy.encoder))
    if not module.cuda_graphs or module.trainer.world_size > 1:
        return made.close
    why = not_whole(module) if module.whole_step else None
    if why is not None:
        print(f"whole_step: {why}; encoder and denoiser are recorded, and not the whole step", flush=True)
    if module.whole_step and why is None:
        made.callback(WholeStep(module, graph.record, graph.on_side_stream).release)
    else:
        made.callback(capture(module.policy))
    return made.close


class WholeStep:
    """Takes the steps of a `CotrainingModule`, but those that are logged, as one function each.

    Args:
        module: Its training begins; `not_whole` has nothing against it.
        record: What records that function after `WARM` steps, as `align.step.graph.record`; `None` calls it
            every time.
        warm: What calls it until then.
    """

    def __init__(
        self,
        module,
        record: Record | None = None,
        warm: Callable[[Callable[[], graph.Outputs]], graph.Outputs] = lambda function: function(),
    ):
        self._module, self._record, self._warm = module, record, warm
        self._optimizer = module.optimizers(use_pl_optimizer=False)
        device = module.device
        exact = torch.float64 if device.type == "cpu" else torch.float32  # AdamW's kernels want these
        groups = self._optimizer.param_groups
        self._rates = [torch.zeros((), dtype=exact, device=device) for _ in groups]
        self._generator = torch.Generator(device)
        self._lambda, self._mu, self._share = (torch.zeros((), device=device) for _ in range(3))
        self._batch: dict[str, Any] = {}
        self._kind: tuple | None = None
        self._replay: Callable[[], graph.Outputs] | None = None
        self._taken, self._seed, self._failed = 0, 0, False
        self._next: Mapping[str, Any] | None = None
        self._hooks = {
            name: getattr(module, name)
            for name in ("training_step", "backward", "optimizer_zero_grad", "optimizer_step")
        }
        module.on_train_batch_start = self._begin
        module.training_step, module.optimizer_step = self._training_step, self._optimizer_step
        module.backward = self._unless_whole("backward")
        module.optimizer_zero_grad = self._unless_whole("optimizer_zero_grad")

    def release(self) -> None:
        """Let the module take its steps by itself again."""
        for name in (*self._hooks, "on_train_batch_start"):
            vars(self._module).pop(name, None)

    def _begin(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Whether the step that begins is taken whole: one like those before; other terms begin anew."""
        module, self._next = self._module, None
        if self._failed or module._is_logged():
            return
        shapes = {k: (x.shape, x.dtype) if isinstance(x, Tensor) else x for k, x in batch.items()}
        kind = shapes, (module.is_aligning(), module.is_reading())
        if self._kind is None or self._kind[1] != kind[1]:
            self._kind, self._replay, self._taken = kind, None, 0
            self._batch = {k: x.clone() if isinstance(x, Tensor) else x for k, x in batch.items()}
        if kind == self._kind:
            self._next = batch

    def _training_step(self, batch: dict[str, Any], batch_idx: int) -> Tensor:
        if self._next is None:
            return self._hooks["training_step"](batch, batch_idx)
        self._fill(batch)
        denoise, total = self._take()
        self._module.finite.see(self._module.global_step, denoise, total)
        return total

    def _optimizer_step(self, epoch: int, batch_idx: int, optimizer, closure: Callable) -> None:
        if self._next is None:
            self._hooks["optimizer_step"](epoch, batch_idx, optimizer, closure)
        else:
            closure()  # has the step taken; what Lightning does beside it finds it done

    def _unless_whole(self, name: str) -> Callable:
        return lambda *args, **options: self._hooks[name](*args, **options) if self._next is None else None

    def _fill(self, batch: Mapping[str, Any]) -> None:
        """Write what is this step's into what the function reads."""
        module, step = self._module, self._module.global_step
        for key, x in batch.items():
            if isinstance(x, Tensor):
                self._batch[key].copy_(x, non_blocking=True)
        self._seed = module.step_generator("cpu").initial_seed()
        self._generator.manual_seed(self._seed)
        for static, value in (
            (self._lambda, module.alignment_lambda()),
            (self._mu, module.auxiliary_mu()),
            (self._share, 1 - module.ema.decay(step)),
            *zip(self._rates, (group["lr"] for group in self._optimizer.param_groups), strict=True),
        ):
            static.copy_(value) if isinstance(value, Tensor) else static.fill_(value)

    def _take(self) -> graph.Outputs:
        self._taken += 1
        if self._record is None or self._taken <= WARM:
            return self._warm(self._step)
        if self._replay is not None:
            return self._replay()
        started = time.perf_counter()
        try:
            self._replay = self._record(self._step, self._generator)
        except Exception as error:  # of whatever the modules are made of; nothing was computed yet
            return self._gives_up(one_line(error))
        outputs = self._compared()
        if not self._failed:
            print(f"recorded the step as one CUDA graph: {time.perf_counter() - started:.1f} s", flush=True)
        return outputs

    def _gives_up(self, why: str) -> graph.Outputs:
        print(f"the step is no CUDA graph, its kernels are launched one by one ({why})", flush=True)
        self._failed, self._replay = True, None
        self._generator = self._module.step_generator()  # the other may be left as it recorded
        return self._step()

    def _compared(self) -> graph.Outputs:
        """Take a step as ever and by the first replay; where these differ, it is the former's."""
        kinds = self._state()
        state = [x for tensors in kinds.values() for x in tensors]
        before = _copies(state)
        self._generator.manual_seed(self._seed)
        expected = _copies(self._warm(self._step))
        after = _copies(state)
        _write(state, before)
        self._generator.manual_seed(self._seed)
        found, start = self._replay(), 0
        alike = graph.apart(found, expected) < graph.ALIKE  # not where either is not finite
        for kind, tensors in kinds.items():
            part = slice(start, start := start + len(tensors))
            moves = ([a - b for a, b in zip(x[part], before[part], strict=True)] for x in (state, after))
            alike &= graph.apart(*moves) < LIMITS.get(kind, graph.ALIKE)
        if alike:
            return found
        _write(state, before)
        return self._gives_up("a replay found other numbers")

    def _state(self) -> dict[str, list[Tensor]]:
        """All that a step changes, by kind: what one moves by is nothing beside another's."""
        module, average = self._module, list(self._module.ema.parameters())
        others = {id(x) for x in average}
        weights = [x for x in module.parameters() if id(x) not in others]
        kinds = {"weights": weights, "average": average, "buffers": list(module.buffers())}
        for values in self._optimizer.state.values():
            for name, x in values.items():
                if isinstance(x, Tensor):
                    kinds.setdefault(name, []).append(x)
        return kinds

    def _step(self) -> graph.Outputs:
        """The step itself; returns the denoising loss and the whole, both detached."""
        module, trainer, optimizer = self._module, self._module.trainer, self._optimizer
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(module.device.type, enabled=False):  # Lightning calls from inside its own
            with self._static() as seen, trainer.precision_plugin.forward_context():
                total = self._hooks["training_step"](self._batch, 0)
            total.backward()
            clip = trainer.gradient_clip_val, trainer.gradient_clip_algorithm
            module.configure_gradient_clipping(optimizer, *clip)
            with self._tensor_rates():
                optimizer.step()
            module.ema.move(module.policy, self._share)
        return tuple(seen)

    @contextlib.contextmanager
    def _static(self) -> Iterator[list[Tensor]]:
        """Have the module read what differs from step to step from tensors; what it watches is listed."""
        module, seen = self._module, []
        finite = module.finite
        module.finite = _Seen(seen)
        module.step_generator = lambda: self._generator
        module.alignment_lambda, module.auxiliary_mu = lambda: self._lambda, lambda: self._mu
        try:
            yield seen
        finally:
            module.finite = finite
            for name in ("step_generator", "alignment_lambda", "auxiliary_mu"):
                vars(module).pop(name, None)

    @contextlib.contextmanager
    def _tensor_rates(self) -> Iterator[None]:
        """Have the optimiser read learning rates from tensors; its schedule knows numbers."""
        groups = self._optimizer.param_groups
        rates, capturable = [g["lr"] for g in groups], [g["capturable"] for g in groups]
        recording = self._module.device.type == "cuda" and torch.cuda.is_current_stream_capturing()
        for group, rate in zip(groups, self._rates, strict=True):
            group["lr"], group["capturable"] = rate, recording
        try:
            yield
        finally:
            for group, rate, before in zip(groups, rates, capturable, strict=True):
                group["lr"], group["capturable"] = rate, before


@torch.no_grad()
def _copies(tensors: Iterable[Tensor]) -> list[Tensor]:
    return [x.detach().clone() for x in tensors]


@torch.no_grad()
def _write(tensors: Iterable[Tensor], values: Iterable[Tensor]) -> None:
    for x, value in zip(tensors, values, strict=True):
        x.copy_(value)


class _Seen:
    """Lists what a `FiniteWatch` is shown."""

    def __init__(self, seen: list[Tensor]):
        self._seen = seen

    def see(self, step: int, *values: Tensor) -> None:
        self._seen[:] = [value.detach() for value in values]
