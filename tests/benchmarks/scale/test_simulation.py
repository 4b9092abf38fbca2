"""benchmarks.scale.simulation: requests are answered or rejected, and pods come and go with the load."""

import math

import numpy as np
import pytest

from benchmarks.scale.rules import Rule, Trigger
from benchmarks.scale.simulation import Delays, Pod, simulate

POD = Pod(limit=8, answered=[25.0, 50.0], busy=[1.0, 2.0], cores=[1.0, 2.0])
DELAYS = Delays(start=30)
RULE = Rule([Trigger("busy", 1.2)], least=1, most=50)


def test_enough_pods_reject_nothing() -> None:
    result = simulate(np.full(600, 100.0), POD, None, DELAYS, pods=4)
    assert result.refused == 0
    assert result.requests == pytest.approx(60_000, rel=0.02)
    assert result.pod_seconds == 4 * 600


def test_an_overload_rejects_what_the_pods_cannot_answer() -> None:
    result = simulate(np.full(600, 200.0), POD, None, DELAYS, pods=2)
    assert result.refused_share == pytest.approx(0.5, abs=0.01)
    assert sum(result.refused_each_second) == pytest.approx(result.refused)


@pytest.mark.parametrize("limit", [1, 2, 8])
def test_the_rejections_of_one_pod_are_those_of_its_markov_chain(limit: int) -> None:
    """A step answers one request, and begins with 0 to `limit` in the queue."""
    arrivals = 0.9
    states, counts = np.arange(limit + 1), np.arange(60)
    chances = np.array([math.exp(-arrivals) * arrivals**count / math.factorial(count) for count in counts])
    moves = np.zeros((limit + 1, limit + 1))
    for state in states:
        for count, chance in zip(counts, chances, strict=True):
            moves[state, max(min(state + count, limit + 1) - 1, 0)] += chance
    stationary = np.linalg.matrix_power(moves, 10_000)[0]
    lost = np.maximum(states[:, None] + counts - (limit + 1), 0) @ chances
    result = simulate(np.full(7200, 9.0), Pod(limit, [10.0], [1.0], [1.0]), None, DELAYS, pods=1)
    assert result.refused_share == pytest.approx(stationary @ lost / arrivals, rel=0.1)


def test_the_rule_keeps_the_workers_at_the_target() -> None:
    result = simulate(np.full(3600, 300.0), POD, RULE, DELAYS, pods=1)
    assert result.pods[-1] == 10  # 12 of 20 workers are busy
    assert result.pods.index(2) >= DELAYS.scrape + DELAYS.start


def test_a_pod_that_starts_is_paid_for_and_answers_later() -> None:
    slow, fast = (simulate(np.full(1200, 120.0), POD, RULE, Delays(start=start), pods=1) for start in (180, 5))
    assert slow.refused > 2 * fast.refused
    assert slow.pod_seconds > sum(slow.pods)


def test_pods_go_when_the_load_does() -> None:
    result = simulate(np.repeat([300.0, 30.0], 1800), POD, RULE, DELAYS, pods=10)
    assert result.pods[1799] == 10
    assert result.pods[1800 + 290] == 10  # the stabilization
    assert result.pods[-1] == 1


def test_a_signal_that_saturates_below_its_target_never_asks_for_a_pod() -> None:
    """As busy workers do with short forecasts, where the gateway takes most of the processor."""
    saturated = Pod(limit=128, answered=[25.0, 50.0], busy=[0.3, 0.6], cores=[1.0, 2.0])
    load = np.full(1200, 150.0)
    assert max(simulate(load, saturated, RULE, DELAYS, pods=1).pods) == 1
    cores = Rule([*RULE.triggers, Trigger("cores", 1.2)], least=1, most=50)
    assert simulate(load, saturated, cores, DELAYS, pods=1).pods[-1] == 5


def test_a_seed_gives_the_same_result() -> None:
    first, second = (simulate(np.full(300, 90.0), POD, RULE, DELAYS, pods=2, seed=3) for _ in range(2))
    assert first == second
