"""handlers.telemetry.metrics: many values at once count as prometheus-client counts them one by one."""

import os
from collections import Counter as Tally
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.mmap_dict import MmapedDict

from handlers.telemetry.metrics import BatchHistogram, add, allocate

BUCKETS = (0.1, 0.5, 1.0)


@given(st.lists(st.lists(st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.5, 0.75, 1.0, 5.0]), max_size=9), max_size=4))
def test_many_values_at_once_count_as_one_by_one(batches: list[list[float]]) -> None:
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
def test_a_sum_does_not_depend_on_the_order_of_workers(workers: list[list[float]]) -> None:
    sums = []
    for seconds in workers:
        registry = CollectorRegistry()
        BatchHistogram("seconds", "x", buckets=BUCKETS, registry=registry).observe_many(seconds)
        sums.append(registry.get_sample_value("seconds_sum") or 0.0)
    assert sum(sums) == sum(reversed(sums)) == pytest.approx(sum(map(sum, workers)), abs=1e-7)


def test_counts_are_added_by_label() -> None:
    registry = CollectorRegistry()
    counter = Counter("inputs", "x", ("model", "kind", "field"), registry=registry)
    add(counter, "sales", Tally({("filled", "Promo"): 2, ("assumed", "weather"): 1}))
    add(counter, "sales", Tally({("filled", "Promo"): 1}))
    labels = {"model": "sales", "kind": "filled", "field": "Promo"}
    assert registry.get_sample_value("inputs_total", labels) == 3


def test_allocation_keeps_earlier_counts(tmp_path: Path) -> None:
    allocate(tmp_path)
    files = sorted(tmp_path.iterdir())
    assert [file.name for file in files] == [f"{kind}_{os.getpid()}.db" for kind in ("counter", "histogram")]
    for file in files:
        assert file.stat().st_blocks * 512 >= file.stat().st_size > 1 << 16
        figures = MmapedDict(file)  # type: ignore[no-untyped-call]
        figures.write_value("a", 3.0, 0.0)  # type: ignore[no-untyped-call]
        allocate(tmp_path)  # as a process does whose PID another process had before
        assert MmapedDict(file).read_value("a") == (3.0, 0.0)  # type: ignore[no-untyped-call]
