"""Worlds of any kind and policies without images: a point and its goal, from a store to a probe."""

import json
from functools import partial

import numpy as np
import pandas as pd
import pytest
import torch
from run_weights import last_weights

from align.cli import main
from align.data.episodes import write_store
from align.errors import InputError
from align.policy import DiffusionPolicy
from align.rollout import rollout
from align.run.trials import write_film, write_trials
from align.seeding import numpy_rng
from align.worlds.batch import Worlds, check_results


class Point(Worlds):
    """A point and its goal, 2-D; an action is where to go, at most 0.2 a step. It changes arrays in place."""

    def __init__(self, drag: float = 0.0):
        self.drag = drag

    def reset(self, seeds):
        self.state = np.array([numpy_rng(seed, "point").uniform(-1, 1, 4) for seed in seeds])

    def observe(self):
        return {"agent_pos": self.state}

    def step(self, actions):
        self.state[:, :2] += (1 - self.drag) * np.clip(actions - self.state[:, :2], -0.2, 0.2)

    def results(self):
        distance = np.linalg.norm(self.state[:, :2] - self.state[:, 2:], axis=1)
        return {"score": np.exp(-distance), "success": distance < 0.05, "distance": distance}


class Blank(Point):
    """A point that shows something else than its demonstrations, or nothing that can be judged."""

    def __init__(self, fault: str = "agent_pos"):
        super().__init__()
        self.fault = fault

    def observe(self):
        return {"agent_pos": self.state[:, :3] if self.fault == "agent_pos" else self.state}

    def results(self):
        return {"score": np.zeros(len(self.state))} if self.fault == "results" else super().results()


def demonstrate(path, n: int, seed: int, drag: float = 0.0, steps: int = 20) -> str:
    worlds, frames = Point(drag), []
    worlds.reset(range(seed, seed + n))
    for _ in range(steps):
        frames.append((worlds.state.astype(np.float32), worlds.state[:, 2:].astype(np.float32)))
        worlds.step(worlds.state[:, 2:])
    seen, actions = (np.stack(part, axis=1) for part in zip(*frames, strict=True))
    write_store(path, ({"agent_pos": s, "action": a} for s, a in zip(seen, actions, strict=True)))
    return str(path)


WORLD = f"{__name__}.Point"


@pytest.fixture
def config(write_config, tmp_path):
    """Writes a tiny configuration without images, with changes; returns its path."""
    stores = {
        "data.sim": demonstrate(tmp_path / "point-sim.zarr", 10, 0),
        "data.real": demonstrate(tmp_path / "point-real.zarr", 8, 100, drag=0.4),
    }
    rollouts = {
        "class_path": "align.callbacks.Rollouts",
        "init_args": {
            "worlds": {"real": {"class_path": WORLD, "init_args": {"drag": 0.4}}, "sim": WORLD},
            "trials": 3,
            "steps": 20,
        },
    }
    blind = {
        "model.policy.encoder": None,
        "model.policy.n_image_steps": 0,
        "model.policy.agent_pos_dim": 4,
        "model.site": "denoiser",
        "model.alignment_weight": 0.5,
        "data.validation": 4,
        "trainer.callbacks": [rollouts],
    }
    return lambda name="config", **changes: write_config(name, **{**stores, **blind, **changes})


