"""A function of static tensors as one CUDA graph: its kernels are recorded once, and launched as one.

What the function does must lie in kernels alone: nothing of Python happens at a replay. It reads its inputs
where they lay when it was recorded, and writes there. See PyTorch's notes on CUDA graphs.
"""

import warnings
from collections.abc import Callable

import torch
from torch import Tensor

Outputs = tuple[Tensor, ...]


def on_side_stream(function: Callable[[], Outputs]) -> Outputs:
    """Call a function as calls before a recording are to be made: what it makes lazily is not recorded."""
    stream, here = torch.cuda.Stream(), torch.cuda.current_stream()
    stream.wait_stream(here)
    with torch.cuda.stream(stream):
        outputs = function()
    here.wait_stream(stream)
    return outputs


def record(function: Callable[[], Outputs], generator: torch.Generator) -> Callable[[], Outputs]:
    """Record a function, without computing anything.

    Args:
        function: It draws from `generator` alone, and returns tensors without gradient; what it returned
            before is no longer referred to, or the gradients of the recording would wait for another stream.
        generator: Seed it before each replay: what is drawn is then what the function would have drawn.

    Returns:
        What computes it anew. Its outputs are overwritten by the next call.

    Raises:
        RuntimeError: Something in it cannot be recorded.
    """
    graph = torch.cuda.CUDAGraph()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # later versions find the generator by themselves
        graph.register_generator_state(generator)
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # a thread may be pinning the next batch
        outputs = function()

    def replay() -> Outputs:
        graph.replay()
        return outputs

    return replay
