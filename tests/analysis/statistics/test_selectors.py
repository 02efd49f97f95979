"""What choices cost, on sweeps whose best arm is known."""

import numpy as np
import pytest

from align.analysis.statistics import selectors
from align.analysis.statistics.selectors import Task, smallest
from align.analysis.statistics.trials import crossed
from align.analysis.statistics.trials.variance_components import of_each_arm

TRUTH = np.array([0.5, 0.6, 0.8])


def _task(seed: int, truth=TRUTH, noise: float = 0.02, seeds: int = 3, **more) -> Task:
    rng = np.random.default_rng(seed)
    score = truth[:, None] + noise * rng.normal(size=(len(truth), seeds))
    criteria = {"good": -score, "second": np.abs(score - 0.6), "blind": rng.normal(size=score.shape)}
    names = tuple(f"arm {i}" for i in range(len(truth)))
    arguments = {"sweep": f"sweep {seed}", "name": "", "arms": names, "outcomes": {"score": score}}
    return Task(**{**arguments, "criteria": criteria, **more})


def test_regret_is_what_was_lost_to_the_best():
    task = _task(0, noise=1e-9)
    for choice, lost in (
        (smallest(task.criteria["good"]), 0.0),
        (smallest(task.criteria["second"]), 0.2),
        (selectors.every(task), 0.8 - TRUTH.mean()),
        (selectors.always(task, 0), 0.3),
    ):
        assert selectors.regret(task, choice, "score") == pytest.approx(lost, abs=1e-6)
        assert selectors.below_best(task, choice, "score") == pytest.approx(lost, abs=1e-6)


def test_a_choice_is_judged_on_other_trainings():
    """The first arm's first training was lucky: who chooses by it gets the others."""
    score = np.array([[0.9, 0.1, 0.1], [0.5, 0.5, 0.5]])
    task = Task("s", "", ("lucky", "even"), {"score": score}, {})
    weights = selectors.weights(smallest(-score))
    assert weights.sum() == pytest.approx(1) and np.sum(weights * score) == pytest.approx(
        (0.1 + 0.5 + 0.5) / 3
    )
    assert selectors.regret(task, selectors.always(task, 1), "score") == pytest.approx(1.1 / 3 - 0.5)


def test_where_arms_are_alike_nothing_is_lost_on_average():
    """Against the highest mean there would seem to be."""
    tasks = [_task(i, np.full(5, 0.5), 0.1, 2) for i in range(600)]
    choices = [smallest(t.criteria["blind"]) for t in tasks]
    found = [selectors.regret(t, c, "score") for t, c in zip(tasks, choices, strict=True)]
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found)) < 0.02
    assert np.mean([selectors.below_best(t, c, "score") for t, c in zip(tasks, choices, strict=True)]) > 0.05


def test_ties_share():
    assert smallest(np.array([[1.0, 2.0], [1.0, 0.0], [3.0, 0.0]])).tolist() == [[0.5, 0.5, 0], [0, 0.5, 0.5]]


def test_intervals_hold_the_truth():
    """Of a given choice: with and without single trials, trainings of variance 0.05², trials shared."""
    rng, held, truth = np.random.default_rng(1), {True: 0, False: 0}, np.array([0.4, 0.5, 0.6])
    for i in range(200):
        trial = 0.1 * rng.normal(size=40)
        training = 0.05 * rng.normal(size=(3, 3))
        values = truth[:, None, None] + trial + training[..., None] + 0.05 * rng.normal(size=(3, 3, 40))
        for known in (True, False):
            task = _task(
                i, truth, outcomes={"score": values.mean(2)}, trials={"score": values} if known else {}
            )
            choice, ideal = selectors.always(task, 0), smallest(-task.outcomes["score"])
            lost = ideal.mean(0) @ truth - 0.4
            found = selectors.regret_interval(task, choice, "score")
            assert found.value == pytest.approx(selectors.regret(task, choice, "score"))
            held[known] += found.low <= lost <= found.high
    assert all(0.89 <= n / 200 <= 0.995 for n in held.values()), held


def test_a_contrast_of_two_arms_is_their_difference():
    rng = np.random.default_rng(2)
    arms = [rng.normal(size=(3, 20)) + rng.normal(size=(3, 1)) for _ in range(4)]
    scatter = of_each_arm(arms)
    ones = [np.full(3, 1 / 3), np.full(3, -1 / 3)]
    found = crossed.contrast(arms[:2], ones, scatter[:2]).interval()
    assert found == pytest.approx(crossed.difference(*arms[:2], scatter[:2]).interval())


def test_a_fixed_choice_is_learnt_from_other_sweeps_alone():
    here = _task(0, np.array([0.9, 0.5, 0.5]))
    others = [_task(i) for i in (1, 2)]
    tasks = [here, *others]
    assert selectors.left_in(here, tasks, "sweep") == others
    found = selectors.best_fixed(here, selectors.left_in(here, tasks, "sweep"))
    assert found.tolist() == selectors.always(here, 2).tolist()  # the best elsewhere, and not here
    assert selectors.best_fixed(here, []) is None
    twin = _task(0, np.array([0.9, 0.5, 0.5]), name="other gap")
    assert twin in selectors.left_in(here, [*tasks, twin], "task")
    assert twin not in selectors.left_in(here, [*tasks, twin], "sweep")


def test_the_value_to_be_near_to_is_learnt():
    def ratio(task):
        return task.criteria.get("ratio")

    tasks = [_task(i, criteria={"ratio": np.tile([[0.0], [1.0], [2.0]], 3) + 0.1 * i}) for i in range(3)]
    found = selectors.nearest(tasks[0], tasks[1:], ratio)
    assert found.tolist() == selectors.always(tasks[0], 2).tolist()
    assert (
        selectors.nearest(_task(5), tasks, ratio) is None and selectors.nearest(tasks[0], [], ratio) is None
    )


def test_sweeps_count_alike_however_many_tasks_they_have():
    tasks = [_task(0, sweep="a"), _task(1, sweep="a"), _task(2, sweep="b")]
    value, low, high = selectors.over_sweeps(tasks, [0.0, 0.2, 0.5])
    assert value == pytest.approx(0.3) and low < 0.3 < high
    assert np.isnan(selectors.over_sweeps(tasks[:2], [0.0, 0.2]).low)