def test_from_a_store_without_images_to_rollouts_and_probes(config, tmp_path, capsys):
    run = tmp_path / "run"
    assert main(["fit", "--config", config()]) == 0
    rows = pd.read_csv(run / "rollouts.csv")
    assert list(rows.columns) == ["world", "trial", "seed", "score", "success", "distance", "start_score"]
    assert rows["world"].tolist() == ["real"] * 3 + ["sim"] * 3
    np.testing.assert_allclose(rows["score"], np.exp(-rows["distance"]), atol=2e-5)
    assert not (run / "rollouts.png").exists()  # it cannot be drawn
    embeddings = np.load(run / "embeddings.npz")
    assert {"observation", "denoiser", "untrained/observation", "chosen"} < set(
        embeddings
    ) and "image" not in embeddings
    assert embeddings["observation"].shape[1] == 2 * 4
    assert not any("encoder" in name for name in last_weights(run))

    assert main(["probe", str(run)]) == 0
    assert set(json.loads((run / "probe.json").read_text())["sites"]) == {"observation", "denoiser"}
    assert (run / "report").is_dir()

    capsys.readouterr()
    arguments = ["--world", WORLD, "--trials", "3", "--steps", "20", "--film", "2"]
    arguments += ["--out", str(tmp_path / "again")]
    assert main(["rollout", str(run), *arguments]) == 0
    printed = capsys.readouterr().out
    assert "score:" in printed and "success:" in printed and "distance" not in printed
    again = pd.read_csv(tmp_path / "again/rollouts.csv")
    columns = ["trial", "seed", "score", "success", "distance"]
    pd.testing.assert_frame_equal(again[columns], rows[rows["world"] == "sim"].reset_index()[columns])


def test_a_checkpoint_holds_the_policy_and_its_goal_matters(config, tmp_path):
    assert main(["fit", "--config", config()]) == 0
    policy = DiffusionPolicy.from_checkpoint(tmp_path / "run")
    assert policy.encoder is None and policy.n_image_steps == 0
    weights = last_weights(tmp_path / "run")
    for name, value in policy.state_dict().items():
        assert torch.equal(value, weights[f"ema.model.{name}"]), name
    g = torch.Generator().manual_seed(0)
    agent_pos, noise = torch.rand(3, 2, 4, generator=g), torch.randn(3, 16, 2, generator=g)
    actions = policy.act({"agent_pos": agent_pos}, noise)
    assert actions.shape == (3, 8, 2)
    elsewhere = agent_pos.clone()
    elsewhere[..., 2:] *= -1
    assert not torch.allclose(policy.act({"agent_pos": elsewhere}, noise), actions)
    features = policy.encode(None, agent_pos)
    assert features.image.shape == (3, 0)
    assert torch.equal(features.observation, policy.normalizer.normalize_agent_pos(agent_pos).flatten(1))


def test_a_resumed_run_ends_with_the_weights_of_an_uninterrupted_one(config, resumed_equals_whole):
    resumed_equals_whole(partial(config, **{"checkpoint": {"every": 2}}))


