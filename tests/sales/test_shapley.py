"""sales.shapley: values equal their definitions, computed over all orders."""

from collections.abc import Callable
from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sales.shapley import Values, Worth, add_up, owen, shapley

Floats = NDArray[np.float64]
GROUP = np.array([0, 0, 0, 1, 2, 2])


def in_all_orders(worth: Worth, players: int, allowed: Callable[[tuple[int, ...]], bool] = lambda _: True) -> Floats:
    """Return each player's marginal worth, averaged over the allowed orders."""
    orders = [order for order in permutations(range(players)) if allowed(order)]
    coalitions = np.zeros((len(orders), players + 1, players), dtype=np.bool_)
    for row, order in enumerate(orders):
        for place, player in enumerate(order):
            coalitions[row, place + 1 :, player] = True
    worths = worth(coalitions.reshape(-1, players)).reshape(len(orders), -1)
    values = np.zeros(players)
    for row, order in enumerate(orders):
        values[[*order]] += np.diff(worths[row])
    return values / len(orders)


def keeps_groups_together(order: tuple[int, ...]) -> bool:
    changes = np.count_nonzero(np.diff(GROUP[[*order]]))
    return bool(changes == GROUP.max())


def game(degree: int, seed: int = 0) -> Worth:
    """Return a game with a random worth for each set of up to ``degree`` players."""
    rng = np.random.default_rng(seed)
    sets = of_all(GROUP.size)
    sets = sets[sets.sum(axis=1) <= degree]
    gains = rng.normal(0, 1, len(sets))
    return lambda coalitions: (coalitions[:, None] >= sets).all(axis=2) @ gains


def of_groups(worth: Worth) -> Worth:
    """Return the game whose players are the groups."""
    return lambda coalitions: worth(coalitions[:, GROUP])


def of_all(players: int) -> NDArray[np.bool_]:
    """All coalitions, in the order of ``shapley``."""
    return (np.arange(2**players)[:, None] >> np.arange(players) & 1).astype(np.bool_)


def difference(worth: Worth, players: int) -> float:
    none, every = worth(np.array([[False] * players, [True] * players]))
    return float(every - none)


@pytest.mark.parametrize("seed", range(5))
def test_shapley_values_equal_the_mean_over_all_orders(seed: int) -> None:
    worth = game(6, seed)
    values = shapley(worth(of_all(6)))
    np.testing.assert_allclose(values, in_all_orders(worth, 6), atol=1e-12)
    assert values.sum() == pytest.approx(difference(worth, 6))


def test_one_player_gets_the_whole_worth() -> None:
    assert shapley(np.array([2.0, 5.0])).tolist() == [3.0]
    assert shapley(np.array([2.0])).tolist() == []
    assert owen(lambda coalitions: np.ones(len(coalitions)), np.array([], dtype=np.int64)).players.tolist() == []


def test_equal_players_get_equal_values_and_null_players_zero() -> None:
    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        a, b, c, *_ = coalitions.T  # the others add nothing
        return np.asarray(np.exp(a + b) + 3.0 * a * b * c)

    for values in (shapley(worth(of_all(6))), owen(worth, GROUP).players):
        assert values[0] == pytest.approx(values[1])
        assert values[2] > 0
        assert values[3:].tolist() == [0, 0, 0]


@pytest.mark.parametrize("degree", [1, 2, 3, 6])
def test_values_of_groups_are_exact(degree: int) -> None:
    worth = game(degree)
    values = owen(worth, GROUP)
    np.testing.assert_allclose(values.groups, in_all_orders(of_groups(worth), 3), atol=1e-12)
    np.testing.assert_allclose(np.bincount(GROUP, values.players), values.groups, atol=1e-12)
    assert values.groups.sum() == pytest.approx(difference(worth, 6))


@pytest.mark.parametrize("degree", [1, 2])
def test_players_values_are_exact_without_interactions_of_three(degree: int) -> None:
    worth = game(degree)
    expected = in_all_orders(worth, 6, keeps_groups_together)
    np.testing.assert_allclose(owen(worth, GROUP).players, expected, atol=1e-12)


def test_the_value_of_a_group_of_one_is_exact() -> None:
    worth = game(6)
    assert owen(worth, GROUP).players[3] == pytest.approx(in_all_orders(worth, 6, keeps_groups_together)[3])


def test_players_without_corner_values_share_equally() -> None:
    """The four marginal worths of each of the first three players cancel out."""
    values = owen(lambda coalitions: (coalitions.sum(axis=1) == 2).astype(np.float64), np.array([0, 0, 0, 1]))
    assert values.players[:3] == pytest.approx([values.groups[0] / 3] * 3)
    assert values.groups.sum() == pytest.approx(0)


def test_the_worth_function_is_called_once() -> None:
    asked = []

    def worth(coalitions: NDArray[np.bool_]) -> Floats:
        asked.append(coalitions.shape)
        return coalitions.sum(axis=1).astype(np.float64)

    assert isinstance(owen(worth, GROUP), Values)
    assert asked == [(2**3 + 4 * 6, 6)]


@given(st.lists(st.floats(-20, 20) | st.just(0.0), min_size=1, max_size=80), st.integers(0, 6))
def test_rounded_values_add_up_to_the_total(values: list[float], digits: int) -> None:
    total = round(sum(values), digits)
    rounded = add_up(np.array(values), total, digits)
    assert round(float(rounded.sum()), digits) == total
    assert [float(f"{value:.{digits}f}") for value in rounded] == rounded.tolist()
    assert np.abs(rounded - values).max() <= 2.1 * 10**-digits
    largest = int(np.abs(values).argmax())
    assert all(rounded[place] == 0 for place, value in enumerate(values) if value == 0 and place != largest)
