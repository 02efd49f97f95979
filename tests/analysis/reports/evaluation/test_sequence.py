"""Two arms followed trial by trial from a file: pairs, when it is settled, and how often wrongly."""

import csv
import re

import numpy as np
import pytest

from align.analysis.reports.evaluation.sequence import follow, pair_up, words
from align.analysis.reports.evaluation.trials import Trial, read_trials
from align.analysis.statistics.trials import sequential
from align.cli import main
from align.errors import InputError
from align.seeding import numpy_rng


def _rows(new, old) -> list[Trial]:
    """Both arms in turn."""
    both = [(arm, i, y) for i, pair in enumerate(zip(new, old, strict=True))
            for arm, y in zip(("new", "old"), pair, strict=True)]  # fmt: skip
    return [Trial(arm, "1", str(i), "", float(y), None, "", i + 1) for arm, i, y in both]


def test_a_pair_comes_with_its_second_trial():
    rows = [
        ("old", "a", 1),
        ("old", "b", 0),
        ("new", "b", 1),
        ("new", "c", 1),
        ("new", "a", 0),
        ("old", "d", 1),
    ]
    numbers = (1, 2, 1, 2, 3, 3)
    trials = [
        Trial(arm, "1", start, "", float(y), None, "", n)
        for (arm, start, y), n in zip(rows, numbers, strict=True)
    ]
    pairs = pair_up(trials, None, None)
    assert (pairs.arm, pairs.reference, pairs.starts, pairs.waiting) == ("new", "old", ["b", "a"], 2)
    assert pairs.outcomes.tolist() == [1, 0] and pairs.of_reference.tolist() == [0, 1]
    numbered = pair_up([t._replace(start=None) for t in trials], None, "new")
    assert numbered.outcomes.tolist() == [1, 0, 1] and numbered.of_reference.tolist() == [1, 1, 0]


def test_it_is_settled_as_the_sequence_says_and_stays_so():
    rng = numpy_rng(0, "settled")
    new, old = rng.random(60) < 0.9, rng.random(60) < 0.4
    settled = sequential.compare(new, old).settled
    for n in (settled - 1, settled, 60):
        found, rows = follow(pair_up(_rows(new[:n], old[:n]), None, "old"), 0.95)
        assert (found.settled is not None) == (n >= settled) and len(rows) == n
    assert rows[-1]["difference"] == pytest.approx(new.mean() - old.mean())


def test_looking_after_every_trial_errs_as_seldom_as_it_says():
    """Whereas an ordinary test at 5 % that is looked at so errs far more often."""
    rng, wrong, naive, repeats, n = numpy_rng(0, "looking"), 0, 0, 300, 100
    for _ in range(repeats):
        d = rng.choice([-1.0, 0.0, 1.0], n, p=[0.25, 0.5, 0.25])
        worth = sequential.against_none((d + 1) / 2)
        wrong += worth.max() >= np.log(2 / 0.05)
        counts = np.arange(1, n + 1)
        t = np.cumsum(d) / np.sqrt(np.maximum(np.cumsum(d**2), 1))
        naive += bool((np.abs(t[10:]) > 1.96).any()) and counts[-1] == n
    assert wrong / repeats < 0.05 < 0.15 < naive / repeats


def test_pairs_to_go_are_those_that_it_takes():
    rng = numpy_rng(0, "to go")
    new, old = rng.random(400) < 0.7, rng.random(400) < 0.4
    seen = 15
    assert sequential.compare(new[:seen], old[:seen]).settled is None
    asked = sequential.pairs_to_go(new[:seen], old[:seen])
    took = []
    d = new[:seen].astype(float) - old[:seen]
    for _ in range(300):
        worth = sequential.against_none((np.concatenate([d, rng.choice(d, 400)]) + 1) / 2)
        took.append(np.argmax(worth >= np.log(2 / 0.05)) + 1 - seen)
    assert asked == pytest.approx(np.median(took), rel=0.25)
    assert sequential.pairs_to_go([1] * 20, [0] * 20) == 0
    assert sequential.pairs_to_go([1, 0], [0, 1], most=20) is None


