"""`align annotate`: what it leaves, that training takes it, and its calibration."""

import json

import numpy as np
import pytest
import torch

from align.analysis.statistics.trust import calibration, longest_alike
from align.cli import main
from align.data.episodes import read_store, write_store
from align.data.gating.annotation import Annotation
from align.data.splits import split
from align.diffusion.thresholds import Judgement

SMALL = "{width: 16, blocks: 1, max_steps: 20, every: 10, folds: 2, levels: 5}"


def _annotate(stores, out, *options: str) -> int:
    return main(["annotate", "--sim", stores["sim"], "--real", stores["real"], "--out", str(out), *options])


def test_an_annotation_can_be_trained_with(stores, write_config, tmp_path, capsys):
    out = tmp_path / "annotation.npz"
    options = ["--relative_actions", "true", "--alpha", "0.5", "--validation", "2"]
    options += ["--tau", "0.3", "--classifier", SMALL]
    assert _annotate(stores, out, *options, "--crop_lengths", "[4, 16]", "--observation", "agent_pos") == 0
    assert "σ_min" in capsys.readouterr().out
    annotation, report = Annotation.load(out), json.loads(out.with_suffix(".json").read_text())
    sim = read_store(stores["sim"])
    train, held_out = split(sim, 2)
    assert len(annotation.sigma_min) == sum(sim.lengths[train] - 16 + 8 + 1)
    assert not set(annotation.episode) & set(held_out)
    assert np.isfinite(annotation.sigma_min).all() and annotation.tau == 0.3
    assert report["sigma_min"] == annotation.dataset_sigma_min and set(report["crops"]) == {"4", "16"}
    assert len(report["by_checkpoint"]) == 6 and "0.45" in report["by_tau"]
    assert len(report["sigmas"]) == len(report["accuracy"]) == 5
    assert out.with_suffix(".png").stat().st_size > 10_000
    gating = {"data.gating": {"annotation": str(out)}, "model.ambient": {"loss": "ambient"}}
    assert main(["fit", "--config", write_config(**gating)]) == 0
    capsys.readouterr()
    other = {**gating, "model.policy.relative_actions": False, "run": str(tmp_path / "other")}
    assert main(["fit", "--config", write_config("other", **other)]) == 2
    assert "relative_actions" in capsys.readouterr().err


def test_an_annotation_reads_the_configuration_of_training(stores, write_config, tmp_path):
    """What it says once by itself, what its options change, and what an older command said are the same."""
    policy = {
        "model.policy.horizon": 12,
        "model.policy.n_action_steps": 6,
        "model.policy.schedule.train_steps": 50,
    }
    config = write_config(
        **policy, **{"data.max_real": 4, "data.seed": 3, "data.pairing": {"key": "agent_pos"}}
    )
    own = ["--crop_lengths", "[]", "--classifier", SMALL, "--seed", "5"]
    older = ["--horizon", "12", "--n_action_steps=6", "--train_steps", "50", "--relative_actions"]
    older += ["--max_real", "4", "--split_seed", "3", "--alpha", "0.5", "--validation", "2"]
    commands = {
        "whole": ["--config", config],
        "changed": [f"--config={write_config('other', **policy)}", "--data.max_real=4", "--data.seed", "3"],
        "older": ["--sim", stores["sim"], "--real", stores["real"], *older],
        "another": ["--config", config, "--model.policy.horizon", "10"],
    }
    found = {}
    for name, options in commands.items():
        out = tmp_path / f"{name}.npz"
        assert main(["annotate", *options, *own, "--out", str(out)]) == 0
        with np.load(out) as archive:
            found[name] = {key: archive[key] for key in archive.files}
    for name in ("changed", "older"):
        for key, value in found["whole"].items():
            np.testing.assert_array_equal(found[name][key], value, err_msg=f"{name} {key}")
    assert found["another"]["horizon"] == 10 and found["whole"]["horizon"] == 12


def test_padded_windows_are_not_judged_and_have_their_neighbours_level(make_store, tmp_path, capsys):
    stores = {"sim": make_store("sim", 8, length=20), "real": make_store("real", 6, seed=1, length=20)}
    out = tmp_path / "annotation.npz"
    options = ["--validation", "2", "--classifier", SMALL, "--crop_lengths", "[]", "--tau", "0.49"]
    assert _annotate(stores, out, *options) == 0
    assert "annotating 30 sim windows by 20 real ones" in capsys.readouterr().out  # 5 of 13 in an episode
    found = Annotation.load(out)
    for episode in np.unique(found.episode):
        rows = found.episode == episode
        level = dict(zip(found.start[rows], found.sigma_min[rows], strict=True))
        assert level[-1] == level[0] and {level[start] for start in range(4, 12)} == {level[4]}
    with_trend = found.sigma_min
    assert _annotate(stores, out, *options, "--detrend", "1") == 0
    assert not np.array_equal(Annotation.load(out).sigma_min, with_trend)
    assert _annotate(stores, out, *options[:-4], "--detrend", "15") == 2
    assert "detrend=15" in capsys.readouterr().err
    short = {**stores, "real": make_store("short", 6, length=12)}
    assert _annotate(short, out, *options) == 2
    assert "real: no episode has the 16 steps" in capsys.readouterr().err


