"""A function of static tensors as one CUDA graph: its kernels are recorded once, and launched as one.

What the function does must lie in kernels alone: nothing of Python happens at a replay. It reads its inputs
where they lay when it was recorded, and writes there. See PyTorch's notes on CUDA graphs.
"""

import contextlib
import gc
import inspect
import warnings
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor, nn

Outputs = tuple[Tensor, ...]
OURS = ("align.", "torch.", "torchvision.")
MODE = "thread_local"
"""Of errors while it is recorded: another thread may be pinning the next batch."""
ALIKE = 0.02
"""What a replay may differ by from the function itself, as a share: sums come in any order."""


def foreign(module: nn.Module) -> str | None:
    """The class of a part that may do more than compute with tensors, since it is a user's own; or `None`."""
    parts = (type(part) for part in module.modules())
    return next((kind.__name__ for kind in parts if not kind.__module__.startswith(OURS)), None)


@torch.no_grad()
def apart(ours: Iterable[Tensor], theirs: Iterable[Tensor]) -> float:
    """‖ours − theirs‖ / ‖theirs‖ of all together; 0 where both are 0, or both no number."""
    difference = size = 0.0
    for a, b in zip(ours, theirs, strict=True):
        unknown = a.isnan() & b.isnan()  # as what an objective has not measured yet
        a, b = (x.double().masked_fill(unknown, 0) for x in (a, b))
        difference, size = difference + (a - b).square().sum(), size + b.square().sum()
    return float((difference / size.clamp_min(torch.finfo(torch.float64).tiny)).sqrt())


def on_side_stream(function: Callable[[], Outputs]) -> Outputs:
    """Call a function as calls before a recording are to be made: what it makes lazily is not recorded."""
    stream, here = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(here)
    with torch.cuda.stream(stream):
        outputs = function()
    here.wait_stream(stream)
    return outputs


def record(
    function: Callable[[], Outputs], generator: torch.Generator | None = None
) -> Callable[[], Outputs]:
    """Record a function, without computing anything.

    Args:
        function: It draws from `generator` alone, if at all, and returns tensors without gradient; what it
            returned before is no longer referred to, or gradients would wait for another stream.
        generator: Seed it before each replay: what is drawn is then what the function would have drawn.

    Returns:
        What computes it anew. Its outputs are overwritten by the next call.

    Raises:
        RuntimeError: Something in it cannot be recorded.
    """
    graph, pool = torch.cuda.CUDAGraph(), torch.cuda.graph_pool_handle()
    if generator is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # later versions find the generator by themselves
            graph.register_generator_state(generator)
    own = {"pool": pool, "stream": torch.cuda.Stream()}  # of one stream, workspaces lie in another's memory
    with _recoverable(pool), torch.cuda.graph(graph, **own, capture_error_mode=MODE):
        outputs = function()

    def replay() -> Outputs:
        graph.replay()
        return outputs

    return replay


def record_module(module: nn.Module, samples: tuple[Tensor, ...]) -> Callable:
    """Record the forward and the backward pass of a module, as `torch.cuda.make_graphed_callables`.

    Args:
        module: Called with tensors; returns tensors.
        samples: What it is called with, of the shapes of later calls.

    Returns:
        What computes both anew. Its outputs are overwritten by the next call.

    Raises:
        RuntimeError: Something in it cannot be recorded.
    """
    pool, make = torch.cuda.graph_pool_handle(), torch.cuda.make_graphed_callables
    mode = {"capture_error_mode": MODE} if "capture_error_mode" in inspect.signature(make).parameters else {}
    torch.autograd.graph.set_warn_on_accumulate_grad_stream_mismatch(False)  # a wait each, and nothing wrong
    with _recoverable(pool), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make(module, samples, allow_unused_input=True, pool=pool, **mode)


@contextlib.contextmanager
def _recoverable(pool: tuple[int, int]) -> Iterator[None]:
    """Go on as before where a recording fails, which PyTorch leaves as it is, and say what began it.

    Nothing is collected meanwhile: to end an older graph is not permitted.
    """
    here, collecting = torch.cuda.current_stream(), gc.isenabled()
    drawn_so_far = torch.cuda.get_rng_state(here.device_index)
    gc.collect()
    gc.disable()
    try:
        yield
    except Exception as error:
        torch.cuda.set_stream(here)
        with contextlib.suppress(Exception):  # later versions have ended it
            torch._C._cuda_endAllocateToPool(here.device_index, pool)
        drawn = torch.cuda.default_generators[here.device_index]  # it takes itself for recorded still
        fresh = torch.Generator(here.device)
        fresh.set_state(drawn_so_far)
        drawn.graphsafe_set_state(fresh)
        while error.__context__ is not None:
            error = error.__context__
        raise error from None
    finally:
        if collecting:
            gc.enable()
