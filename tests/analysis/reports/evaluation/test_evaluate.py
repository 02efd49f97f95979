"""What trials show: the statistics that are chosen, that they cover, and that words and table agree."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import binomtest

from align.analysis.reports.evaluation.command import table
from align.analysis.reports.evaluation.design import arrange
from align.analysis.reports.evaluation.findings import find
from align.analysis.reports.evaluation.trials import Trial
from align.analysis.reports.evaluation.words import Words
from align.analysis.statistics.trials.paired_counts import Discordant, paired_difference
from align.analysis.statistics.trials.unpaired import may_be_best, unpaired_difference
from align.cli import main
from align.errors import InputError
from align.seeding import numpy_rng

LABS = Path(__file__).parent / "labs"


def _trials(outcomes: dict[str, list], starts: dict[str, list] | None = None) -> list[Trial]:
    """Trials of one training an arm; the starts are numbered unless they are given."""
    return [
        Trial(arm, "1", str(starts[arm][i]) if starts else str(i), "", float(y), None, f"row {i}", i + 1)
        for arm, ys in outcomes.items()
        for i, y in enumerate(ys)
    ]


OLD = [1, 0, 0, 1, 0, 0, 1, 0, 0, 0, 1, 0]
NEW = [1, 1, 0, 1, 1, 1, 1, 1, 0, 1, 1, 1]


def _tango(b: int, c: int, n: int, z: float) -> tuple[float, float]:
    """Ends by grid search of the score statistic, with the constrained estimate found numerically."""
    kept = []
    for delta in np.linspace(-0.9999, 0.9999, 4001):
        q = np.linspace(max(0, -delta), (1 - delta) / 2, 2001)[1:-1]
        loss = (
            b * np.log(q + delta + 1e-300) + c * np.log(q + 1e-300) + (n - b - c) * np.log(1 - 2 * q - delta)
        )
        best = q[np.nanargmax(loss)]
        if (b - c - n * delta) ** 2 <= z**2 * n * (2 * best + delta * (1 - delta)):
            kept.append(delta)
    return kept[0], kept[-1]


def test_two_arms_on_shared_starts_are_counted_exactly():
    found = find(arrange(_trials({"old": OLD, "new": NEW})))
    old, new = found.arms
    assert old.difference is None and found.paired == 12
    wide = binomtest(4, 12).proportion_ci(method="exact")
    assert wide.low <= old.interval.low and old.interval.high <= wide.high  # Blaker's lies within
    low, high = _tango(6, 0, 12, float(ndtri(0.975)))
    assert new.difference.single[1:] == pytest.approx((low, high), abs=1.5e-3)
    assert new.difference.single == new.difference.simultaneous and new.difference.settled
    assert new.difference.p_value == pytest.approx(binomtest(6, 6, 0.5).pvalue)


def test_order_of_rows_and_of_starts_changes_nothing_and_swapping_arms_turns_it_round():
    trials = _trials({"old": OLD, "new": NEW, "other": NEW[::-1]})
    mixed = [trials[i] for i in numpy_rng(0, "rows").permutation(len(trials))]
    names = ["old", "new", "other"]
    for one, other in zip(find(arrange(trials)).arms, find(arrange(mixed, names)).arms, strict=True):
        assert one.interval == other.interval and one.may_be_best == other.may_be_best
        if one.difference:
            assert one.difference.simultaneous == pytest.approx(other.difference.simultaneous)
    forth, back = (
        find(arrange(trials, n)).arms[1].difference.single for n in (["old", "new"], ["new", "old"])
    )
    assert forth == pytest.approx((-back.value, -back.high, -back.low))


def test_unequal_starts_are_paired_on_what_is_shared_or_not_at_all():
    most = {"old": list(range(12)), "new": list(range(2, 14))}
    design = arrange(_trials({"old": OLD, "new": NEW}, most))
    assert [t.tolist() for t in design.shared] == [
        [[float(y) for y in OLD[2:]]],
        [[float(y) for y in NEW[:10]]],
    ]
    assert design.arms[0].table.shape == (1, 12) and "10 starts" in design.notes[0]
    few = {"old": list(range(12)), "new": list(range(9, 21))}
    design = arrange(_trials({"old": OLD, "new": NEW}, few))
    assert design.shared is None and "too few to pair" in design.notes[0]
    found = find(design)
    assert found.paired is None
    expected = unpaired_difference([NEW], [OLD])
    assert found.arms[1].difference.single == expected


def test_repeats_of_a_start_are_one_start():
    once = _trials({"old": OLD, "new": NEW})
    twice = [t._replace(again=str(k)) for t in once for k in (0, 1)]
    for one, two in zip(arrange(once).arms, arrange(twice).arms, strict=True):
        assert np.array_equal(one.table, two.table) and (one.tried, two.tried) == (12, 24)
    said = Words(find(arrange(twice)), True).paragraphs()[0]
    assert "new succeeded in 10 of 12 starts (24 trials): 83 %" in said
    rows = table(find(arrange(twice)), arrange(twice))
    assert [(row["trials"], row["starts"], row["successes"]) for row in rows] == [(24, 12, 4), (24, 12, 10)]


@pytest.mark.parametrize(("p", "q", "n", "m"), [(0.5, 0.5, 20, 20), (0.9, 0.6, 30, 15), (0.05, 0.05, 50, 20)])
def test_differences_of_unpaired_trials_cover(p, q, n, m):
    rng, held, repeats = numpy_rng(0, "unpaired", n), 0, 400
    for _ in range(repeats):
        found = unpaired_difference(
            (rng.random((1, n)) < p).astype(float), (rng.random((1, m)) < q).astype(float)
        )
        held += found.low <= p - q <= found.high
    assert held / repeats > 0.93


def test_the_best_of_unpaired_arms_is_seldom_left_out():
    rng, kept, worst, repeats = numpy_rng(0, "best"), 0, 0, 200
    for _ in range(repeats):
        arms = [(rng.random((1, 40)) < p).astype(float) for p in (0.8, 0.75, 0.75, 0.2)]
        members = may_be_best(arms)
        kept += members[0]
        worst += members[3]
    assert kept / repeats > 0.95 and worst / repeats < 0.05


def test_trials_that_would_show_it_do():
    """As many trials as are asked for find what was seen about four times in five."""
    rng = numpy_rng(0, "planned")
    p, q = 0.6, 0.35
    many = {"old": [i % 20 < 20 * q for i in range(400)], "new": [i // 20 < 20 * p for i in range(400)]}
    asked = find(arrange(_trials(many))).arms[1].difference.trials
    pairs = rng.multinomial(asked, [p * (1 - q), q * (1 - p), p * q + (1 - p) * (1 - q)], size=300)
    shown = [
        paired_difference(Discordant(int(wins), int(losses), asked)).low > 0 for wins, losses, _ in pairs
    ]
    assert 0.72 < np.mean(shown) < 0.88


def test_words_say_what_is_shown_and_what_is_not():
    shown = "\n".join(Words(find(arrange(_trials({"old": OLD, "new": NEW}))), True).paragraphs())
    assert "new succeeded in 10 of 12 trials: 83 %" in shown and "it is shown that new is better" in shown
    assert "one training each" in shown
    unsure = find(arrange(_trials({"old": OLD, "new": OLD[::-1]})))
    text = "\n".join(Words(unsure, True, skipped=2).paragraphs())
    assert "not shown" in text and "2 rows were left out" in text and "No difference was seen" in text
    few = "\n".join(Words(find(arrange(_trials({"a": [1, 0], "b": [1, 1]}))), True).paragraphs())
    assert "find no difference reliably" in few


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--reference", "ours"], "reference='ours': expected one of 'baseline', 'co-trained'"),
        (["--arms", "[]"], r"arms=\[\]: expected one or more, or no --arms"),
        (["--values", "{yes: 7}"], "values: 'true' or 'yes' or 'on' is 7; expected an outcome from 0 to 1"),
        (["--arms", "[ours]"], "arms: no arm 'ours'; expected some of 'baseline', 'co-trained'"),
        (["--level", "95"], "level=95.0: expected a"),
        (["--start", "Comment"], "an outcome, but no start"),
        (["--names", "[a]"], "names=\\['a'\\]: expected 0"),
    ],
)
def test_mistakes_are_a_line_and_write_nothing(tmp_path, capsys, arguments, line):
    assert main(["evaluate", str(LABS / "towel.csv"), "--out", str(tmp_path / "out"), *arguments]) == 2
    assert re.search(line, capsys.readouterr().err)
    assert not (tmp_path / "out").exists()


def test_the_command_writes_table_words_and_figure(tmp_path, capsys):
    out = tmp_path / "out"
    command = ["evaluate", str(LABS / "peg.csv"), "--wide", "[old, new, newest]", "--start", "[x, y]"]
    assert main([*command, "--out", str(out)]) == 0
    assert (out / "evaluation.md").read_text() in capsys.readouterr().out
    assert (out / "evaluation.png").stat().st_size > 10_000
    with open(out / "evaluation.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    ticks = [row.split(",")[2:] for row in (LABS / "peg.csv").read_text().splitlines()[2:-1]]
    for i, row in enumerate(rows):
        assert int(row["successes"]) == sum(tick[i] == "✓" for tick in ticks) and row["trials"] == "15"
    assert float(rows[1]["minus old"]) == pytest.approx(
        (int(rows[1]["successes"]) - int(rows[0]["successes"])) / 15
    )
    assert float(rows[1]["minus old, all at once low"]) < float(rows[1]["minus old low"])


def test_one_trial_is_too_few(tmp_path, capsys):
    with pytest.raises(InputError, match="arm 'new': 1 trials; expected two or more"):
        arrange(_trials({"old": OLD, "new": [1]}))
    file = tmp_path / "trials.csv"
    file.write_text("policy,success\nold,1\nold,0\nnew,1\n")
    for command in (["evaluate", str(file)], ["plan", "--like", str(file)]):
        assert main(command) == 2
        assert f"error: {file}: arm 'new': 1 trials; expected" in capsys.readouterr().err


def test_ids_of_many_digits_stay_apart():
    from align.analysis.reports.evaluation.trials import _number

    assert _number("20241126103001") != _number("20241126103049") and _number("1_12") != _number("11_2")
    assert _number("3") == _number("3.0") == _number("03")


def _trainings(arms: dict[str, tuple[float, ...]], n: int = 40, shared: bool = True) -> list[Trial]:
    """Scores of several trainings an arm, of these means."""
    rng = numpy_rng(0, "trainings")
    hard = rng.uniform(-0.15, 0.15, n)
    return [
        Trial(arm, str(k), str(i) if shared else f"{arm} {i}", "", float(np.clip(y, 0, 1)), None, "", i)
        for arm, means in arms.items()
        for k, mean in enumerate(means)
        for i, y in enumerate(mean + hard + rng.normal(0, 0.05, n))
    ]


SKILLS = {"base": (0.5, 0.52), "a": (0.6, 0.62), "b": (0.65, 0.66), "c": (0.7, 0.71), "lost": (0.7, 0.1)}


@pytest.mark.parametrize("shared", [True, False])
def test_a_collapsed_training_widens_its_own_arm_alone(shared):
    """The intervals of the other arms are those that they have without it."""
    found = find(arrange(_trainings(SKILLS, shared=shared)))
    without = find(arrange(_trainings({k: v for k, v in SKILLS.items() if k != "lost"}, shared=shared)))
    assert list(found.aside) == ["lost"] and list(without.aside) == [] and bool(found.paired) == shared
    for one, other in zip(found.arms[:-1], without.arms, strict=True):
        assert one.interval == pytest.approx(other.interval)
        if one.difference:
            assert one.difference.single == pytest.approx(other.difference.single)
            # a comparison more asks for a little more
            assert one.difference.detectable == pytest.approx(other.difference.detectable, rel=0.15)
    lost = found.arms[-1]
    assert lost.interval.high - lost.interval.low > 0.9 and not lost.difference.settled
    text = " ".join(Words(found, False).paragraphs())
    assert "The trainings of lost differ far more" in text
    members = [f.may_be_best for f in found.arms]
    assert members[3:] == [True, True] and not members[0], "what is judged by two trainings far apart may be"
