"""Plans: numbers that agree with each other and with simulation, and variances whose source is said."""

import re

import numpy as np
import pytest
from scipy import stats
from synthetic_runs import write_run

from align.cli import main
from align.seeding import numpy_rng


@pytest.fixture
def said(capsys):
    """Runs `align plan` and returns what it prints."""

    def plan(*options) -> str:
        assert main(["plan", *map(str, options)]) == 0
        return capsys.readouterr().out

    return plan


def _least(text: str) -> float:
    return float(re.search(r"difference of (\d+) percentage", text)[1]) / 100


def test_as_many_trials_as_are_asked_for_are_enough(said):
    options = ("--rate", 0.5, "--trainings", 1, "--difference", 0.2)
    few = said(*options, "--trials", 20)
    asked, more = map(int, re.search(r"about (\d+) trials, (\d+) more", few).groups())
    assert asked == 20 + more
    assert "That is enough for 20 percentage points" in said(*options, "--trials", asked)
    assert "That is enough" not in said(*options, "--trials", asked - 2)


def test_the_difference_is_detected_as_often_as_it_says(said):
    rng, n, repeats = numpy_rng(0, "plan"), 60, 2000
    least = _least(said("--rate", 0.5, "--trainings", 1, "--trials", n))
    p, q = 0.5 + least / 2, 0.5 - least / 2
    d = (rng.random((repeats, n)) < p).astype(float) - (rng.random((repeats, n)) < q)
    found = stats.ttest_1samp(d, 0, axis=1)
    assert np.mean((found.pvalue < 0.05) & (found.statistic > 0)) == pytest.approx(0.8, abs=0.06)


def test_few_trainings_are_not_mended_by_trials(said):
    text = said("--trials", 150, "--difference", 0.04)
    assert "no number of trials does: about" in text and "trainings an arm" in text
    assert text.count("assumed") == 2 and "--like FILE" in text


def test_variances_come_from_files_or_from_what_is_given(said, tmp_path):
    rng = numpy_rng(0, "like")
    old, new = (rng.random(200) < p for p in (0.4, 0.6))
    rows = [f"{a},{i},{int(y)}" for a, ys in (("old", old), ("new", new)) for i, y in enumerate(ys)]
    (tmp_path / "t.csv").write_text("arm,start,success\n" + "\n".join(rows) + "\n")
    text = said("--like", tmp_path / "t.csv", "--trainings", 1)
    sd = float(re.search(r"one start: ([\d.]+)", text)[1])
    assert sd == pytest.approx((new.astype(float) - old).std(ddof=1), abs=0.01)
    assert "SD between trainings: 0.033, assumed" in text
    given = said("--training_sd", 0.05, "--difference_sd", 0.4)
    assert "SD between trainings: 0.05, as given" in given and "one start: 0.4, as given" in given


def test_variances_come_from_a_sweep(said, tmp_path):
    for arm, skill in (("a", 0.6), ("b", 0.7)):
        for seed in (0, 1):
            point = {"arm": arm, "seed": seed}
            write_run(tmp_path / f"s/{arm},{seed}", point, skill, seed=seed, episodes=1, windows=1)
    text = said("--like", tmp_path / "s")
    assert "of score in real of" in text and re.search(r"SD between trainings: [\d.]+, from 2 degrees", text)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--trainings", "0"], "trainings=0: expected a whole number in [1, 10000]"),
        (["--trials", "1"], "trials=1: expected a whole number in [2, "),
        (["--arms", "1"], "arms=1: expected a whole number in [2, "),
        (["--difference", "20"], "difference=20.0: expected a number in (0, 1]"),
        (["--rate", "1.5"], "rate=1.5: expected a number in (0, 1)"),
        (["--training_sd", "-1"], "training_sd=-1.0: expected a number in [0, 1]"),
        (["--like", "nowhere.csv"], "nowhere.csv: cannot be read"),
    ],
)
def test_mistakes_are_a_line(options, line, capsys):
    assert main(["plan", *options]) == 2
    error = capsys.readouterr().err
    assert line in error and error.count("\n") == 1
