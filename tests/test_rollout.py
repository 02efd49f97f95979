"""Rollouts: what a row says, batching, and the command."""

import numpy as np
import pytest
import torch
from PIL import Image

from align.cli import main
from align.diffusion.schedule import NoiseSchedule
from align.networks import ConditionalMLP
from align.policy import DiffusionPolicy
from align.rollout import rollout
from align.run.trials import write_film, write_trials
from align.worlds.batch import Worlds
from align.worlds.make import make_worlds
from align.worlds.pushing.gaps import Gap
from align.worlds.pushing.outcome import Outcomes
from align.worlds.pushing.scene import GOAL, coverage


class Scripted:
    """A policy that acts as a function of the newest observation, with a policy's interface."""

    device, cameras = "cpu", ("image",)
    n_obs_steps, n_image_steps, horizon, action_dim, n_action_steps, agent_pos_dim = 2, 1, 16, 2, 4, 2

    def __init__(self, action):
        self.action, self.seen = action, []

    def expected_images(self):
        return {}

    def act(self, observation, noise, *_):
        self.seen.append((observation, noise))
        newest = observation["agent_pos"][:, -1]
        return self.action(newest)[:, None].repeat(1, self.n_action_steps, 1)


def test_rows_follow_the_states():
    """A scripted world: the block jumps to the goal at step 6, and in one trial leaves it at step 9."""
    visited = np.zeros((2, 13, 5))
    visited[:, :, 2:5] = [100.0, 100.0, 0.0]
    visited[:, 6:, 2:5] = GOAL
    visited[1, 9:, 2:5] = [GOAL[0] + 30, GOAL[1], GOAL[2]]

    class World(Worlds):
        def reset(self, seeds):
            self.time = 0
            self.outcomes = Outcomes(self.state)

        @property
        def state(self):
            return visited[:, self.time]

        def observe(self):
            return {
                "image": np.zeros((2, 8, 8, 3), np.uint8),
                "agent_pos": self.state[:, :2].astype(np.float32),
            }

        def step(self, actions):
            self.time += 1
            self.outcomes.step(self.state)

        def results(self):
            return self.outcomes.columns()

        def frame(self, i, size):
            return np.full((size, size, 3), self.time, np.uint8)

    trials, film = rollout(Scripted(lambda x: x), World(), [5, 6], steps=12, name="w", film=1)
    held, left = trials
    begun = coverage(visited[:, 0, 2:5]) / 0.95  # what they would have scored, had they done nothing
    np.testing.assert_allclose([t["start_score"] for t in trials], np.minimum(begun, 1), atol=1e-5)
    assert left["start_score"] < left["score"]
    assert held["score"] == 1.0
    assert all(held[key] == 1 for key in ("success_90", "success_95", "success_pose", "held"))
    assert [left[key] for key in ("success_pose", "held", "steps", "seed", "trial")] == [1, 0, 6, 6, 1]
    assert left["final_coverage"] == pytest.approx(float(coverage(visited[1, 12, 2:5])), abs=1e-4)
    assert film.shape == (1, 4, 96, 96, 3) and film[0, :, 0, 0, 0].tolist() == [0, 4, 8, 12]


def test_the_noise_of_ddpm_is_a_trials_own():
    """Whatever else was drawn, and whoever else is in the batch."""
    torch.manual_seed(0)
    mlp, schedule = ConditionalMLP(2, 4, width=8), NoiseSchedule(10, inference_steps=10, sampler="ddpm")
    policy = DiffusionPolicy(denoiser=mlp, schedule=schedule, n_image_steps=0).eval()
    worlds = make_worlds(Gap(), 16, "easy")

    def paths(seeds, global_seed):
        torch.manual_seed(global_seed)
        rollout(policy, worlds, seeds, steps=4, name="w")
        return worlds.observe()["agent_pos"]

    both = paths([5, 6], 1)
    assert (both == paths([5, 6], 2)).all()
    assert (both[1:] == paths([6], 3)).all()
    assert (both[0] != both[1]).all()


def test_a_trial_depends_on_its_own_seed_alone():
    worlds = make_worlds(Gap(visual=0.5, physics=0.5), 32, "easy")

    def run(seeds):
        policy = Scripted(lambda x: x + torch.tensor([5.0, -3.0]))
        trials, _ = rollout(policy, worlds, seeds, steps=10, name="w")
        return trials, policy.seen

    together, seen = run([3, 4, 5])
    alone, seen_alone = run([4])
    assert together[1] == alone[0] | {"trial": 1}
    for (a, noise_a), (b, noise_b) in zip(seen, seen_alone, strict=True):
        assert torch.equal(a["image"][1], b["image"][0]) and torch.equal(noise_a[1], noise_b[0])
    assert not torch.equal(seen[0][1], seen[1][1])  # noise is fresh at every chunk


