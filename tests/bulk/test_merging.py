"""bulk.merging: contents are merged in the order of their parts, whatever the order in which they arrive."""

from collections.abc import Iterable

import numpy as np
import pytest

from bulk.merging import NEIGHBOURS, OrderedMerge


def joined(contents: Iterable[bytes]) -> bytes:
    """Merge contents so that their order shows."""
    return b"".join(contents)


def content(number: int) -> bytes:
    return b"%d " % number


@pytest.mark.parametrize("count", [0, 1, 2, NEIGHBOURS, NEIGHBOURS + 1, NEIGHBOURS**2 + 1, 1000])
def test_contents_are_merged_in_the_order_of_their_parts(count: int) -> None:
    expected = joined(map(content, range(count)))
    rng = np.random.default_rng(count)
    for order in (range(count), range(count)[::-1], rng.permutation(count).tolist()):
        merge = OrderedMerge(count, joined)
        for number in order:
            merge.add(number, content(number))
        assert merge.result() == expected
        assert merge.pending <= 1


@pytest.mark.parametrize("count", [1, NEIGHBOURS + 1])
def test_a_missing_content_is_an_error(count: int) -> None:
    merge = OrderedMerge(count, joined)
    for number in range(1, count):
        merge.add(number, content(number))
    with pytest.raises(ValueError, match=f"1 of {count} contents were not added"):
        merge.result()


def test_few_contents_wait_and_each_is_read_a_few_times() -> None:
    """A thousand workers end in any order."""
    count, workers, read = 100_000, 1000, []

    def counting(contents: Iterable[bytes]) -> bytes:
        listed = list(contents)
        read.append(len(listed))
        return b""

    merge, rng, most = OrderedMerge(count, counting), np.random.default_rng(0), 0
    running = list(range(workers))
    for ended in range(count):
        place = rng.integers(len(running))
        number = running[place]
        if ended + workers < count:
            running[place] = ended + workers
        else:
            del running[place]
        merge.add(number, b"x")
        most = max(most, merge.pending)
    assert sum(read) < 1.1 * count
    assert most < 20 * workers
    assert merge.pending == 1
