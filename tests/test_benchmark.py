"""`make benchmark`: rows are written at once and say what is missing; what is compared computes the same."""

import csv
import functools
import json
import re
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

sys.path.append(str(Path(__file__).parents[1] / "benchmarks"))

import benchmark
import large_store
import latency
import loaders
import pieces
import profile_step
import steps
import training
from peers import Missing
from table import LATE, Table, in_turns, repeated
from training import Clock
from turns import Loop, take_turns

from align.alignment import CORAL, MMD
from align.analysis.statistics.permutation import mmd_test


def test_every_row_is_in_the_file_at_once_and_a_failure_is_one(tmp_path):
    table = Table(tmp_path, 3600)
    rows = []

    def fail():
        raise ValueError("no such\ncard")

    for function in (lambda: [3.0, 1.0, 2.0], fail):
        table.measure("a", "align", "ms", function)
        rows = list(csv.DictReader(open(tmp_path / "benchmark.csv")))
    assert [row["median"] for row in rows] == ["2.0", "nan"]
    assert rows[0]["low"] == "1.0" and rows[1]["note"] == "failed: ValueError: no such card"
    late = Table(tmp_path / "late", -1)
    late.measure("b", "align", "ms", fail)
    assert "no time left" in late.markdown("here") and "| b | align | – |" in late.markdown("here")
    assert len(repeated(lambda: None, seconds=0)) == 3
    late.part("c", fail), table.part("c", fail)
    assert "no time left" in late.rows[-1].note and "no such card" in table.rows[-1].note


