"""schemas.json_text: a text with too many values is rejected before its objects take memory."""

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from schemas.json_text import MAX_VALUES, parse_json
from schemas.pets.parse import parse_request as parse_pets
from schemas.problems import ProblemError
from schemas.sales.parse import parse_request as parse_sales


def of_many(unit: str) -> bytes:
    """Return 10 MB of JSON: a list of equal values as the field ``items``."""
    return f'{{"items":[{",".join([unit] * (10_000_000 // (len(unit) + 1)))}]}}'.encode()


@pytest.mark.parametrize("parse", [parse_sales, lambda body: parse_pets({"body": body}, {})])
@pytest.mark.parametrize("unit", ["[]", "{}", "1", "1.5", '"a"', '{"a":{}}'])
def test_ten_megabytes_of_values_are_rejected_without_their_memory(parse: Callable[[bytes], Any], unit: str) -> None:
    body = of_many(unit)
    tracemalloc.start()
    try:
        with pytest.raises(ProblemError, match=r"JSON values; at most 100,000 are allowed") as raised:
            parse(body)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
    assert raised.value.problem.status == 413


def test_the_largest_number_of_values_is_parsed() -> None:
    values = [0] * (MAX_VALUES - 1)
    assert parse_json(str(values).encode()) == values
    with pytest.raises(ProblemError):
        parse_json(str([*values, 0, 0]).encode())


def test_a_long_text_with_few_values_is_parsed() -> None:
    assert parse_json(b'"' + b"a" * 9_000_000 + b'"') == "a" * 9_000_000
