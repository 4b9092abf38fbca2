"""handlers.metrics: what takes many values at once counts what prometheus-client counts one by one."""

from collections import Counter as Tally

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from handlers.metrics import BatchHistogram, add

BUCKETS = (0.1, 0.5, 1.0)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0, 5.0]), max_size=9), max_size=4))
def test_many_at_once_are_as_one_by_one(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    many = BatchHistogram("seconds", "x", ("stage",), buckets=BUCKETS, registry=ours).labels("total")
    single = Histogram("seconds", "x", ("stage",), buckets=BUCKETS, registry=theirs).labels("total")
    for batch in batches:
        many.observe_many(batch)
        for value in batch:
            single.observe(value)

    def lines(registry: CollectorRegistry) -> list[tuple[str, float]]:
        text = generate_latest(registry).decode().splitlines()
        found = [line.rsplit(" ", 1) for line in text if not line.startswith("#") and "_created" not in line]
        return [(name, round(float(value), 7)) for name, value in found]

    assert lines(ours) == lines(theirs)


@given(st.lists(st.lists(st.floats(0, 300), min_size=1), max_size=20))
def test_a_sum_does_not_depend_on_which_worker_is_added_first(workers: list[list[float]]) -> None:
    sums = []
    for seconds in workers:
        registry = CollectorRegistry()
        BatchHistogram("seconds", "x", buckets=BUCKETS, registry=registry).observe_many(seconds)
        sums.append(registry.get_sample_value("seconds_sum") or 0.0)
    assert sum(sums) == sum(reversed(sums)) == pytest.approx(sum(map(sum, workers)), abs=1e-7)


def test_counts_by_label() -> None:
    registry = CollectorRegistry()
    counter = Counter("inputs", "x", ("model", "kind", "field"), registry=registry)
    add(counter, "sales", Tally({("filled", "Promo"): 2, ("assumed", "weather"): 1}))
    add(counter, "sales", Tally({("filled", "Promo"): 1}))
    labels = {"model": "sales", "kind": "filled", "field": "Promo"}
    assert registry.get_sample_value("inputs_total", labels) == 3