def test_the_file_is_read_anew_after_each_trial(tmp_path, capsys):
    path = tmp_path / "log.csv"
    path.write_text("policy,start,success\n")
    said = []
    for some in ([0], range(1, 12)):
        with path.open("a") as file:
            for i in some:
                file.write(f"ours,{i},yes\ntheirs,{i},{'yes' if i % 5 == 0 else 'no'}\n")
        assert main(["evaluate", str(path), "--sequential", "--reference", "theirs"]) == 0
        said.append(capsys.readouterr().out.split(":")[0].split(".")[0])
    assert said == ["Not settled", "Settled"]
    with open(tmp_path / "log-evaluation/sequence.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and rows[-1]["ours"] == "1"
    low = [float(row["low"]) for row in rows]
    assert low == sorted(low) and (tmp_path / "log-evaluation/sequence.png").is_file()


def _kept(tmp_path, text: str):
    (tmp_path / "t.csv").write_text(text)
    return str(tmp_path / "t.csv")


def test_a_blank_moves_no_other_pair(tmp_path):
    """A row is a pair where arms have columns; else the third trial of one is with the third of the other."""
    wide = "new,old\n1,0\n,1\n0,0\n1,\n1,1\n"
    pairs = pair_up(read_trials([_kept(tmp_path, wide)], wide=["new", "old"]).trials, None, "old")
    assert pairs.outcomes.tolist() == [1, 0, 1] and pairs.of_reference.tolist() == [0, 0, 1]
    assert pairs.starts == ["row 2", "row 4", "row 6"] and pairs.shared and pairs.waiting == 2
    long = "arm,success\nnew,1\nold,0\nnew,\nold,1\nnew,0\nold,0\n"
    pairs = pair_up(read_trials([_kept(tmp_path, long)]).trials, None, "old")
    assert pairs.outcomes.tolist() == [1, 0] and pairs.of_reference.tolist() == [0, 0]
    assert not pairs.shared and pairs.waiting == 1
    filled = pair_up(read_trials([_kept(tmp_path, long.replace("new,\n", "new,1\n"))]).trials, None, "old")
    assert sorted(filled.starts) == ["1", "2", "3"] and filled.outcomes.tolist() == [1, 1, 0]
    apart = pair_up(
        read_trials([_kept(tmp_path, wide)], {"start": "none"}, ["new", "old"]).trials, None, "old"
    )
    assert not apart.shared and apart.outcomes.tolist() == [1, 0, 1], "rows that are no starts are numbered"


def test_settled_is_said_of_an_interval_that_is_printed_without_zero():
    """Wherever it stops; an end that is not 0 is not printed as 0."""
    seen = set()
    for n in range(6, 40):
        pairs = pair_up(_rows([1] * n, [i % 5 in (2, 4) for i in range(n)]), None, "old")
        said = words(pairs, follow(pairs, 0.95)[0], 0.95)[0]
        low = re.search(r"at all times is (\S+) to", said)[1]
        seen.add(said.startswith("Settled"))
        assert said.startswith("Settled") == (low.startswith("+") and bool(re.search("[1-9]", low)))
    assert seen == {True, False}


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ("a,1,1\nb,1,0\nc,1,1\n", "sequential compares two, found 'a', 'b', 'c'"),
        ("a,1,1\na,2,0\n", "sequential compares two, found 'a'"),
        ("a,1,1\nb,2,0\n", "no start that both have tried yet"),
    ],
)
def test_what_cannot_be_followed_is_a_line(tmp_path, rows, line):
    (tmp_path / "t.csv").write_text("arm,start,success\n" + rows)
    with pytest.raises(InputError, match=line):
        pair_up(read_trials([str(tmp_path / "t.csv")]).trials, None, None)
