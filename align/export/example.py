"""Runs policy.onnx with NumPy and onnxruntime alone; manifest.json says what goes in and comes out."""

import json
from collections import deque
from pathlib import Path

import numpy as np


class Policy:
    def __init__(self, folder=Path(__file__).parent, seed=0):
        import onnxruntime

        self.manifest = json.loads((Path(folder) / "manifest.json").read_text())
        self.session = onnxruntime.InferenceSession(Path(folder) / "policy.onnx")
        self.random, self.chunk = np.random.default_rng(seed), []
        self.history = deque(maxlen=self.manifest["n_obs_steps"])

    def reset(self):
        """Called before each episode."""
        self.history.clear()
        self.chunk = []

    def select_action(self, seen):
        """Called at the robot's rate with agent_pos (P,) and a uint8 (H, W, C) a camera; returns (A,)."""
        seen = {name: np.array(seen[name]) for name in self.manifest["inputs"] if name != "noise"}  # a copy
        for name, value in seen.items():
            if name in self.manifest["cameras"] and value.dtype != np.uint8:
                raise ValueError(f"{name} is {value.dtype}; expected uint8, 0 to 255")
            if not np.isfinite(value).all():
                raise ValueError(f"{name} holds NaN or infinity; expected finite numbers")
        for part in self.manifest["representation"]["agent_pos"]:
            x, form = seen["agent_pos"][slice(*part["columns"])], part["form"]
            if form in ("quat_xyzw", "quat_wxyz"):
                off = abs(np.linalg.norm(x) - 1)
            elif form == "matrix":
                off = np.abs(x.reshape(3, 3) @ x.reshape(3, 3).T - np.eye(3)).max()
                off = 1 if np.linalg.det(x.reshape(3, 3)) < 0 else off
            else:
                continue
            if off > 0.02:
                raise ValueError(f"agent_pos[{part['columns'][0]}:{part['columns'][1]}] is no {form}: {x}")
        self.history.extend([seen] * (1 if self.history else self.history.maxlen))
        self.chunk = self.chunk or list(self.plan())
        return self.chunk.pop(0)

    def plan(self):
        inputs = {"noise": self.random.standard_normal(self.manifest["inputs"]["noise"]["shape"], np.float32)}
        for name, tensor in self.manifest["inputs"].items():
            if name != "noise":  # the last steps, oldest first, images as channels, height, width
                steps = np.stack([seen[name] for seen in self.history][-tensor["shape"][1] :])[None]
                steps = steps.transpose(0, 1, 4, 2, 3) if name in self.manifest["cameras"] else steps
                inputs[name] = steps.astype(tensor["dtype"])
        return self.session.run(["actions"], inputs)[0][0]
