"""Requests of the tests of the sales contract, and functions that parse them."""

import datetime as dt
import json
from typing import Any

import pytest

from schemas.problems import Problem, ProblemError
from schemas.sales.parse import ForecastRequest, parse_request
from schemas.sales.request import Item

DAY = dt.date(2015, 8, 1)
GOOD: dict[str, Any] = {"store": 1, "date": "2015-08-01"}
RANGE: dict[str, Any] = {"store": 1, "start": "2015-08-01", "days": 3}


def parse(request: Any, *, explain: bool = False) -> ForecastRequest:
    return parse_request(json.dumps(request).encode(), explain=explain)


def item_of(request: Any) -> Item:
    parsed = parse(request)
    (item,) = parsed.items
    assert parsed.single
    assert isinstance(item, Item)
    return item


def items_of(request: Any) -> list[Item]:
    parsed = parse(request)
    assert not parsed.single
    items = [item for item in parsed.items if isinstance(item, Item)]
    assert len(items) == len(parsed.items)
    return items


def problem_of(request: Any, *, explain: bool = False) -> Problem:
    with pytest.raises(ProblemError) as caught:
        parse_request(request) if isinstance(request, bytes) else parse(request, explain=explain)
    problem = caught.value.problem
    assert problem.status == {"malformed-request": 400}.get(problem.type.rsplit(":", 1)[1], 422)
    assert json.loads(problem.to_json())["detail"] == problem.detail
    return problem
