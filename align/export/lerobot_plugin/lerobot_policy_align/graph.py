"""Networks as data: lists of PyTorch's operators, which are run one after the other."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

FORMAT = "align-graph-1"

OPERATORS = frozenset(
    f"aten.{name}"
    for name in """
    abs.default add.Tensor add.Scalar add_.Tensor add_.Scalar addmm.default amax.default amin.default
    adaptive_avg_pool1d.default adaptive_avg_pool2d.default alias.default arange.default arange.start
    arange.start_step argmax.default atan2.default avg_pool1d.default avg_pool2d.default baddbmm.default
    batch_norm.default bmm.default cat.default chunk.default clamp.default clamp.Tensor clamp_.default
    clamp_min.default clamp_max.default clone.default concat.default constant_pad_nd.default
    contiguous.default conv1d.default conv2d.default conv3d.default conv_transpose1d.default
    conv_transpose2d.input cos.default cumsum.default deg2rad.default detach.default detach_.default
    div.Tensor div.Scalar div_.Tensor dropout.default dropout_.default einsum.default elu.default elu_.default
    embedding.default eq.Scalar eq.Tensor exp.default expand.default expand_as.default eye.default
    flatten.using_ints flip.default floor.default full.default full_like.default gather.default ge.Scalar
    ge.Tensor gelu.default glu.default group_norm.default gt.Scalar gt.Tensor hardsigmoid.default
    hardswish.default hardswish_.default hardtanh.default hardtanh_.default index.Tensor index_select.default
    instance_norm.default layer_norm.default le.Scalar le.Tensor leaky_relu.default leaky_relu_.default
    lift_fresh_copy.default linalg_vector_norm.default linear.default linspace.default log.default
    log1p.default log_softmax.int logical_and.default logical_not.default logical_or.default logsumexp.default
    lt.Scalar lt.Tensor masked_fill.Scalar masked_fill.Tensor matmul.default max.default max.dim
    max_pool1d.default max_pool2d.default maximum.default mean.default mean.dim min.default min.dim
    minimum.default mish.default mish_.default mm.default movedim.int movedim.intlist mul.Tensor mul.Scalar
    mul_.Tensor mul_.Scalar narrow.default ne.Scalar ne.Tensor neg.default new_ones.default new_zeros.default
    norm.ScalarOpt_dim one_hot.default ones.default ones_like.default outer.default pad.default
    permute.default pixel_shuffle.default pixel_unshuffle.default pow.Tensor_Scalar pow.Tensor_Tensor
    pow.Scalar prelu.default rad2deg.default reciprocal.default relu.default relu_.default relu6.default
    relu6_.default repeat.default repeat_interleave.self_int reshape.default rms_norm.default roll.default
    round.default rsqrt.default rsub.Scalar scaled_dot_product_attention.default select.int selu.default
    sigmoid.default sigmoid_.default sign.default silu.default silu_.default sin.default slice.Tensor
    softmax.int softplus.default split.Tensor split_with_sizes.default sqrt.default square.default
    squeeze.default squeeze.dim stack.default std.correction std.dim sub.Tensor sub.Scalar sub_.Tensor
    sub_.Scalar sum.default sum.dim_IntList t.default tanh.default tanh_.default tensor_split.indices
    tile.default to.device to.dtype to.dtype_layout to.other transpose.int tril.default triu.default
    type_as.default unbind.int unflatten.int unfold.default unsqueeze.default unsqueeze_.default
    upsample_bilinear2d.vec upsample_nearest1d.vec upsample_nearest2d.vec var.correction var.dim view.default
    where.self where.ScalarOther where.ScalarSelf zeros.default zeros_like.default _softmax.default
    _to_copy.default _unsafe_view.default
    """.split()
) | {"getitem"}
"""What a graph may call: functions of numbers alone. Nothing else runs because a file names it."""


class Graph:
    """A function of tensors.

    Args:
        plan: `inputs`, names of what it is called with; `tensors`, the names of weights by the names that
            they have in it; `nodes`, each with a `name`, an `operator`, `args` and `kwargs`; and `outputs`.

    Raises:
        ValueError: It calls something that is not one of `OPERATORS`.
    """

    def __init__(self, plan: Mapping):
        self.inputs, self.tensors, self.outputs = plan["inputs"], plan["tensors"], plan["outputs"]
        self.nodes = [(n["name"], _operator(n["operator"]), n["args"], n["kwargs"]) for n in plan["nodes"]]

    def __call__(self, inputs: Sequence[Tensor], weights: Mapping[str, Tensor]) -> list[Tensor]:
        """Its outputs, computed where the inputs are."""
        known = dict(zip(self.inputs, inputs, strict=True))
        device = inputs[0].device
        known |= {name: weights[key] for name, key in self.tensors.items()}
        for name, operator, args, kwargs in self.nodes:
            given = {key: _value(value, known, device) for key, value in kwargs.items()}
            known[name] = operator(*_value(args, known, device), **given)
        return [known[name] for name in self.outputs]


def _operator(name: str):
    if name not in OPERATORS:
        raise ValueError(f"graph.json: {name!r} is not an operator that a policy may call")
    if name == "getitem":
        return lambda values, index: values[index]
    _, packet, overload = name.split(".")
    return getattr(getattr(torch.ops.aten, packet), overload)


def _value(value, known: Mapping, device: torch.device):
    """An argument: a number, a list of arguments, or a mapping of one entry that says what it is."""
    if isinstance(value, list):
        return [_value(part, known, device) for part in value]
    if not isinstance(value, dict):
        return value
    ((kind, what),) = value.items()
    if kind == "node":
        return known[what]
    if kind == "float":  # which JSON does not have
        return float(what)
    if kind == "device":
        return device
    if kind in ("dtype", "memory_format", "layout"):
        found = getattr(torch, what)
        if not isinstance(found, torch.dtype | torch.memory_format | torch.layout):
            raise ValueError(f"graph.json: {what!r} is no {kind}")
        return found
    raise ValueError(f"graph.json: {kind!r} is no kind of argument")
