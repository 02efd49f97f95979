"""A policy at a robot's rate: one observation in, one action out."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import get_args

import numpy as np
import torch

from align.checkpoints.reading import run_of
from align.data.images import Fit
from align.domain import Domain
from align.errors import SEED, InputError, check_numbers
from align.policy import DiffusionPolicy
from align.robot.latency import Latency
from align.robot.observations import seen_by, stacked
from align.robot.recorded import RecordedAct
from align.run.config import run_config
from align.seeding import torch_generator

_KEPT = 100_000  # times that are remembered


class PolicyRunner:
    """Runs a policy on one robot, or on several that act at once (worlds, say) with one forward pass for all.

    What is seen is kept, planned from, and executed as follows; here with n_obs_steps = 2, n_action_steps =
    4, and a horizon of 8 or more:

        step                        0   1   2   3   4   5   6   7
        observation looked at       o           o   o           o
        chunk planned               A               B
        action returned             A0  A1  A2  A3  B0  B1  B2  B3
        planned with ahead=1        A           B               C
        action returned             A0  A1  A2  A3  B1  B2  B3  B4

    Before the first step there was no other observation than the first, which is repeated, as in training.

    Args:
        policy: The policy, on the device it is to run on.
        ahead: Begin to plan a chunk so many steps before it is due, in a thread, while the last one is
            executed; its first `ahead` actions are then left out, since their time has passed. 0 plans when
            it is due, and the robot waits. Take the least that is longer than a chunk's latency.
        image_fit: How images of another size than training's are resized; see `align.data.images.Fit`. `None`
            refuses them.
        domain: Where it acts: whose stores say how positions and actions are written, and what a policy with
            domain conditioning is told.
        source: Who shows the observations, for messages.

    Raises:
        InputError: The policy does not plan far enough `ahead`.

    Example:
        >>> runner = PolicyRunner.from_run("runs/mine")
        >>> runner.reset(seed=0)
        >>> action = runner.select_action({"image": picture, "agent_pos": position})
    """

    def __init__(
        self,
        policy: DiffusionPolicy,
        ahead: int = 0,
        image_fit: Fit | None = None,
        domain: Domain = Domain.REAL,
        source: str = "observation",
    ):
        _check_ahead(policy, ahead)
        if image_fit is not None and image_fit not in get_args(Fit):
            raise InputError(f"image_fit={image_fit!r}: expected one of {', '.join(get_args(Fit))}, or None")
        self.policy, self.ahead, self.image_fit = policy, ahead, image_fit
        self.domain, self.source = domain, source
        self._act = RecordedAct(policy)
        self._planned: deque[float] = deque(maxlen=_KEPT)
        self._waits: deque[float] = deque(maxlen=_KEPT)
        self._thread: ThreadPoolExecutor | None = None
        self._seeds: list[int] | None = None
        self._next: Future | None = None
        self._step = 0

    @classmethod
    def from_run(
        cls,
        run: str | Path,
        ahead: int = 0,
        image_fit: Fit | None = None,
        domain: Domain = Domain.REAL,
        device: str = "cpu",
        trust: Sequence[str] = (),
    ) -> "PolicyRunner":
        """The policy of a run, or of a checkpoint in one.

        Args:
            run: Run directory or checkpoint.
            ahead: As above.
            image_fit: As above; `None` resizes as the run's training did its images, if it did.
            domain: As above.
            device: Where it runs.
            trust: As in `DiffusionPolicy.from_checkpoint`.

        Raises:
            InputError: It is no run, or as above.
        """
        policy = DiffusionPolicy.from_checkpoint(run, trust).to(device)
        data = run_config(run_of(run)).get("data") or {}
        if image_fit is None and data.get("image_size") is not None:
            image_fit = data.get("image_fit", "stretch")
        return cls(policy, ahead, image_fit, domain)

    def reset(self, seed: int | Sequence[int] = 0) -> None:
        """Begin an episode: forget what was seen and planned.

        Args:
            seed: All noise follows from it: the same seed and observations give the same actions. Several run
                as many robots or worlds; observations and actions then have them as a leading axis, and each
                acts as it would alone.

        Raises:
            InputError: It is no seed, or the policy executes so few actions by now that it does not plan far
                enough `ahead`.
        """
        _check_ahead(self.policy, self.ahead)  # `execute` may have changed how many are executed
        self._single = not isinstance(seed, Sequence | np.ndarray)
        self._seeds = [seed] if self._single else list(seed)
        check_numbers(SEED, whole=True, seed=self._seeds)
        if not self._seeds:
            raise InputError("seed=[]: expected one or more")
        self.close()
        self._history: deque = deque(maxlen=self.policy.n_obs_steps)
        self._chunk = np.zeros((0, 0, 0))
        self._step = 0

    @property
    def looks(self) -> bool:
        """Whether the next `select_action` looks at its observation; where not, it takes `None` for it."""
        until_planned = -(self._step + self.ahead) % self.policy.n_action_steps
        return self._step == 0 or until_planned < self.policy.n_obs_steps

    def select_action(self, observation: Mapping[str, np.ndarray] | None) -> np.ndarray:
        """The next action; to be called once a control step, at the rate of the demonstrations.

        Args:
            observation: "agent_pos" (P,) as the demonstrations have it, and for each of the policy's cameras
                ("image", or "image.NAME") (H, W, C) uint8, RGB as in training. What else it holds is not
                looked at.

        Returns:
            (A,) float64, as the demonstrations have it: rotations and angles are written as there, whatever
            the policy sees of them.

        Raises:
            InputError: `reset` was not called, or the observation is not as in training.
        """
        if self._seeds is None:
            raise InputError("select_action: expected a reset(seed) before the first one")
        due = self._step % self.policy.n_action_steps
        shown = time.perf_counter()
        if self.looks:
            self._look(observation)
            if self._step == 0:
                self._next = self._plan(0, 0, shown)
            if self._step > 0 and (due + self.ahead) % self.policy.n_action_steps == 0:
                self._next = self._plan(self._step + self.ahead, self.ahead, shown)
        if due == 0:
            self._chunk, self._next = self._next.result(), None
            if self._step > 0:
                self._waits.append(time.perf_counter() - shown)
        self._step += 1
        action = self._chunk[:, due]
        return action[0] if self._single else action

    def latency(self) -> Latency:
        """How long chunks took to plan, of all episodes."""
        return Latency.of(list(self._planned), list(self._waits))

    def forget_latency(self) -> None:
        """Have `latency` tell of chunks from now on, without the first ones, which take longer."""
        self._planned.clear()
        self._waits.clear()

    def close(self) -> None:
        """Let the thread end, if there is one, and drop what it planned; `reset` begins anew."""
        if self._thread is not None:
            self._thread.shutdown()
        self._thread = self._next = None

    def _look(self, observation: Mapping[str, np.ndarray] | None) -> None:
        if observation is None:
            raise InputError(f"{self.source}: None at step {self._step}; expected one, as runner.looks says")
        if self._single:
            wanted = (*self.policy.cameras, "agent_pos")
            observation = {k: np.asarray(x)[None] if k in wanted else x for k, x in observation.items()}
        seen = seen_by(self.policy, observation, len(self._seeds), self.source, self.image_fit, self.domain)
        self._history.extend([seen] * (1 if self._history else self.policy.n_obs_steps))

    def _plan(self, step: int, skip: int, shown: float) -> Future:
        """The chunk that begins at `step`, planned now or by the thread, without its first `skip` actions.

        Args:
            step, skip: As said.
            shown: When the observation came that it is planned from.
        """
        arguments = list(self._history), list(self._seeds), step, skip, shown
        if self.ahead and step > 0:
            self._thread = self._thread or ThreadPoolExecutor(1, "plan")
            return self._thread.submit(self._actions, *arguments)
        done: Future = Future()
        done.set_result(self._actions(*arguments))
        return done

    def _actions(self, history: list, seeds: list[int], step: int, skip: int, shown: float) -> np.ndarray:
        """(n, n_action_steps, A), from noise that is of the seed and the step alone."""
        policy = self.policy
        own = [torch_generator(seed, "rollout", step) for seed in seeds]
        shape = policy.horizon, policy.action_dim
        noise = torch.stack([torch.randn(shape, generator=generator) for generator in own])
        actions = self._act(stacked(history, policy), noise, own, self.domain, skip)
        actions = actions.double().cpu().numpy()
        self._planned.append(time.perf_counter() - shown)
        return actions


def _check_ahead(policy: DiffusionPolicy, ahead: int) -> None:
    if ahead == 0:  # a policy need not know more than it is used for
        return
    most = min(policy.n_action_steps - 1, policy.horizon - policy.n_obs_steps + 1 - policy.n_action_steps)
    if most < 1:
        raise InputError(
            f"ahead={ahead}: with horizon={policy.horizon}, n_obs_steps={policy.n_obs_steps} and "
            f"n_action_steps={policy.n_action_steps} a policy plans no further than it executes; expected 0"
        )
    check_numbers(f"[0, {most}]", whole=True, ahead=ahead)
