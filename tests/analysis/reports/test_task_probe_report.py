import json

import numpy as np
import pytest
from PIL import Image
from synthetic_runs import embeddings

from align.analysis.commands import probe
from align.analysis.reports.probes.task_probe import load_tasks, task_probe_run
from align.errors import InputError


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
    with pytest.raises(InputError, match="action has NaN or infinity in 120 of 120 rows"):
        load_tasks(tmp_path, rows)


def test_embeddings_of_an_older_run_are_probed_without_tasks(tmp_path, capsys):
    with_tasks(tmp_path, drop=("action", "agent_pos", "state", "untrained/image", "untrained/observation"))
    probe(str(tmp_path), "linear")
    printed = capsys.readouterr().out
    assert "align embed" in printed and "image AUC" in printed and "MLP" not in printed
    assert (tmp_path / "probe.json").exists() and not (tmp_path / "task_probe.json").exists()