def _rollouts(world) -> dict:
    return {"trainer.callbacks": [{"class_path": "align.callbacks.Rollouts", "init_args": {"worlds": world}}]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.site": "image"}, ["site='image'", "n_image_steps=0", "observation or denoiser"]),
        ({"model.site": "observation"}, ["alignment_weight=0.5", "denoiser"]),
        ({"model.policy.crop": 12}, ["n_image_steps=0", "crop=null"]),
        ({"model.encoder_learning_rate": 0.1}, ["encoder_learning_rate=0.1", "has no encoder", "null"]),
        ({"model.policy.encoder": "align.networks.ConvEncoder"}, ["n_image_steps=0", "encoder=null"]),
        (
            {"model.policy.n_image_steps": 1, "model.site": "observation"},
            ["point-sim.zarr", "no key 'img'", "n_image_steps=0"],
        ),
        ({"model.policy.agent_pos_dim": 3}, ["agent_pos_dim=3", "4"]),
        ({"model.policy.agent_pos_dim": 1}, ["relative", "2", "1"]),
        (_rollouts({"w": f"{__name__}.Nowhere"}), ["Nowhere"]),
        (_rollouts({"w": {"class_path": WORLD, "init_args": {"drug": 1}}}), ["drug"]),
        (_rollouts({"w": f"{__name__}.Blank"}), ["'w'", "agent_pos", "(1, 3)", "(1, 4)"]),
        (
            _rollouts({"w": {"class_path": f"{__name__}.Blank", "init_args": {"fault": "results"}}}),
            ["'w'", "expected score and one named success"],
        ),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(changes, words, config, refused):
    refused(config(**changes), *words)


def test_a_policy_with_images_needs_a_world_that_shows_them(write_config, capsys):
    assert main(["fit", "--config", write_config(**_rollouts({"point": WORLD}))]) == 2
    error = capsys.readouterr().err
    assert "'point'" in error and "image" in error and error.count("\n") == 1


class Recorder:
    """A policy that stays where it is, and keeps what it saw."""

    device, cameras = "cpu", ()
    n_obs_steps, n_image_steps, horizon, action_dim, n_action_steps, agent_pos_dim = 2, 0, 8, 2, 4, 4

    def expected_images(self):
        return {}

    def __init__(self):
        self.seen = []

    def act(self, observation, noise, *_):
        self.seen.append(observation)
        return observation["agent_pos"][:, -1:, 2:].repeat(1, self.n_action_steps, 1)


def test_history_is_not_changed_by_a_world_that_changes_its_arrays():
    policy = Recorder()
    rollout(policy, Point(), [0, 1], steps=8, name="w")
    first, second = policy.seen
    assert set(first) == {"agent_pos"}
    start = Point()
    start.reset([0, 1])
    np.testing.assert_allclose(first["agent_pos"][:, 0], start.state, atol=1e-6)
    assert (second["agent_pos"][:, 0] != second["agent_pos"][:, 1]).any()


def test_worlds_of_different_kinds_share_a_file_and_films_are_of_those_that_can_be_drawn(tmp_path):
    from align.analysis.reports.sweep.run_table import collect
    from align.worlds.make import make_worlds
    from align.worlds.pushing.gaps import Gap

    class Still(Recorder):
        agent_pos_dim = 2

        def act(self, observation, noise, *_):
            return observation["agent_pos"][:, -1:].repeat(1, self.n_action_steps, 1)

    points, no_film = rollout(Recorder(), Point(), [0, 1, 2], 20, "point", film=2)
    pushes, film = rollout(Still(), make_worlds(Gap(), 16, "easy"), [0, 1], 4, "push", film=2)
    assert len(no_film) == 0 and len(film) == 2
    run = tmp_path / "run"
    run.mkdir()
    write_trials(run / "rollouts.csv", points + pushes)
    write_film(run, {"point": no_film})
    assert not (run / "rollouts.png").exists()
    write_film(run, {"point": no_film, "push": film})
    assert (run / "rollouts.png").exists()
    (row,) = collect(tmp_path).to_dict("records")
    assert row["rollout/point/success"] == 1 and row["rollout/point/success_count"] == 3
    assert row["rollout/point/trials"] == 3 and row["rollout/push/trials"] == 2
    assert row["rollout/point/distance"] < 0.05
    assert "rollout/push/distance" not in row and "rollout/point/coverage" not in row
    assert row["rollout/push/success_90_count"] == sum(trial["success_90"] for trial in pushes)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": [0.1, 1.2]}, "score is 0.1 to 1.2; expected 0 to 1"),
        ({"score": [0.1]}, r"score is float64 of shape \(1,\); expected 2 numbers"),
        ({"success": [0.5, 1.0]}, "success is 0.5 to 1; expected 0 or 1"),
        ({"length": [1.0, np.nan]}, "length has NaN"),
        ({"name": ["a", "b"]}, "expected 2 numbers"),
        ({"seed": [1, 2]}, "seed is taken"),
        ({"start_score": [0.1, 0.2]}, "start_score is taken"),
        ({"distance/x": [1.0, 2.0]}, "distance/x has a slash"),
    ],
)
def test_results_that_cannot_be_used(change, message):
    results = {"score": [0.0, 1.0], "success": [False, True]}
    assert set(check_results(results, 2, "w")) == {"score", "success"}
    with pytest.raises(InputError, match=message):
        check_results({**results, **change}, 2, "w")
