"""Shapley values of a cooperative game, and Owen values for players in groups.

A game gives each coalition of players a worth. Here the players are the inputs of a model. The worth of a coalition is
the model's output if the coalition's inputs come from one row and all other inputs from another.
"""

from collections.abc import Callable
from math import comb
from typing import NamedTuple

import numpy as np

from sales.arrays import Bool, Float64, Int64

Worth = Callable[[Bool], Float64]  # worths ``[row]`` of coalitions ``[row, player]``


class Values(NamedTuple):
    """Values of a game. Both kinds add up to the worth of all players minus the worth of none.

    Attributes:
        groups: ``[group]``, Shapley values of the groups.
        players: ``[player]``, Owen values. The values of a group's players add up to the group's value.
    """

    groups: Float64
    players: Float64


def shapley(worth: Float64) -> Float64:
    """Return exact Shapley values: each player's marginal worth, averaged over all orders in which players can join.

    The value of player ``i`` of ``n`` is the sum of ``|S|! (n - 1 - |S|)! / n! * (worth(S + i) - worth(S))`` over all
    coalitions ``S`` without ``i`` (L. S. Shapley, A value for n-person games, 1953,
    https://doi.org/10.1515/9781400881970-018).

    Args:
        worth: ``[2 ** n]``, the worth of each coalition. Bit ``i`` of the index is set if player ``i`` belongs to it.

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
    """Return exact Shapley values of groups, and approximate Owen values of their players.

    The Owen value of a player is its marginal worth, averaged over the orders that keep each group together (G. Owen,
    Values of games with a priori unions, 1977, https://doi.org/10.1007/978-3-642-45494-3_7). The exact value would take
    millions of coalitions. With ``d(S) = worth(S + i) - worth(S)``, the value of player ``i`` here is the mean of four:

        (d(none) + d(rest of the own group) + d(all other groups) + d(all other players)) / 4

    This is the trapezoid rule on the multilinear extension of the game. It is exact if no interaction has three players
    or more. The difference to the group's Shapley value is shared among its players in proportion to their size.
    A player that never adds anything gets 0, equal players get equal values, and nothing is random.

    Args:
        worth: function of coalitions. It is called once, with ``2 ** groups + 4 * players`` coalitions.
        group: ``[player]``, the group of each player, from 0. No group is empty.

    >>> owen(lambda coalitions: coalitions @ np.array([1.0, 2.0, 4.0]), np.array([0, 0, 1])).players.tolist()
    [1.0, 2.0, 4.0]
    """
    if not group.size:
        return Values(np.zeros(0), np.zeros(0))
    n_groups = int(group.max()) + 1
    every, mine = (1 << n_groups) - 1, 1 << group
    of_groups = (np.arange(every + 1)[:, None] & mine) > 0
    alone, same_group = np.eye(group.size, dtype=np.bool_), group[:, None] == group
    corners = (alone, same_group & ~alone, ~same_group | alone, ~alone)
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
    # If no player of a group adds anything alone, its players share the group's value equally.
    share = np.where(total > 0, size / np.where(total > 0, total, 1), 1 / np.bincount(group)[group])
    return Values(groups, players + share * (groups - np.bincount(group, players))[group])


def add_up(values: Float64, total: float, digits: int) -> Float64:
    """Round values so that the rounded values add up exactly to a rounded total.

    Args:
        values: ``[value]``, at least one. A value of 0 stays 0.
        total: sum of the values, apart from rounding errors, with at most ``digits`` decimals.
        digits: number of decimals to keep.
    """
    values = values.copy()
    values[np.abs(values).argmax()] += total - values.sum()
    steps: Float64 = np.diff(np.round(np.cumsum(values), digits), prepend=0.0)
    return np.round(steps, digits) + 0.0  # no -0.0
