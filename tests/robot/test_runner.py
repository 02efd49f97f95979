"""The runner against a loop of its own, what it refuses, and planning ahead."""

import threading
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from waiting import LONG

import align.robot.runner
from align.data.images import fit_images
from align.diffusion.schedule import NoiseSchedule
from align.errors import InputError
from align.networks import CameraEncoders, ConditionalMLP, ConvEncoder
from align.policy import DiffusionPolicy
from align.robot import PolicyRunner
from align.rollout import rollout
from align.seeding import torch_generator
from align.worlds.make import make_worlds
from align.worlds.pushing.gaps import Gap

SIZES = {"image.top": (24, 32), "image.wrist": (16, 16)}


def make_policy(sampler="ddim", **sizes):
    torch.manual_seed(0)
    small = {"width": 16, "blocks": 1}
    own = DiffusionPolicy(
        CameraEncoders({"top": ConvEncoder(6, **small), "wrist": ConvEncoder(4, **small)}),
        lambda a, c: ConditionalMLP(a, c, **small),
        NoiseSchedule(20, inference_steps=5, sampler=sampler),
        agent_pos_dim=3,
        **sizes,
    )
    own.expect_images({camera: (3, *size) for camera, size in SIZES.items()})
    return own.eval()


def moment(step, seed=0, sizes=SIZES):
    rng = np.random.default_rng([seed, step])
    images = {camera: rng.integers(0, 256, (*size, 3), np.uint8) for camera, size in sizes.items()}
    return images | {"agent_pos": rng.normal(size=3), "unused": "text"}


def by_hand(policy, steps, seed, ahead=0):
    """The actions of a robot that sees `moment(step)`, without a runner."""
    actions, chunk = [], policy.n_action_steps
    for start in range(0, steps, chunk):
        seen_at = start - ahead if start else 0
        times = [max(0, t) for t in range(seen_at - policy.n_obs_steps + 1, seen_at + 1)]
        seen = [moment(t, seed) for t in times]
        observation = {"agent_pos": torch.tensor(np.stack([m["agent_pos"] for m in seen])).float()[None]}
        for camera in policy.cameras:
            images = np.stack([m[camera] for m in seen])[-policy.n_image_steps :]
            observation[camera] = torch.tensor(images).movedim(-1, 1)[None].contiguous()
        generator = torch_generator(seed, "rollout", start)
        noise = torch.randn(1, policy.horizon, policy.action_dim, generator=generator)
        features = policy.encode(observation, observation["agent_pos"])
        plan = policy.sample(features, observation["agent_pos"], noise, [generator])[0]
        first = policy.n_obs_steps - 1 + (ahead if start else 0)
        actions += list(plan[first : first + chunk].double().numpy())
    return np.stack(actions[:steps])


@pytest.mark.parametrize(
    ("sampler", "sizes", "ahead"),
    [
        ("ddpm", {}, 0),
        ("ddim", {"n_obs_steps": 4, "n_image_steps": 2, "n_action_steps": 3}, 0),
        ("ddim", {"n_obs_steps": 3, "n_image_steps": 1, "n_action_steps": 1}, 0),
        ("ddpm", {"n_action_steps": 5}, 2),
        ("ddim", {"n_obs_steps": 4, "n_action_steps": 3}, 2),
    ],
)
def test_it_does_as_a_loop_written_out(sampler, sizes, ahead):
    policy = make_policy(sampler, **sizes)
    runner = PolicyRunner(policy, ahead=ahead)
    for seed in (3, 4):  # the second episode knows nothing of the first
        runner.reset(seed)
        taken = []
        for step in range(13):
            taken.append(runner.select_action(moment(step, seed) if runner.looks else None))
        np.testing.assert_array_equal(taken, by_hand(policy, 13, seed, ahead))
    runner.reset([3, 4])  # both at once, each as alone
    for step in range(5):
        both = [moment(step, seed) for seed in (3, 4)]
        actions = runner.select_action({key: np.stack([m[key] for m in both]) for key in both[0]})
    for seed, action in zip((3, 4), actions, strict=True):
        np.testing.assert_allclose(action, by_hand(policy, 5, seed, ahead)[4], rtol=1e-4, atol=1e-5)
    runner.close()


