import json

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from synthetic_runs import embeddings

from align.analysis.commands import probe
from align.analysis.reports import task_probe
from align.analysis.reports.probe import Embeddings
from align.analysis.reports.task_probe import (
    Decoded,
    decode,
    episode_folds,
    load_tasks,
    ridge,
    task_probe_run,
)
from align.domain import Domain
from align.errors import InputError

SIM, REAL = Domain


def coded(rotation: float = 0.0, noise: float = 0.1, episodes: int = 12, windows: int = 10, seed: int = 0):
    """A task of two numbers in a code of four; real's code is turned by `rotation`. Returns x, y, data."""
    rng = np.random.default_rng(seed)
    n = episodes * windows
    domain, episode = np.repeat([0, 1], n), np.repeat(np.arange(2 * episodes), windows)
    y = rng.normal(size=(2 * episodes, 2))[episode] + 0.5 * rng.normal(size=(2 * n, 2))
    cos, sin = np.cos(rotation), np.sin(rotation)
    turned = np.where(domain[:, None] == REAL, y @ np.array([[cos, -sin], [sin, cos]]), y)
    x = turned @ rng.normal(size=(2, 4)) + noise * rng.normal(size=(2 * n, 4))
    return x.astype(np.float32), y, Embeddings("image", x, domain, episode, np.arange(2 * n))


def _decode(x, y, data) -> Decoded:
    return decode(x, {"task": y}, data)["task"]


def test_one_code_is_read_everywhere():
    found = _decode(*coded())
    assert set(found.cells) == {(a, b) for a in Domain for b in Domain}
    for r2 in found.cells.values():
        assert 0.9 < r2.low <= r2.value <= r2.high <= 1


def test_a_turned_code_is_read_within_each_domain_and_not_across():
    """A half turn predicts −y: its error is 2y, so R² is 1 − 4 = −3, and is reported so."""
    found = _decode(*coded(rotation=np.pi))
    for domain in Domain:
        assert found.cells[domain, domain].low > 0.9
    for cell in ((SIM, REAL), (REAL, SIM)):
        assert found.cells[cell].value == pytest.approx(-3, abs=0.5)
    quarter = _decode(*coded(rotation=np.pi / 2))  # uncorrelated: 1 − 2
    assert quarter.cells[SIM, REAL].value == pytest.approx(-1, abs=0.6)


def test_a_code_of_nothing_is_not_read():
    x, y, data = coded()
    found = _decode(np.random.default_rng(1).normal(size=x.shape), y, data)
    assert all(r2.value < 0.1 for r2 in found.cells.values())


def test_an_episodes_own_look_gives_nothing_away():
    """y is constant in an episode and x recognises the episode: by window R² would be 1."""
    rng = np.random.default_rng(0)
    x, _, data = coded(episodes=20)
    y = rng.normal(size=(40, 1))[data.episode]
    x = rng.normal(size=(40, 6))[data.episode] + 0.01 * rng.normal(size=(len(x), 6))
    assert _decode(x, y, data).cells[SIM, SIM].value < 0.2


@pytest.mark.parametrize("features", [5, 60])
def test_ridge_is_scikit_learns(features):
    rng = np.random.default_rng(0)
    x, test = rng.normal(size=(40, features)), rng.normal(size=(7, features))
    y = x[:, :2] * [1, 100] + rng.normal(size=(40, 2)) + 5
    mean, scale = x.mean(0), x.std(0)
    for penalty in task_probe.PENALTIES:
        (found,) = task_probe._ridge_path(x, y, test, [penalty])
        model = Ridge(alpha=40 * penalty).fit((x - mean) / scale, y)
        np.testing.assert_allclose(found, model.predict((test - mean) / scale), rtol=1e-6, atol=1e-6)


def test_tasks_share_the_work_and_not_the_penalty():
    x, y, data = coded(noise=1.0)
    rng = np.random.default_rng(0)
    tasks = {
        "clear": y,
        "noise": rng.normal(size=(len(y), 3)),
        "one": y[:, :1] + rng.normal(size=(len(y), 1)),
    }
    together = decode(x, tasks, data)
    for name, of in tasks.items():
        alone = _decode(x, of, data)
        for cell, r2 in together[name].cells.items():
            np.testing.assert_allclose(r2, alone.cells[cell], rtol=1e-6)


