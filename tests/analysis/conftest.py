"""A small sweep to read and to report."""

from pathlib import Path

import pytest
from matplotlib.layout_engine import ConstrainedLayoutEngine
from synthetic_runs import write_probe, write_run

from align.analysis.figures import style


@pytest.fixture(scope="module")
def unlaid():
    """Figures are drawn without the layout that takes a third of a report; that is looked at in figures/."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ConstrainedLayoutEngine, "execute", lambda *_: None)
        yield


@pytest.fixture
def drawn(monkeypatch):
    """The figures that are saved, by the name of their file."""
    found, save = {}, style.save

    def saved(figure, path):
        found[Path(path).name] = figure
        save(figure, path)

    monkeypatch.setattr(style, "save", saved)
    return found


@pytest.fixture
def lambda_sweep(tmp_path):
    """Three values of λ, two training seeds each."""
    for value in (0, 0.01, 1.0):
        for seed in (0, 1):
            point = {"lambda": value, "seed": seed}
            run = write_run(tmp_path / f"lambda={value}_seed={seed}", point, seed=seed, episodes=4, windows=1)
            write_probe(run, auc=0.9 - 0.3 * value)
    return tmp_path