def test_only_episodes_of_training_matter(stores, tmp_path):
    """Held-out ones, and real ones beyond `max_real`, may be anything."""
    options = ["--validation", "1", "--max_real", "3", "--split_seed", "4", "--classifier", SMALL]

    def annotated(name: str) -> Annotation:
        out = tmp_path / f"{name}.npz"
        assert _annotate(stores, out, *options, "--crop_lengths", "[]") == 0
        return Annotation.load(out)

    before = annotated("before")
    for domain, most in (("sim", None), ("real", 3)):
        episodes = read_store(stores[domain])
        used, _ = split(episodes, 1, most, seed=4)
        parts = np.split(np.arange(len(episodes.action)), episodes.ends[:-1])
        rows = (
            {
                "img": episodes.image[i],
                "agent_pos": episodes.agent_pos[i],
                "state": episodes.state[i],
                "action": episodes.action[i] * (e in used),
            }
            for e, i in enumerate(parts)
        )
        write_store(stores[domain], rows, overwrite=True)
    np.testing.assert_array_equal(annotated("after").sigma_min, before.sigma_min)
    options[1] = "2"
    assert len(annotated("other").sigma_min) < len(before.sigma_min)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--tau", "0.5"], ["tau", "0.5"]),
        (["--crop_lengths", "[17]"], ["crop_lengths", "17", "16"]),
        (["--classifier", "{draws: 2}"], ["draws", "2"]),
        (["--classifier", "{folds: 7}"], ["folds=7", "4 clean episodes"]),
        (["--max_real", "1"], ["folds=3", "1 clean episodes"]),
        (["--validation", "8"], ["validation", "8"]),
        (["--out", "annotation.zarr"], ["out", ".npz"]),
        (["--real", "nowhere.zarr"], ["nowhere.zarr"]),
        (["--config", "nowhere.yaml"], ["nowhere.yaml"]),
        (["--observation", "image"], ["image"]),
        (["--threads", "0"], ["threads=0"]),
        (["--beta_schedule", "squaredcos"], ["beta_schedule", "squaredcos"]),
        (["--classifier", "{width: 0}"], ["width=0"]),
        (["--classifier", "{learning_rate: 0.0}"], ["learning_rate=0.0"]),
    ],
)
def test_mistakes(options, words, stores, tmp_path, capsys):
    out = tmp_path / "annotation.npz"
    assert _annotate(stores, out, *options) == 2
    error = capsys.readouterr().err
    assert error.startswith("align: error: ") and error.count("\n") == 1
    assert all(word in error for word in words), error
    assert not out.exists()


def test_calibration_of_a_calibrated_and_of_a_boastful_classifier():
    g = torch.Generator().manual_seed(0)
    p = torch.rand(40_000, 1, generator=g)
    clean = (torch.rand(40_000, 1, generator=g) < p)[:, 0]

    def error(predicted: torch.Tensor) -> float:
        judgement = Judgement(torch.tensor([0.1]), predicted, predicted[~clean], predicted[clean])
        return calibration(judgement)[2]

    assert error(p) < 0.02
    assert error((p > 0.5) * 0.9 + 0.05) > 0.15


def test_longer_stretches_do_not_make_up_for_shorter_ones():
    """What short stretches tell apart, long ones do: there the classifier failed."""
    assert longest_alike({8: 0.3, 2: 0.0, 4: 0.0}) == 4
    assert longest_alike({2: 0.1, 4: 0.0}) == 0 == longest_alike({})
    assert longest_alike({2: 0.0, 4: 0.0}) == 4


def _local(rng, loops: bool, steps: int = 40) -> dict[str, np.ndarray]:
    """Independent actions, or ones that come again 8 steps later: no 4 steps in a row tell them apart."""
    action = rng.normal(size=(8 if loops else steps, 2))
    action = np.tile(action, (steps // len(action), 1)).astype(np.float32)
    return {"state": action, "agent_pos": action, "action": action}


@pytest.mark.slow
def test_sigma_max_is_from_the_longest_stretch_that_is_right(tmp_path):
    rng, stores = np.random.default_rng(0), {}
    for domain, loops in (("sim", True), ("real", False)):
        stores[domain] = str(tmp_path / f"{domain}.zarr")
        write_store(stores[domain], [_local(rng, loops) for _ in range(150)])
    out = tmp_path / "annotation.npz"
    classifier = "{width: 64, blocks: 2, max_steps: 600, learning_rate: 0.003, folds: 2, levels: 8}"
    options = ["--validation", "5", "--crop_lengths", "[4, 16]", "--classifier", classifier]
    assert _annotate(stores, out, *options) == 0
    report = json.loads(out.with_suffix(".json").read_text())
    print(report["crops"], report["sigma_min"], report["kept_steps"])
    assert report["crops"]["4"] == 0 < report["crops"]["16"] and report["sigma_min"] > 0
    assert report["sigma_max"] > 0.99  # steps are independent: others never help to denoise one


def test_a_classifier_that_learned_nothing_is_told(stores, tmp_path, capsys):
    options = [
        "--crop_lengths",
        "[]",
        "--classifier",
        "{max_steps: 1, learning_rate: 10.0, folds: 2, levels: 3}",
    ]
    assert _annotate(stores, tmp_path / "annotation.npz", *options) == 0
    report = json.loads((tmp_path / "annotation.json").read_text())
    assert report["kept_steps"] == [0, 0] and report["sigma_min"] == 0
    assert "In 2 of 2 folds nothing that the classifier learned held" in capsys.readouterr().out
