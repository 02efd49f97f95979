import numpy as np
import pytest

from align.analysis.statistics.selection import pareto, select
from align.errors import InputError
from align.seeding import numpy_rng


def arms(rng, truths, seeds=2, trials=120):
    return [rng.binomial(1, p, (seeds, trials)).astype(float) for p in truths]


def test_the_test_trials_are_not_optimistic_as_the_selection_is():
    chosen = [select(arms(numpy_rng(i, "selection test"), [0.5] * 7)) for i in range(16)]
    on_selection = np.mean([c.selection[c.best] for c in chosen])
    on_test = np.mean([c.test[c.best].value for c in chosen])
    assert on_selection > 0.53 and on_test == pytest.approx(0.5, abs=0.035)


def test_a_clear_winner_is_chosen_surely_and_a_tie_is_not():
    rng = numpy_rng(0, "selection test")
    clear = select(arms(rng, [0.3, 0.8, 0.4]))
    assert clear.best == 1 and clear.plausible.tolist() == [False, True, False]
    assert clear.behind[1].low >= 0 and clear.behind[0].high == 0
    assert clear.gain[1] is None and clear.gain[0].low > 0.2
    tie = select(arms(rng, [0.5, 0.5, 0.5, 0.1]))
    assert not tie.plausible[3] and tie.plausible.sum() >= 2


def test_the_best_arm_is_plausible_at_the_stated_rate():
    truths = [0.45, 0.5, 0.55, 0.5]
    hits = [select(arms(numpy_rng(i, "plausible"), truths)).plausible[2] for i in range(20)]
    assert np.mean(hits) >= 0.85


def test_arms_need_the_same_trials():
    with pytest.raises(InputError, match="trials"):
        select([np.zeros((2, 8)), np.zeros((2, 9))])


def test_the_front_is_what_no_point_beats():
    rng = np.random.default_rng(1)
    success, rough = rng.random(40).round(1), rng.random(40).round(1)
    front = pareto(success, rough)

    def beaten(i):
        better = (success >= success[i]) & (rough <= rough[i])
        return (better & ((success > success[i]) | (rough < rough[i]))).any()

    unbeaten = {(success[i], rough[i]) for i in range(40) if not beaten(i)}
    assert {(success[i], rough[i]) for i in front} == unbeaten and len(front) == len(unbeaten)
    assert list(rough[front]) == sorted(rough[front])
