"""Who of those who acted together did how much: Shapley's and Owen's values of a game.

A game gives each coalition of its players a worth. Here the players are inputs of a model, in groups; the worth of a
coalition is what the model says if its inputs are those of one row and all other inputs those of another.
"""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import numpy as np

from sales.arrays import Bool, Float64, Int64

Worth = Callable[[Bool], Float64]  # coalitions ``[row, player]`` -> ``[row]``


class Values(NamedTuple):
    """A game's values; each kind adds up to the worth of all players less that of none.

    Attributes:
        groups: ``[group]``.
        players: ``[player]``; those of a group add up to the group's.
    """

    groups: Float64
    players: Float64


def shapley(worth: Float64) -> Float64:
    """Shapley's values, exact: what each player adds, averaged over all orders in which they could come.

    The value of player ``i`` of ``n`` is the sum of ``|S|! (n - 1 - |S|)! / n! * (worth(S + i) - worth(S))`` over all
    coalitions ``S`` without it (L. S. Shapley, A value for n-person games, 1953).

    Args:
        worth: ``[2 ** n]``, of each coalition; player ``i`` is in those whose index has bit ``i``.

    >>> shapley(np.array([0.0, 1.0, 2.0, 7.0])).tolist()
    [3.0, 4.0]
    """
    players = worth.size.bit_length() - 1
    coalitions = np.arange(worth.size)
    weights = np.array([1 / (players * comb(players - 1, size)) for size in range(players)])
    values = np.empty(players)
    for player in range(players):
        without = coalitions[coalitions >> player & 1 == 0]
        values[player] = weights[np.bitwise_count(without)] @ (worth[without | 1 << player] - worth[without])
    return values


def owen(worth: Worth, group: Int64) -> Values:
    """Shapley's values of groups, exact, and Owen's of the players in them, approximated.

    Owen's value is what a player adds, averaged over the orders in which no group is torn apart (G. Owen, Values of
    games with a priori unions, 1977). It would take millions of coalitions. Here it is the mean of four: what the
    player adds to none or all of the other groups together with none or all of its own. That is exact if no three
    players act together (the trapezoid rule on the multilinear extension of the game, whose derivatives are linear
    then). What is missing to the group's own value goes to its players in proportion. Players who add nothing get
    nothing, those who are alike get the same, and nothing is drawn at random.

    Args:
        worth: of coalitions; asked once, for ``2 ** groups + 4 * players`` of them.
        group: ``[player]``, the group of each, 0 to the number of groups less one; none is empty.
    """
    if not group.size:
        return Values(np.zeros(0), np.zeros(0))
    n_groups = int(group.max()) + 1
    every, mine = (1 << n_groups) - 1, 1 << group
    of_groups = (np.arange(every + 1)[:, None] & mine) > 0
    alone, own = np.eye(group.size, dtype=np.bool_), group[:, None] == group
    corners = (alone, own & ~alone, ~own | alone, ~alone)
    worths = worth(np.concatenate([of_groups, *corners]))
    by_group, (first, own_but, others_and, all_but) = worths[: every + 1], worths[every + 1 :].reshape(4, -1)
    groups = shapley(by_group)
    players = (
        (first - by_group[0])
        + (by_group[mine] - own_but)
        + (others_and - by_group[every - mine])
        + (by_group[every] - all_but)
    ) / 4
    size = np.abs(players)
    total = np.bincount(group, size)[group]
    # Players of whom none adds anything by itself share alike what they add together.
    share = np.where(total > 0, size / np.where(total > 0, total, 1), 1 / np.bincount(group)[group])
    return Values(groups, players + share * (groups - np.bincount(group, players))[group])


def add_up(values: Float64, total: float, digits: int) -> Float64:
    """Values rounded so that they add up to their total as it is printed, each to the last digit of itself.

    Args:
        values: ``[value]``, at least one.
        total: what they add up to, but for errors of rounding; has no more than ``digits`` decimals.
        digits: decimals to keep. A value of 0 stays 0.
    """
    values = values.copy()
    values[np.abs(values).argmax()] += total - values.sum()
    steps: Float64 = np.diff(np.round(np.cumsum(values), digits), prepend=0.0)
    return np.round(steps, digits) + 0.0  # no -0.0