def test_rollouts_are_those_of_the_loop_before():
    """World by world, as rollouts were written before there was a runner."""
    torch.manual_seed(0)
    policy = DiffusionPolicy(
        ConvEncoder(8, width=16, blocks=1),
        lambda a, c: ConditionalMLP(a, c, width=16, blocks=1),
        NoiseSchedule(20, inference_steps=5, sampler="ddpm"),
        relative_actions=True,
        n_action_steps=3,
    ).eval()
    policy.normalizer.action_std.fill_(40)
    worlds, seeds, paths = make_worlds(Gap(visual=0.5), 16, "easy"), [7, 9], []
    worlds.reset(seeds)
    history = [worlds.observe()] * 2
    for start in range(0, 10, 3):
        own = [torch_generator(seed, "rollout", start) for seed in seeds]
        noise = torch.stack([torch.randn(16, 2, generator=generator) for generator in own])
        images = torch.from_numpy(np.stack([seen["image"] for seen in history[-2:]], 1)).movedim(-1, 2)
        agent_pos = torch.from_numpy(np.stack([seen["agent_pos"] for seen in history[-2:]], 1)).float()
        plan = policy.act({"image": images.contiguous(), "agent_pos": agent_pos}, noise, own)
        for action in plan.double().numpy().swapaxes(0, 1)[: 10 - start]:
            worlds.step(action)
            history.append({key: value.copy() for key, value in worlds.observe().items()})
            paths.append(history[-1]["agent_pos"])
    rollout(policy, worlds, seeds, steps=10, name="w")
    np.testing.assert_array_equal(worlds.observe()["agent_pos"], paths[9])
    assert np.ptp([path[0] for path in paths], axis=0).max() > 5, "it stood still: equal for nothing"


def test_images_of_another_size_are_resized_as_in_training_or_refused():
    policy = make_policy()
    large = {"image.top": (48, 80), "image.wrist": (16, 16)}
    shown = moment(0, sizes=large)
    with pytest.raises(
        InputError, match=r"image\.top is \(48, 80, 3\); the policy was trained on \(24, 32, 3"
    ):
        runner = PolicyRunner(policy)
        runner.reset(0)
        runner.select_action(shown)
    for fit in ("stretch", "pad", "crop"):
        resized = shown | {"image.top": fit_images(shown["image.top"][None], (24, 32), fit)[0]}
        actions = []
        for observation, how in ((shown, fit), (resized, None)):
            runner = PolicyRunner(policy, image_fit=how)
            runner.reset(0)
            actions.append(runner.select_action(observation))
        np.testing.assert_array_equal(*actions)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image.wrist": None}, r"shows \['agent_pos', 'image.top', 'unused'\]; expected image.wrist"),
        ({"image.wrist": np.zeros((16, 16, 3))}, r"image.wrist is float64 .*expected uint8 \(1, H, W, C\)"),
        ({"image.wrist": np.zeros((16, 16), np.uint8)}, r"image.wrist is uint8 of shape \(1, 16, 16\)"),
        ({"image.wrist": np.zeros((16, 16, 4), np.uint8)}, r"image.wrist is \(16, 16, 4\); the policy was"),
        ({"agent_pos": np.zeros(2)}, r"agent_pos has shape \(1, 2\).*expected numbers of shape \(1, 3\)"),
        ({"agent_pos": np.array([0, np.nan, 0])}, "agent_pos holds NaN"),
        ({"agent_pos": np.array(["a", "b", "c"])}, "agent_pos has shape .*expected numbers"),
    ],
)
def test_what_is_not_as_in_training_is_named(change, message):
    runner = PolicyRunner(make_policy(), image_fit="stretch")
    runner.reset(0)
    shown = {key: value for key, value in (moment(0) | change).items() if value is not None}
    with pytest.raises(InputError, match=message):
        runner.select_action(shown)
    runner.select_action(moment(0))  # and nothing is lost by it


def test_what_cannot_be_is_refused():
    policy = make_policy(horizon=10, n_action_steps=8)
    for arguments, message in (
        ({"ahead": 2}, r"ahead=2: expected a whole number in \[0, 1\]"),
        ({"ahead": -1}, "ahead=-1"),
        ({"image_fit": "squash"}, "image_fit='squash'"),
    ):
        with pytest.raises(InputError, match=message):
            PolicyRunner(policy, **arguments)
    with pytest.raises(InputError, match="plans no further than it executes"):
        PolicyRunner(make_policy(horizon=9, n_action_steps=8), ahead=1)
    runner = PolicyRunner(policy)
    with pytest.raises(InputError, match=r"expected a reset"):
        runner.select_action(moment(0))
    with pytest.raises(InputError, match="seed"):
        runner.reset(-1)
    runner.reset(0)
    with pytest.raises(InputError, match="None at step 0"):
        runner.select_action(None)


