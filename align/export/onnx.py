"""A policy as one ONNX file, which onnxruntime runs without PyTorch."""

import shutil
import warnings
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from align.errors import InputError, one_line
from align.export import example
from align.export.inputs import sample_inputs
from align.export.unrolled import UnrolledPolicy
from align.files import write_json
from align.policy import DiffusionPolicy

MODEL, MANIFEST, EXAMPLE = "policy.onnx", "manifest.json", "example.py"
OPSET = 18
LARGEST_DIFFERENCE = 1e-3  # in deviations of the training's actions; round-off is below a hundredth of it


def write_onnx(
    folder: Path, unrolled: UnrolledPolicy, policy: DiffusionPolicy, about: Mapping[str, Any]
) -> dict:
    """Write the model, its manifest and a program that runs it into a new folder.

    Args:
        folder: Where; it must not exist.
        unrolled: The policy to write.
        policy: The same as it is, to compare with.
        about: What more the manifest says.

    Returns:
        The manifest.

    Raises:
        InputError: onnx or onnxruntime is missing; the policy does not know the size of its images; a network
            of it cannot be written, or acts otherwise when it is.
    """
    need_onnx()
    folder.mkdir()
    examples = sample_inputs(policy, unrolled.domain)
    _write_model(folder / MODEL, unrolled, examples[0])
    manifest = {
        "format": "align-onnx-1",
        "model": MODEL,
        "bytes": (folder / MODEL).stat().st_size,
        "inputs": {name: _described(value) for name, value in examples[0].items()},
        "outputs": {"actions": _described(unrolled(*(examples[0][name] for name in unrolled.inputs)))},
        **about,
        "difference": _difference(folder / MODEL, policy, examples, unrolled.domain),
    }
    write_json(folder / MANIFEST, manifest)
    shutil.copyfile(example.__file__, folder / EXAMPLE)
    return manifest


def need_onnx() -> None:
    """Refuse to begin where a package is missing."""
    if absent := [name for name in ("onnx", "onnxruntime") if find_spec(name) is None]:
        raise InputError(f"format='onnx': needs {' and '.join(absent)}; pip install {' '.join(absent)}")


def _write_model(path: Path, unrolled: UnrolledPolicy, inputs: Mapping[str, Tensor]) -> None:
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")  # shapes become constants, which they are
            torch.onnx.export(
                unrolled,
                tuple(inputs[name] for name in unrolled.inputs),
                str(path),
                input_names=list(unrolled.inputs),
                output_names=["actions"],
                opset_version=OPSET,
                dynamo=False,  # a fifteenth of the time, and without onnxscript; what it makes is tried below
            )
    except (RuntimeError, torch.onnx.errors.OnnxExporterError) as error:
        raise InputError(
            f"format='onnx': a network of the policy cannot be written: {one_line(error)}"
        ) from None


def _difference(
    path: Path, policy: DiffusionPolicy, examples: list[dict[str, Tensor]], domain
) -> dict[str, float]:
    """The largest difference of actions to the policy's own, for equal noise."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.intra_op_num_threads = 3, 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    apart, deviations = [], []
    for inputs in examples:
        expected = policy.act(inputs, inputs["noise"], domain=domain).numpy()
        found = session.run(["actions"], {name: value.numpy() for name, value in inputs.items()})[0]
        first = policy.n_obs_steps - 1
        scale = policy.normalizer.action_std[first : first + policy.n_action_steps]
        # as the policy sees them: of rotations and angles as stored, round-off may turn a sign
        written = policy.written("action", domain)
        found, expected = (written.see(torch.from_numpy(x)) for x in (found, expected))
        apart.append(float((found - expected).abs().max()))
        deviations.append(float(((found - expected) / scale).abs().max()))
    if not all(found < LARGEST_DIFFERENCE for found in deviations):  # NaN is not
        raise InputError(
            f"format='onnx': actions differ from the policy's by {np.max(deviations):.2g} deviations of the "
            f"training's; expected less than {LARGEST_DIFFERENCE:g}: does a network of it take turns that "
            "depend on its input?"
        )
    return {"actions": float(max(apart)), "deviations": float(max(deviations))}


def _described(value: Tensor) -> dict[str, Any]:
    return {"shape": list(value.shape), "dtype": str(value.dtype).removeprefix("torch.")}
