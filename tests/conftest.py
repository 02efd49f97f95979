"""Small stores of random demonstrations and the smallest configuration that trains on them."""

import copy
import os
import shutil
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
import yaml
from random_episodes import random_episode
from run_weights import last_weights
from strict_skips import pytest_make_collect_report, pytest_runtest_makereport  # noqa: F401
from tiny_config import DATA, MODEL, TRAINER

from align.data.episodes import write_store
from align.seeding import numpy_rng

torch.set_num_threads(1)


def pytest_collection_modifyitems(items):
    """Files with slow tests first: begun last, one would keep a single process busy at the end."""
    slow = {i.path for i in items if i.get_closest_marker("slow") or i.path.parent.name == "end_to_end"}
    items.sort(key=lambda item: item.path not in slow)


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """A cache of the tests' own, also of the processes that they start."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def _written(tmp_path_factory):
    """Writes a store of random episodes, the same one once, and returns its path."""
    folder, found = tmp_path_factory.mktemp("written"), {}

    def written(name: str, n: int, seed: int, arguments: dict) -> Path:
        described = repr((name, n, seed, sorted(arguments.items())))
        if described not in found:
            path, rng = folder / f"{len(found)}.zarr", numpy_rng(seed, name)
            write_store(path, (random_episode(rng, **arguments) for _ in range(n)), {"domain": name})
            found[described] = path
        return found[described]

    return written


@pytest.fixture
def make_store(tmp_path, _written):
    """Makes a store of random episodes and returns its path: a copy, which takes less than to write one."""

    def make(name: str, n: int = 6, seed: int = 0, **arguments) -> str:
        written = _written(name, n, seed, arguments)
        return shutil.copytree(written, str(tmp_path / f"{name}.zarr"), copy_function=shutil.copy)

    return make


@pytest.fixture
def stores(make_store):
    """Paths of a sim store of 8 episodes and a real one of 6."""
    return {"sim": make_store("sim", 8), "real": make_store("real", 6, seed=1)}


@pytest.fixture
def write_config(tmp_path, stores):
    """Writes a tiny configuration for `align fit`, with changes given as {"a.b": value}; returns its path."""
    from align.experiments.options import set_option

    def write(name: str = "config", **changes) -> str:
        config = {
            "run": str(tmp_path / "run"),
            "model": copy.deepcopy(MODEL),
            "data": {**stores, **DATA, "validation": 2},
            "trainer": {**TRAINER, "max_steps": 6},
        }
        for option, value in changes.items():
            set_option(config, option, value)
        path = tmp_path / f"{name}.yaml"
        path.write_text(yaml.safe_dump(config))
        return str(path)

    return write


@pytest.fixture
def refused(capsys):
    """Asserts that `align fit` refuses a configuration in one line with some words, and leaves no run."""
    from align.cli import main

    def check(config: str, *words: str) -> None:
        assert main(["fit", "--config", config]) == 2
        error = capsys.readouterr().err
        assert error.startswith("align: error: ") and error.count("\n") == 1, error
        assert all(word in error for word in words), error
        assert not Path(yaml.safe_load(Path(config).read_text())["run"]).exists()

    return check


@pytest.fixture
def killed_in_training(monkeypatch):
    """`align fit` of a configuration, killed at its sixth step."""
    from align.cli import main
    from align.module import CotrainingModule

    step = CotrainingModule.training_step

    def killed(self, batch, batch_idx):
        if self.global_step == 5:
            raise RuntimeError("killed")
        return step(self, batch, batch_idx)

    def fit(config):
        with monkeypatch.context() as patch, pytest.raises(RuntimeError, match="killed"):
            patch.setattr(CotrainingModule, "training_step", killed)
            main(["fit", "--config", config])

    return fit


@pytest.fixture
def resumed_equals_whole(tmp_path, killed_in_training):
    """Trains twice, `write(name, run=...)` giving the configuration: once through, and once killed at step 5
    and resumed. Says whether both end with the same weights; returns the run that was resumed."""
    from align.cli import main

    def check(write):
        runs = {name: tmp_path / name for name in ("whole", "cut")}
        configs = {name: write(name, run=str(run)) for name, run in runs.items()}
        assert main(["fit", "--config", configs["whole"]]) == 0
        killed_in_training(configs["cut"])
        assert not (runs["cut"] / "summary.json").exists()
        torch.manual_seed(99)  # what is global does not matter
        assert main(["fit", "--config", configs["cut"]]) == 0
        states = [last_weights(run) for run in runs.values()]
        assert states[0].keys() == states[1].keys()
        for key, value in states[0].items():
            assert torch.equal(value, states[1][key]), key
        return runs["cut"]

    return check
