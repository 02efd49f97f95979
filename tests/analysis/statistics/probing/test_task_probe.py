import numpy as np
import pytest
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import Ridge
from sklearn.metrics import r2_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from align.analysis.statistics.probing.probe import Embeddings
from align.analysis.statistics.probing.task_probe import (
    INNER_FOLDS,
    PENALTIES,
    Decoded,
    decode,
    episode_folds,
    r_squared,
    ridge,
)
from align.domain import Domain

SIM, REAL = Domain


def coded(rotation: float = 0.0, noise: float = 0.1, episodes: int = 12, windows: int = 10, seed: int = 0):
    """A task of two numbers in a code of four; real's code is turned by `rotation`. Returns x, y, data."""
    rng = np.random.default_rng(seed)
    n = episodes * windows
    domain, episode = np.repeat([0, 1], n), np.repeat(np.arange(2 * episodes), windows)
    y = rng.normal(size=(2 * episodes, 2))[episode] + 0.5 * rng.normal(size=(2 * n, 2))
    cos, sin = np.cos(rotation), np.sin(rotation)
    turned = np.where(domain[:, None] == REAL, y @ np.array([[cos, -sin], [sin, cos]]), y)
    x = turned @ rng.normal(size=(2, 4)) + noise * rng.normal(size=(2 * n, 4))
    return x.astype(np.float32), y, Embeddings("image", x, domain, episode, np.arange(2 * n))


def _decode(x, y, data) -> Decoded:
    return decode(x, {"task": y}, data)["task"]


def test_one_code_is_read_everywhere():
    found = _decode(*coded())
    assert set(found.cells) == {(a, b) for a in Domain for b in Domain}
    for r2 in found.cells.values():
        assert 0.9 < r2.low <= r2.value <= r2.high <= 1


def test_a_turned_code_is_read_within_each_domain_and_not_across():
    """A half turn predicts −y: its error is 2y, so R² is 1 − 4 = −3, and is reported so."""
    found = _decode(*coded(rotation=np.pi))
    for domain in Domain:
        assert found.cells[domain, domain].low > 0.9
    for cell in ((SIM, REAL), (REAL, SIM)):
        assert found.cells[cell].value == pytest.approx(-3, abs=0.5)
    quarter = _decode(*coded(rotation=np.pi / 2))  # uncorrelated: 1 − 2
    assert quarter.cells[SIM, REAL].value == pytest.approx(-1, abs=0.6)


@pytest.mark.parametrize("moves", [1e-3, 0.02, 0.1])
def test_a_feature_that_hardly_moves_in_one_domain_spoils_nothing(moves):
    """It was blown up to the size of the others, and in the other domain by as much again: R² of −60,000."""
    x, y, data = coded(seed=1)
    rng = np.random.default_rng(0)
    idle = rng.normal(size=(len(x), 3)) * np.where(data.domain == SIM, moves, 1.0)[:, None]
    found = _decode(np.concatenate([x, idle], axis=1), y, data)
    for cell, r2 in _decode(x, y, data).cells.items():
        assert found.cells[cell].value == pytest.approx(r2.value, abs=0.05)


def test_a_code_of_nothing_is_not_read():
    x, y, data = coded()
    found = _decode(np.random.default_rng(1).normal(size=x.shape), y, data)
    assert all(r2.value < 0.1 for r2 in found.cells.values())


def test_an_episodes_own_look_gives_nothing_away():
    """y is constant in an episode and x recognises the episode: by window R² would be 1."""
    rng = np.random.default_rng(0)
    x, _, data = coded(episodes=20)
    y = rng.normal(size=(40, 1))[data.episode]
    x = rng.normal(size=(40, 6))[data.episode] + 0.01 * rng.normal(size=(len(x), 6))
    assert _decode(x, y, data).cells[SIM, SIM].value < 0.2


@pytest.mark.parametrize("features", [5, 60])
def test_ridge_is_scikit_learns_with_the_penalty_of_least_error_on_held_out_episodes(features):
    rng = np.random.default_rng(0)
    x, test = rng.normal(size=(40, features)), rng.normal(size=(7, features))
    y, cluster = x[:, :2] * [1, 100] + rng.normal(size=(40, 2)) * [2, 200] + 5, np.repeat(np.arange(8), 5)
    fold = episode_folds(cluster, INNER_FOLDS, np.random.default_rng(0))
    regression = TransformedTargetRegressor(
        make_pipeline(StandardScaler(), Ridge()), transformer=StandardScaler()
    )
    errors = []
    for penalty in PENALTIES:
        regression.set_params(regressor__ridge__alpha=40 * (1 - 1 / INNER_FOLDS) * penalty)
        predicted = cross_val_predict(regression, x, y, cv=PredefinedSplit(fold))
        errors.append(np.mean((predicted - y) ** 2 / y.var(0)))
    best = regression.set_params(regressor__ridge__alpha=40 * PENALTIES[int(np.argmin(errors))]).fit(x, y)
    found = ridge(x, y, cluster, test, np.random.default_rng(0), [slice(None)])
    np.testing.assert_allclose(found, best.predict(test), rtol=1e-6, atol=1e-6)


def test_tasks_share_the_work_and_not_the_penalty():
    x, y, data = coded(noise=1.0)
    rng = np.random.default_rng(0)
    tasks = {
        "clear": y,
        "noise": rng.normal(size=(len(y), 3)),
        "one": y[:, :1] + rng.normal(size=(len(y), 1)),
    }
    together = decode(x, tasks, data)
    for name, of in tasks.items():
        alone = _decode(x, of, data)
        for cell, r2 in together[name].cells.items():
            np.testing.assert_allclose(r2, alone.cells[cell], rtol=1e-6)


def test_noise_is_penalised_more_than_a_code():
    """A penalty shrinks predictions: those of noise, and not those of a code."""
    x, y, data = coded(noise=0.01)
    noise = np.random.default_rng(1).normal(size=y.shape)
    parts = (slice(0, 2), slice(2, 4))
    found = ridge(x, np.concatenate([y, noise], axis=1), data.episode, x, np.random.default_rng(0), parts)
    np.testing.assert_allclose(found[:, :2].std(0), y.std(0), rtol=0.02)
    z = StandardScaler().fit_transform(x)
    least = Ridge(alpha=len(x) * PENALTIES[0]).fit(z, noise).predict(z)
    assert (found[:, 2:].std(0) < 0.97 * least.std(0)).all()


def test_r2_is_scikit_learns_and_still_dimensions_are_left_out():
    rng = np.random.default_rng(0)
    y, cluster = rng.normal(size=(60, 3)) * [1, 10, 0] + 4, np.repeat(np.arange(6), 10)
    predicted = y + rng.normal(size=y.shape)
    value, each = r_squared(y, predicted, cluster, 1, 0)
    np.testing.assert_allclose(each[:2], r2_score(y, predicted, multioutput="raw_values")[:2])
    assert np.isnan(each[2]) and value.value == pytest.approx(np.mean(each[:2]))
    assert value.low < value.value < value.high <= 1


def test_folds_keep_episodes_whole_and_are_no_more_than_those():
    cluster = np.repeat([7, 3, 9], 4)
    fold = episode_folds(cluster, 5, np.random.default_rng(0))
    assert sorted(set(fold)) == [0, 1, 2] and all(len(set(fold[cluster == c])) == 1 for c in (7, 3, 9))
