"""Configurations that are tried before a sweep starts."""

import gc
from pathlib import Path

import pytest
import yaml

from align.datamodule import CotrainingData
from align.experiments.checking import check


@pytest.fixture
def no_collection():
    """Objects in circles stay until somebody collects them, as where little is allocated."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def _alive() -> set[int]:
    return {id(x) for x in gc.get_objects() if type(x) is CotrainingData and x.train}


def test_no_data_are_kept_of_what_was_tried(write_config, monkeypatch, no_collection):
    config = yaml.safe_load(Path(write_config(**{"data.validation": 4, "data.seed": 0})).read_text())
    configs = {f"seed {i}": config | {"data": config["data"] | {"seed": i}} for i in range(3)}
    load, held, before = CotrainingData.load, [], _alive()

    def loaded(data, *args, **kwargs):
        held.append(len(_alive() - before))
        return load(data, *args, **kwargs)

    monkeypatch.setattr(CotrainingData, "load", loaded)
    check(configs)
    assert held == [0, 0, 0], "those before are let go of"
    assert not _alive() - before