def test_the_next_chunk_is_planned_while_the_last_is_executed(monkeypatch):
    """The robot goes on while planning is held up, and waits only when the plan is due."""
    policy, waits, threads = make_policy(n_action_steps=6), threading.Event(), []
    act, now, due = policy.act, [0.0], []

    def held_up(*arguments):
        threads.append(threading.current_thread())
        if len(threads) > 1:
            assert waits.wait(LONG)
            now[0] += 0.2
        return act(*arguments)

    def clock() -> float:
        """Stands still, but for the time that planning takes, which begins when its plan is due."""
        read = now[0]
        if due and threading.current_thread() is threading.main_thread():
            waits.set()
        return read

    policy.act = held_up
    monkeypatch.setattr("align.robot.runner.time", SimpleNamespace(perf_counter=clock))
    runner = PolicyRunner(policy, ahead=4)
    runner.reset(0)
    assert np.isnan(runner.latency().p50)
    for step in range(6):  # from step 2 on the next chunk is being planned
        runner.select_action(moment(step))
    assert runner.latency().chunks == 1 and np.isnan(runner.latency().waited)
    due.append(6)
    runner.select_action(moment(6))
    latency = runner.latency()
    assert latency.chunks == 2 and latency.p50 == 0.1 and latency.p50 <= latency.p99 <= latency.longest
    assert latency.longest == latency.waited == 0.2 and f"{1000 * latency.p99:.1f} ms" in str(latency)
    assert threads[0] is threading.main_thread() and threads[1] is not threads[0]

    def broken(*arguments):
        raise ZeroDivisionError

    policy.act = broken
    runner.select_action(moment(7))
    runner.select_action(moment(8))
    for step in (9, 10, 11):
        runner.select_action(moment(step))
    with pytest.raises(ZeroDivisionError):  # an error of the thread is told when its plan is due
        runner.select_action(moment(12))
    runner.close()
    assert not threads[1].is_alive()


@pytest.mark.parametrize("ahead", [0, 4])
def test_latency_is_from_the_observation_on(monkeypatch, ahead):
    """Copying and resizing what is seen counts: 1 s here, where nothing else takes any time."""
    policy, now, seen_by = make_policy(n_action_steps=6), [0.0], align.robot.runner.seen_by

    def slowly(*arguments):
        now[0] += 1
        return seen_by(*arguments)

    monkeypatch.setattr("align.robot.runner.time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr("align.robot.runner.seen_by", slowly)
    runner = PolicyRunner(policy, ahead)
    runner.reset(0)
    for step in range(7):
        runner.select_action(moment(step) | {"ragged": [[1, 2], [3]]})
        if step == 2 and ahead:
            runner._next.result()  # before the clock goes on
    assert (runner.latency().chunks, runner.latency().p50) == (2, 1)
    assert runner.latency().waited == (0 if ahead else 1)
    runner.close()


def test_a_run_knows_how_its_images_were_resized(tmp_path, monkeypatch):
    policy = make_policy()
    state = {f"ema.model.{name}": value for name, value in policy.state_dict().items()}
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    torch.save({"policy": policy.description(), "state_dict": state}, tmp_path / "run/checkpoints/last.ckpt")
    monkeypatch.chdir(tmp_path / "run/checkpoints")
    for data, fit in ({"image_size": [24, 32], "image_fit": "crop"}, "crop"), ({"image_size": None}, None):
        (tmp_path / "run/config.yaml").write_text(yaml.safe_dump({"data": data}))
        for path in (tmp_path / "run", "last.ckpt"):
            assert PolicyRunner.from_run(path).image_fit == fit
    runner = PolicyRunner.from_run("last.ckpt", image_fit="pad")
    runner.reset(0)
    np.testing.assert_array_equal(runner.select_action(moment(0)), by_hand(policy, 1, 0)[0])


def test_what_is_executed_may_change_between_episodes_but_not_under_planning_ahead():
    policy = make_policy(n_action_steps=8)
    runner = PolicyRunner(policy, ahead=3)
    policy.execute(2)
    with pytest.raises(InputError, match=r"ahead=3: expected .*0 to 1|ahead=3.*\[0, 1\]"):
        runner.reset(0)
    policy.execute(4)
    runner.reset(0)
    taken = [runner.select_action(moment(step) if runner.looks else None) for step in range(9)]
    np.testing.assert_array_equal(taken, by_hand(policy, 9, 0, 3))
    runner.close()