def test_history_holds_the_last_two_observations_in_order():
    policy = Scripted(lambda x: x + 80)
    rollout(policy, make_worlds(Gap(), 32, "easy"), [0], steps=8, name="w")
    first, second = (observation["agent_pos"][0] for observation, _ in policy.seen)
    assert torch.equal(first[0], first[1])  # before the first step there is one observation
    assert (second[1] - second[0]).norm() > 5 and (second[1] - first[1])[0] > (second[0] - first[1])[0]


def test_files(tmp_path):
    trials, film = rollout(Scripted(lambda x: x), make_worlds(Gap(), 32, "easy"), [0, 1], 8, "sim", film=2)
    write_trials(tmp_path / "rollouts.csv", trials)
    lines = (tmp_path / "rollouts.csv").read_text().splitlines()
    assert len(lines) == 3 and lines[0] == (
        "world,trial,seed,score,coverage,success_90,success_95,success_pose,held,final_coverage,steps,"
        "start_score"
    )
    write_film(tmp_path, {"sim": film})
    assert (tmp_path / "rollouts.gif").stat().st_size > 100
    assert (tmp_path / "rollouts.png").stat().st_size > 100


def test_the_moments_shown_are_those_in_which_something_moves(tmp_path):
    film = np.zeros((2, 41, 64, 64, 3), np.uint8)
    film[0, :11] = (10 * np.arange(11, dtype=np.uint8))[:, None, None, None]
    film[0, 11:] = 100  # the first trial ends here, the other never begins
    trials = [{"world": w, "trial": i, "score": 0.25 * i} for w in ("other", "w") for i in range(2)]
    pictures = {}
    for changed in (None, {"score": 0.75}, {"trial": 7}, {"world": "other"}):
        write_film(tmp_path, {"w": film}, [*trials[:3], trials[3] | (changed or {})])
        pictures[str(changed)] = np.array(Image.open(tmp_path / "rollouts.png")).astype(int)
    picture = pictures.pop("None")
    strip = picture[-128:, -6 * 64 :]
    np.testing.assert_array_equal(strip[60::64, 32::64, 0], [[0, 20, 40, 60, 80, 100], [0] * 6])
    assert (picture[:-128] < 128).any(), "the run's name above"
    for other in pictures.values():  # beside the second row, and nowhere else, it says how the trial went
        text = slice(0, min(other.shape[1], picture.shape[1]) - 6 * 64)
        assert (other[-64:, text] != picture[-64:, text]).any()
        np.testing.assert_array_equal(other[-128:-64, text], picture[-128:-64, text])
        np.testing.assert_array_equal(other[-128:, -6 * 64 :], strip)


def test_each_moment_has_a_frame_where_the_world_is_as_white_as_the_paper(tmp_path):
    write_film(tmp_path, {"w": np.full((2, 9, 64, 64, 3), 255, np.uint8)})
    strip = np.array(Image.open(tmp_path / "rollouts.png"))[-128:, -6 * 64 :, 0]
    edge = np.isin(np.arange(64), (0, 63))
    expected = np.tile(edge[:, None] | edge, (2, 6))
    np.testing.assert_array_equal(strip < 200, expected)


def test_command_evaluates_a_run(write_config, tmp_path, capsys):
    assert main(["fit", "--config", write_config()]) == 0
    out = tmp_path / "evaluation"
    arguments = ["--trials", "2", "--steps", "8", "--size", "16", "--film", "0", "--out", str(out)]
    out.mkdir()
    (out / "paths.npz").write_text("of another world, which keeps paths")
    assert main(["rollout", str(tmp_path / "run"), *arguments, "--world", "{visual: 0.5}"]) == 0
    told = capsys.readouterr().out
    assert "score:" in told and f"written: {out / 'rollouts.csv'}" in told
    assert [path.name for path in out.iterdir()] == ["rollouts.csv"]
    into = [*arguments[:-1], str(tmp_path / "run")]
    assert main(["rollout", str(tmp_path / "run"), *into]) == 0  # which has none of its own
    assert main(["rollout", str(tmp_path / "run"), *into]) == 2  # a run's trials may be of other worlds
    assert "expected another folder" in capsys.readouterr().err
    assert len((out / "rollouts.csv").read_text().splitlines()) == 3
    assert main(["rollout", str(tmp_path / "run"), *arguments[:-2], "--n_action_steps", "1"]) == 0
    assert main(["rollout", str(tmp_path / "run"), *arguments[:-2], "--n_action_steps", "16"]) == 2
    assert "n_action_steps=16, horizon=16, n_obs_steps=2: expected" in capsys.readouterr().err
    assert main(["rollout", str(tmp_path / "nothing")]) == 2
    assert "nothing" in capsys.readouterr().err
    assert main(["rollout", str(tmp_path / "run"), "--world", "{visual: -1}"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
