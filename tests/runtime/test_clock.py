"""runtime.clock: the stages of a batch add up to its time."""

import time
from concurrent.futures import ThreadPoolExecutor

from runtime.clock import Clock


def test_the_stages_add_up_with_several_threads() -> None:
    clock = Clock()
    clock.start()
    start = clock.now

    def work(number: int) -> None:
        for _ in range(2000):
            clock.lap(("decode", "inference", "encode")[number % 3])

    with ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(6)))
    assert clock.now <= time.perf_counter()
    assert abs(sum(clock.seconds.values()) - (clock.now - start)) < 1e-9
    assert set(clock.seconds) == {"decode", "inference", "encode"}
