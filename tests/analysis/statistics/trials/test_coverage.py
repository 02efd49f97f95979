"""The tables of `docs/coverage.md`: those that its command writes, of simulations that do what they say."""

import re
from pathlib import Path

import numpy as np

from align.analysis.statistics.trials import rates
from align.analysis.statistics.trials.coverage import many, tables
from align.analysis.statistics.trials.coverage.__main__ import SECTIONS

DOCUMENT = Path(__file__).parents[4] / "docs/coverage.md"


def test_the_document_has_the_sections_that_its_command_writes():
    found = re.split(r"^## (.+)\n\n", DOCUMENT.read_text(), flags=re.M)[1:]
    assert found[::2] == list(SECTIONS)
    for title, text in zip(found[::2], found[1::2], strict=True):
        assert text.startswith(SECTIONS[title][1] + "\n\n|"), title
        assert "nan" not in text


def _cells(table: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_a_bootstrap_over_two_trainings_holds_the_truth_far_less_often(monkeypatch):
    monkeypatch.setattr(tables, "TRAININGS", (2, 5))
    monkeypatch.setattr(tables, "TRIALS", (50,))
    rows = _cells(tables.means(400).split("\n\n")[0])
    held = {tuple(row[:3]): [float(x) for x in row[3:7]] for row in rows}
    for own, _satterthwaite, pooled, _bootstrap in held.values():
        assert own > 0.9 and pooled > 0.9
    bootstrap = {key: found[3] for key, found in held.items()}
    assert 0.5 < bootstrap["2", "50", "trainings"] < 0.7 < bootstrap["5", "50", "trainings"] < 0.93
    assert bootstrap["2", "50", "trials"] > 0.9


def test_differences_at_once_hold_together_where_single_ones_do_not(monkeypatch):
    monkeypatch.setattr(many, "TRUTHS", {"success rates": many.TRUTHS["success rates"]})
    rows = np.array([[float(x) for x in row[3:]] for row in _cells(many.at_once(repeats=12))])
    single, at_once, bonferroni, width = rows.mean(0)
    assert single < 0.8 < at_once <= bonferroni and 0.8 < width < 1


def test_arms_of_the_simulation_have_the_means_they_are_given():
    rng = np.random.default_rng(0)
    for kind, truth in many.TRUTHS.items():
        means = np.mean([[a.mean() for a in many._arms(rng, kind, truth, 2, 50)] for _ in range(200)], axis=0)
        np.testing.assert_allclose(means - means.mean(), truth - truth.mean(), atol=0.05)


def test_few_shared_trials_are_covered_where_newcombes_interval_alone_is_not(monkeypatch):
    monkeypatch.setattr(tables, "FEW_PAIRS", ((0.5, 0.5), (0.7, 0.5)))
    monkeypatch.setattr(tables, "COMMON", {"half": 0.5})

    def least() -> float:
        rows = _cells(tables.few_shared(repeats=400))
        return min(float(x) for row in rows if row[0] in ("2", "3") for x in row[2:])

    assert least() > 0.92
    monkeypatch.setattr(rates, "FEW", 0)
    assert least() < 0.9