def test_a_step_is_taken_apart(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(training, "BATCH", 4)  # which it sets
    profile_step.profile(str(tmp_path), "cpu", objective="MMD", options={"lr_warmup": 1}, batch=4, steps=2)
    last = capsys.readouterr().out.splitlines()[-1]
    told = re.fullmatch(
        r"laptop step, batch 4, bf16-mixed, MMD, lr_warmup: (.+) ms, of which (.+) in (.+) operators", last
    )
    assert told and 0 < float(told[2]) and float(told[3]) > 100
    assert "aten::" in (tmp_path / "kernels.txt").read_text()
    python = (tmp_path / "python.txt").read_text()
    assert re.search(r"^ +2 .*run_backward", python, re.MULTILINE), "two steps"


def test_a_call_that_takes_long_is_repeated_once(monkeypatch):
    monkeypatch.setattr("table.LONG", -1)
    assert len(repeated(lambda: None, seconds=0)) == 1


def test_what_is_tried_out_is_all_that_is_measured(tmp_path, monkeypatch):
    """At sizes that take no time; each part measures as ever."""
    parts = [(pieces, n) for n in ("mmd", "two_sample", "data", "latency", "worlds", "start_up")]
    parts += [(steps, "measure"), (loaders, "measure")]
    for module, name in [*parts, (benchmark, "shrink")]:
        called = functools.partial(lambda name, *_, **options: seen.append((name, options)), name)
        monkeypatch.setattr(module, name, called)
    seen: list[tuple] = []
    monkeypatch.setattr(pieces, "peaks", lambda device: {"32-true": 1e12})
    benchmark.benchmark(str(tmp_path), "cpu")
    full = [name for name, _ in seen]
    seen.clear()
    benchmark.benchmark(str(tmp_path), "cpu", small=True)
    assert [name for name, _ in seen] == ["shrink", *full] and len(full) == len(parts)
    assert seen[-1] == ("measure", benchmark.RECORDINGS)


def test_what_stands_beside_the_mmd_and_the_test_computes_the_same():
    torch.manual_seed(0)
    x, y = torch.randn(20, 5), torch.randn(20, 5) + 0.5
    z = torch.cat([x, y])
    base = float(torch.cdist(z, z).square().sum() / (40 * 39))
    ours = MMD(bandwidth=base, unbiased=False)(x, y)
    torch.testing.assert_close(pieces.authors_mmd(x, y), ours, rtol=1e-4, atol=1e-6)
    rng = np.random.default_rng(0)
    x, label = rng.normal(size=(60, 4)) + 0.25 * np.repeat([[0], [1]], 30, axis=0), np.repeat([0, 1], 30)
    found = mmd_test(x, label, np.arange(60)).p_value
    assert pieces.numpy_test(x, label) == pytest.approx(found, abs=0.04) and found < 0.5


def test_training_rows_on_a_cpu(tmp_path, monkeypatch):
    for module in (training, pieces):
        monkeypatch.setattr(module, "BATCH", 4)
    monkeypatch.setitem(steps.STEPS, "cpu", steps.FEW_STEPS)
    monkeypatch.setattr(steps, "OBJECTIVES", {"MMD": MMD, "CORAL": CORAL})
    table = Table(tmp_path, 3600)
    steps.measure(table, tmp_path, "cpu", ["laptop"], {"32-true": 1e11, "bf16-mixed": 1e11})
    pieces.data(table, tmp_path, "laptop")
    assert not [row for row in table.rows if row.note.startswith("failed")], table.rows
    shares = [row.median for row in table.rows if "share of" in row.what]
    assert len(shares) == 6 and sum(shares) == pytest.approx(200)
    ratios = [row for row in table.rows if row.unit == "×"]
    assert [row.whose[:5] for row in ratios] == ["same ", "same ", "align"] * 2 + ["align"]
    assert "CORAL" in ratios[-1].what and all(row.n == 2 for row in ratios)
    own = len(ratios) + 3 + 6 + 2  # λ = 0, the shares and the peak
    assert all(row.median > 0 for row in table.rows) and len(table.rows) == len(ratios) + own + 1


def test_a_policy_plans_as_long_as_its_runner_says(tmp_path, monkeypatch):
    monkeypatch.setattr(pieces, "CHUNKS", 3)
    table = Table(tmp_path, 3600)
    pieces.latency(table, "cpu", "laptop")
    p50, busy50, p99, busy99 = table.rows
    assert 0 < p50.median <= p99.median and all("of 3, on one core" in row.what for row in table.rows)
    assert 0 < busy50.median <= busy99.median and "processor's time" in busy50.what
    monkeypatch.setattr(latency, "SCALES", ["laptop"])
    latency.latency(str(tmp_path / "out"), "cpu", chunks=2)
    assert "p99 of 2, on one core | align |" in (tmp_path / "out/results.md").read_text()


def test_loaders_draw_the_same_windows_and_say_which_are_missing(tmp_path, monkeypatch):
    pytest.importorskip("av")
    monkeypatch.setenv("ALIGN_CONFORMANCE", str(tmp_path / "none"))
    clone = tmp_path / "clone/diffusion_policy/common"
    clone.mkdir(parents=True)
    (clone / "sampler.py").write_text(SAMPLER)
    monkeypatch.setenv("ALIGN_DIFFUSION_POLICY", str(tmp_path / "clone"))
    monkeypatch.setattr(loaders, "in_turns", lambda functions, seconds: in_turns(functions, 0.0, 3))
    monkeypatch.setattr(loaders, "BATCH", 8)
    table = Table(tmp_path / "table", 3600)
    loaders.measure(table, tmp_path, episodes=2, length=24, size=(24, 32))
    mapped, floats, kept, lerobot, *policy = table.rows
    assert all(row.median > 0 for row in (mapped, floats, kept, *policy)) and len(policy) == 6
    assert "ALIGN_CONFORMANCE" in lerobot.note and not lerobot.n
    assert {row.n for row in policy} == {3}, "ratios are of batches drawn in turns"
    monkeypatch.delenv("ALIGN_DIFFUSION_POLICY")
    with pytest.raises(Missing, match="ALIGN_DIFFUSION_POLICY"):
        loaders.diffusion_policy(None)


def test_loops_take_turns_and_one_that_fails_is_left_out():
    told, late = [], []

    def loop(name: str, turns: int, wait) -> None:
        for turn in range(turns):
            told.append(f"{name}{turn}")
            if name == "b" and turn == 1:
                raise ValueError("no such card")
            wait()

    loops = [Loop(functools.partial(loop, name, turns)) for name, turns in (("a", 2), ("b", 3), ("c", 3))]
    take_turns(loops, lambda: False)
    assert told == ["a0", "b0", "c0", "a1", "b1", "c1", "c2"]
    assert [loop.error for loop in loops] == ["", "failed: ValueError: no such card", ""]
    told.clear()
    loops = [Loop(functools.partial(loop, name, 9)) for name in "ac"]
    take_turns(loops, lambda: len(told) == 3 or late.append(0))
    assert told == ["a0", "c0", "a1"] and all(loop.done and not loop.error for loop in loops)
    loops = [Loop(functools.partial(loop, name, 9)) for name in "a"] + [Loop(lambda wait: 1 / 0)]
    loops.append(Loop(lambda wait: exec("raise KeyboardInterrupt")))
    with pytest.raises(KeyboardInterrupt):
        take_turns(loops, lambda: False)
    assert loops[0].done, "whatever ends them all, each is ended"


def test_each_block_of_a_clock_is_one_turn(monkeypatch):
    """Time stands at the number of steps, of which those between turns do not count."""
    waited = []
    clock = Clock(2, 3, 2, 0, lambda: waited.append(steps_taken))
    monkeypatch.setattr(training, "now", lambda device: float(10 * (steps_taken > 6) + steps_taken))
    for steps_taken in range(1, clock.end + 1):
        if steps_taken >= clock.skip:
            clock.tick((steps_taken - clock.skip) % 4, torch.device("cpu"))
    assert waited == [2, 6, 10] and clock.blocks == [1.0, 1.0] and clock.end == 10


def test_a_peer_steps_in_a_process_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setenv("ALIGN_CONFORMANCE", str(tmp_path))
    waited = []
    with pytest.raises(Missing, match="ALIGN_CONFORMANCE"):
        steps.lerobot_loop("reduced", "32-true", "cpu", Clock(1, 2, 3, 0))
    python = tmp_path / "bin/python"
    python.parent.mkdir()
    python.write_text(
        '#!/bin/sh\necho "$2" > $0.asked\necho \'{"version": "9.9", "parameters": 16086370}\'\n'
        "while read line; do n=$((n + 1)); echo 0.$n; done\n"
    )
    python.chmod(0o755)
    clock = Clock(1, 2, 3, 0, lambda: waited.append(len(clock.blocks)))
    steps.lerobot_loop("reduced", "32-true", "cpu", clock)
    assert clock.blocks == [0.1, 0.2, 0.3] and waited == [0, 1, 2, 3] and clock.note == "lerobot 9.9"
    asked = json.loads(python.with_name("python.asked").read_text())
    assert (asked["channels"], asked["crop"], asked["horizon"], asked["block"]) == ([64, 128, 256], 56, 16, 2)
    python.write_text('#!/bin/sh\necho \'{"version": "9.9", "parameters": 1}\'\n')
    with pytest.raises(Missing, match="1 parameters; expected 16086370"):
        steps.lerobot_loop("reduced", "32-true", "cpu", clock)
    python.write_text("#!/bin/sh\necho no such card >&2\n")
    with pytest.raises(Missing, match="no such card"):
        steps.lerobot_loop("reduced", "32-true", "cpu", clock)
    told = '#!/bin/sh\necho \'{"version": "9.9", "parameters": 16086370}\'\necho it burnt >&2\n'
    python.write_text(told)  # and is gone before it is asked for a block
    with pytest.raises(Missing, match="it burnt"):
        steps.lerobot_loop("reduced", "32-true", "cpu", Clock(1, 2, 3, 0, lambda: time.sleep(0.3)))


def test_ratios_are_of_the_same_turn(tmp_path):
    table = Table(tmp_path, 3600)
    table.against("a step", "theirs", [2.0, 30.0, 8.0], [1.0, 10.0, 2.0])
    assert (table.rows[0].median, table.rows[0].low, table.rows[0].high) == (3.0, 2.0, 4.0)
    Table(tmp_path, -1).beside("b", "ms", 1e3, {"align": lambda: 1 / 0})
    table = Table(tmp_path, 3600)
    table.beside("c", "ms", 1e3, {"align": lambda: None, "theirs": lambda: 1 / 0, "others": lambda: None}, 0)
    assert [(row.whose, row.unit, row.n) for row in table.rows] == [
        ("theirs", "ms", 0), ("align", "ms", 3), ("others", "ms", 3), ("others", "×", 3)
    ]  # fmt: skip
    assert "ZeroDivisionError" in table.rows[0].note
    table, calls = Table(tmp_path, 3600), iter(range(1, 9))
    later = {"align": lambda: None, "theirs": lambda: 1 / (next(calls) % 3), "others": lambda: None}
    table.beside("d", "ms", 1e3, later, 0)
    assert [(row.whose, row.n) for row in table.rows] == [
        ("theirs", 0), ("align", 3), ("others", 3), ("others", 3)
    ], "one that fails at its third call takes no other row with it"  # fmt: skip


def test_steps_that_are_late_say_so(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "BATCH", 4)
    monkeypatch.setitem(steps.STEPS, "cpu", (1, 1, 5, 1))
    monkeypatch.setattr(steps, "OBJECTIVES", {})
    plain, table, asked = steps._plain, Table(tmp_path, 3600), []
    monkeypatch.setattr(steps, "_plain", lambda *given: plain(*given)[:2])
    monkeypatch.setattr(table, "is_late", lambda: asked.append(0) or len(asked) > 6)
    steps.measure(table, tmp_path, "cpu", ["laptop"], {"32-true": 1e11, "bf16-mixed": 1e11})
    assert table.rows[0].n == 2 and "no time left" in table.rows[0].note
    shares = [row for row in table.rows if "share of" in row.what]
    assert shares and all(row.n == 0 and "no time left" in row.note for row in shares)
    asked.clear()
    monkeypatch.setattr(table, "is_late", lambda: asked.append(0) or len(asked) > 2)
    table.rows.clear()
    steps.measure(table, tmp_path, "cpu", ["laptop"], {"32-true": 1e11, "bf16-mixed": 1e11})
    assert {row.note for row in table.rows if row.unit == "×"} == {LATE}, "nothing failed"


def test_functions_are_called_in_turns():
    called = []
    times = in_turns([lambda: called.append("a"), lambda: called.append("b")], seconds=0, least=3)
    assert "".join(called) == "ab" * 4 and [len(each) for each in times] == [3, 3]


def test_a_large_store_is_trained_on_from_its_cache(tmp_path, monkeypatch):
    """In one process, a few steps: what it says of memory is for larger ones to tell."""
    monkeypatch.setattr(large_store, "SKIP", 1)
    monkeypatch.setattr(large_store, "LENGTH", 30)
    monkeypatch.setattr(large_store, "SIZE", 64)
    monkeypatch.setattr(large_store, "BLOCK", 2)
    trained = []

    def alone(function, folder, *given):
        trained.append(folder.name)
        if len(trained) == 6:
            raise KeyboardInterrupt
        return function(folder, *given)

    monkeypatch.setattr(large_store, "alone_in_a_process", alone)
    given = {"steps": 2, "turns": 1, "folder": str(tmp_path)}
    with pytest.raises(KeyboardInterrupt):
        large_store.large_store(str(tmp_path / "out"), 0.003, 0.002, **given)
    with pytest.raises(SystemExit, match="another --out"):
        large_store.large_store(str(tmp_path / "out"), 0.004, 0.002, **given)
    large_store.large_store(str(tmp_path / "out"), 0.003, 0.002, **given)
    assert trained[:6] == ["held", "large", "large", "few", "held", "held"], "the last one was interrupted"
    assert trained[6:] == ["held", "large", "held", "large"], "brought into memory, and what was missing"
    large_store.large_store(str(tmp_path / "out"), 0.003, 0.002, **given)
    assert len(trained) == 10, "nothing was missing"
    text = (tmp_path / "out/results.md").read_text()
    assert text.count("GB mapped, warm") == 2 * 3 * 2 + 2 and "nan" not in text
    assert [p.name for p in tmp_path.iterdir()] == ["out"], "what was made is removed"


SAMPLER = """
import numba
from diffusion_policy.common.replay_buffer import ReplayBuffer


@numba.jit(nopython=True)
def twice(n: int) -> int:
    return 2 * n


class SequenceSampler:
    def __init__(self, replay_buffer: ReplayBuffer, length, pad_before, pad_after, keys, key_first_k):
        self.arrays, self.length, self.keys = replay_buffer, length, keys
        assert pad_before == 1 and pad_after == 7 and twice(2) == 4 and len(replay_buffer.episode_ends) == 2

    def __len__(self):
        return 20

    def sample_sequence(self, index):
        return {key: self.arrays[key][index : index + self.length] for key in self.keys}
"""
