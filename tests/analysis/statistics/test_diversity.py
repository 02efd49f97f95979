"""Ways round islands: words that deformations do not change, and distances by brute force."""

import numpy as np
import pytest

from align.analysis.statistics.diversity import effective_number, homotopy_word, mean_hausdorff
from align.errors import InputError
from align.worlds.planning.maze import MazeSpec

ISLANDS = np.array([[0.0, 0.0], [2.0, 0.1]])


def through(*heights: float) -> np.ndarray:
    """From (-1, 0) to (3, 0), passing the islands at these heights."""
    return np.array([[-1.0, 0.0], [0.001, heights[0]], [2.001, heights[1]], [3.0, 0.0]])


def test_words_tell_the_ways_apart():
    words = [homotopy_word(through(a, b), ISLANDS) for a in (-1, 1) for b in (-1, 1)]
    assert words == [(), (2,), (1,), (1, 2)]
    assert homotopy_word(through(1, 1)[::-1], ISLANDS) == (-2, -1)
    loop = np.array([[-1, 0], [-0.5, 1], [1, 1], [1, -1], [-1, -1], [-0.5, 1.5], [1.1, 1], [3, 0]], float)
    assert homotopy_word(loop, ISLANDS) == (1, 1, 2), "round the first island once more"


def test_deformation_does_not_change_a_word():
    rng = np.random.default_rng(0)
    for a in (-2, 2):
        for b in (-2, 2):
            plain = through(a, b)
            # A denser path, wobbled by less than its distance to the islands, that also goes to and fro.
            t = np.sort(rng.uniform(0, 3, 200))
            t = np.concatenate([[0], t[:120], t[119:60:-1], t[60:], [3]])
            dense = np.stack([np.interp(t, range(4), column) for column in plain.T], axis=1)
            wobble = rng.uniform(-0.2, 0.2, dense.shape)
            wobble[[0, -1]] = 0
            assert homotopy_word(dense + wobble, ISLANDS) == homotopy_word(plain, ISLANDS)


def test_two_rays_in_one_step_are_in_order():
    long = np.array([[-1.0, 2.0], [3.0, 2.0]])
    assert homotopy_word(long, ISLANDS) == (1, 2) and homotopy_word(long[::-1], ISLANDS) == (-2, -1)
    assert homotopy_word(long, np.zeros((0, 2))) == ()


def test_islands_one_above_the_other():
    """As those of a maze often are: the words tell the same ways apart as if one stood a little aside."""
    stacked = MazeSpec().maze().islands
    assert len(stacked) == 3 and len(np.unique(stacked[:, 0])) == 1
    aside = stacked + np.array([[0, 0], [1e-7, 0], [2e-7, 0]])
    rng = np.random.default_rng(0)
    for _ in range(50):
        path = rng.uniform(0, 5, (8, 2))
        assert homotopy_word(path, stacked) == homotopy_word(path, aside)
        assert homotopy_word(np.concatenate([path, path[::-1]]), stacked) == ()


def test_effective_number():
    a, b, c = (1,), (2,), ()
    assert effective_number([a, a, a]) == pytest.approx(1)
    assert effective_number([a, b, c, a, b, c]) == pytest.approx(3)
    assert 1 < effective_number([a, a, a, b]) < 2
    with pytest.raises(InputError, match="words"):
        effective_number([])


def test_hausdorff():
    line = np.linspace([0.0, 5.0], [1.0, 5.0], 20)
    assert mean_hausdorff([line, line[::-1]]) == pytest.approx(0, abs=1e-9)
    above, higher = (line + np.array([0, up]) for up in (0.5, 1.0))
    assert mean_hausdorff([line, above, higher]) == pytest.approx((0.5 + 0.5 + 1) / 3)
    longer = np.linspace([0.0, 5.0], [3.0, 5.0], 5)
    assert mean_hausdorff([line, longer]) == pytest.approx(2.0)
    with pytest.raises(InputError, match="two or more"):
        mean_hausdorff([line])
