"""A small sweep to read and to report."""

import pytest
from synthetic_runs import write_probe, write_run


@pytest.fixture
def lambda_sweep(tmp_path):
    """Three values of λ, two training seeds each."""
    for value in (0, 0.01, 1.0):
        for seed in (0, 1):
            point = {"lambda": value, "seed": seed}
            run = write_run(tmp_path / f"lambda={value}_seed={seed}", point, seed=seed, episodes=4, windows=1)
            write_probe(run, auc=0.9 - 0.3 * value)
    return tmp_path