def test_noise_is_penalised_more_than_a_code():
    x, y, data = coded(noise=0.01)
    noise = np.random.default_rng(1).normal(size=y.shape)
    both = np.concatenate([y, noise], axis=1)
    parts = (slice(0, 2), slice(2, 4))
    found = ridge(x, both, data.episode, x, np.random.default_rng(0), parts)
    paths = task_probe._ridge_path(x, both, x, task_probe.PENALTIES)
    chosen = [[np.allclose(found[:, part], path[:, part]) for path in paths].index(True) for part in parts]
    assert chosen[0] == 0 < chosen[1]


def test_r2_is_scikit_learns_and_still_dimensions_are_left_out():
    rng = np.random.default_rng(0)
    y, cluster = rng.normal(size=(60, 3)) * [1, 10, 0] + 4, np.repeat(np.arange(6), 10)
    predicted = y + rng.normal(size=y.shape)
    value, each = task_probe._r2(y, predicted, cluster, 1, 0)
    np.testing.assert_allclose(each[:2], r2_score(y, predicted, multioutput="raw_values")[:2])
    assert np.isnan(each[2]) and value.value == pytest.approx(np.mean(each[:2]))
    assert value.low < value.value < value.high <= 1


def test_folds_keep_episodes_whole_and_are_no_more_than_those():
    cluster = np.repeat([7, 3, 9], 4)
    fold = episode_folds(cluster, 5, np.random.default_rng(0))
    assert sorted(set(fold)) == [0, 1, 2] and all(len(set(fold[cluster == c])) == 1 for c in (7, 3, 9))


def with_tasks(path, drop=(), **changes):
    """`embeddings.npz` whose image site holds block pose and position in the same code in both domains."""
    arrays = embeddings(episodes=6, windows=10)
    rng = np.random.default_rng(0)
    n = len(arrays["domain"])
    state = rng.uniform(100, 400, size=(n, 5)).astype(np.float32)
    state[:, 4] = rng.uniform(-9, 9, size=n)  # not wrapped
    pose = np.stack([*state[:, :4].T / 100, np.cos(state[:, 4]), np.sin(state[:, 4])], axis=1)
    arrays["image"] = (pose @ rng.normal(size=(6, 32))).astype(np.float32)
    arrays |= {
        "state": state,
        "agent_pos": state[:, :2],
        "action": rng.normal(size=(n, 8)).astype(np.float32),
    }
    arrays |= {f"untrained/{s}": rng.normal(size=(n, 3)).astype(np.float32) for s in ("image", "observation")}
    arrays |= changes
    np.savez(path / "embeddings.npz", **{k: v for k, v in arrays.items() if k not in drop})
    return arrays


def test_a_run_gets_numbers_a_figure_and_the_untrained_control(tmp_path):
    with_tasks(tmp_path)
    result = task_probe_run(tmp_path)
    assert json.loads((tmp_path / "task_probe.json").read_text()) == result == task_probe_run(tmp_path)
    image = result["sites"]["image"]
    assert set(image) == {"action", "block_pose", "pusher"}
    cells = {"sim_to_sim", "sim_to_real", "real_to_sim", "real_to_real"}
    assert cells | {"untrained"} == set(image["block_pose"]) and cells == set(image["pusher"]["untrained"])
    assert "untrained" not in result["sites"]["denoiser"]["action"]
    for cell in cells:
        assert image["block_pose"][cell]["value"] > 0.95 and len(image["block_pose"][cell]["each"]) == 4
        assert image["block_pose"]["untrained"][cell]["value"] < 0.2 > image["action"][cell]["value"]
    assert Image.open(tmp_path / "task_probe.png").size[0] == 2100  # both columns at 300 dpi


def test_a_state_that_is_not_push_ts_is_decoded_as_it_is(tmp_path):
    rows = np.arange(12)
    arrays = with_tasks(tmp_path, state=np.ones((120, 7), np.float32))
    assert load_tasks(tmp_path, rows)["state"].shape == (12, 7)
    with_tasks(tmp_path, agent_pos=arrays["agent_pos"] + 1)
    assert "block_pose" not in load_tasks(tmp_path, rows)
    with_tasks(tmp_path, action=np.full((120, 2), np.nan))
    with pytest.raises(InputError, match=r"action of shape \(120, 2\)"):
        load_tasks(tmp_path, rows)


def test_embeddings_of_an_older_run_are_probed_without_tasks(tmp_path, capsys):
    with_tasks(tmp_path, drop=("action", "agent_pos", "state", "untrained/image", "untrained/observation"))
    probe(str(tmp_path), "linear")
    printed = capsys.readouterr().out
    assert "align embed" in printed and "image AUC" in printed and "MLP" not in printed
    assert (tmp_path / "probe.json").exists() and not (tmp_path / "task_probe.json").exists()
