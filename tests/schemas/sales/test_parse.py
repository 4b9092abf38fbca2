"""Parsing of sales requests: every form, every kind of mistake, and only problems as exceptions."""

import datetime as dt
import json
from collections.abc import Iterable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.problems import MAX_ERRORS, ProblemError
from schemas.sales.parse import ForecastRequest, RejectedItem, parse_request
from schemas.sales.request import MAX_ITEMS, Item, Weather
from tests.schemas.sales.sales_requests import DAY, GOOD, item_of, items_of, parse, problem_of

# The three forms.


def test_one_store_and_day_is_parsed() -> None:
    assert item_of(GOOD) == Item(store=1, date=DAY)
    everything = {
        **GOOD,
        "open": True,
        "promo": False,
        "state_holiday": "b",
        "school_holiday": None,
        "weather": {"max_temperature": 21, "cloud_cover": 7.5, "events": "Fog-Rain", "mean_humidity": None},
    }
    item = item_of(everything)
    assert (item.open, item.promo, item.state_holiday, item.school_holiday) == (True, False, "b", None)
    assert item.weather == Weather(max_temperature=21, cloud_cover=7.5, events="Fog-Rain")
    assert parse_request(everything) == parse(everything)  # TorchServe may have parsed the body already


def test_items_keep_their_order() -> None:
    stores = [3, 1, 2, 1]
    parsed = parse({"items": [{**GOOD, "store": store} for store in stores]})
    assert [item.store for item in parsed.items] == stores
    assert not parsed.single
    assert not parse({"items": [GOOD]}).single


def test_a_rejected_item_keeps_its_place_store_and_date() -> None:
    items = [GOOD, {"store": "", "date": 7, "promo": "?"}, 5, None, [], {"store": 2, "date": "2015-08-02"}]
    parsed = parse({"items": items})
    assert [isinstance(item, Item) for item in parsed.items] == [True, False, False, False, False, True]
    first = parsed.items[1]
    assert isinstance(first, RejectedItem)
    assert (first.store, first.date) == ("", 7)
    assert [error.path for error in first.problem.errors] == ["/items/1/promo", "/items/1/store", "/items/1/date"]
    second = parsed.items[2]
    assert isinstance(second, RejectedItem)
    assert (second.store, second.date, second.problem.errors[0].path) == (None, None, "/items/2")


def test_a_list_without_any_valid_item_is_a_problem() -> None:
    problem = problem_of({"items": [{"store": 1}, {"date": "2015-08-01"}]})
    assert [error.path for error in problem.errors] == ["/items/0/date", "/items/1/store"]
    assert problem.detail == "none of the 2 items can be forecast; the first: /items/0/date: required, but missing"
    assert problem_of({"items": [{"store": 1}]}).detail == "/items/0/date: required, but missing"


# Limits.


def test_a_list_has_at_most_a_thousand_items() -> None:
    assert len(items_of({"items": [GOOD] * MAX_ITEMS})) == 1000
    for count in (0, 1001):
        problem = problem_of({"items": [GOOD] * count})
        assert problem.errors[0].path == "/items"
        assert f"items has {count:,}; send a list of 1 to 1,000 items" in problem.detail


@pytest.mark.parametrize("holiday", [0, "0", "a", "b", "c"])
def test_every_holiday_code_of_kaggle_is_accepted(holiday: Any) -> None:
    """The number 0 is one of them: many rows of Kaggle's files have it."""
    assert item_of({**GOOD, "state_holiday": holiday}).state_holiday == str(holiday)


@pytest.mark.parametrize("store", [0, 1, 2**31 - 1, "1", "Rīga 1", "x" * 100])
def test_numbers_and_texts_are_accepted_as_ids_of_stores(store: int | str) -> None:
    assert item_of({**GOOD, "store": store}).store == store


# Mistakes.

WRONG: dict[str, list[Any]] = {
    "store": [-1, 2**31, 10**30, 1.0, 1.5, "", "x" * 101, True, None, [1], {}],
    "date": [
        *("2015-02-29", "2015-13-01", "01.08.2015", "2015-8-1", "20150801", "15-08-01", "2015-W31-6", "0000-01-01"),
        *("2015-08-01T00:00", "2015-08-01 ", " 2015-08-1", "tomorrow..", "", "1438387200"),  # the last one in seconds
        *(20150801, 1438387200, 1438387200.0, None, True, [], {}),
    ],
    "open": ["maybe", "yes", "true", "0", 0, 1, 0.5, [], {}, ""],
    "promo": ["maybe", "yes", "true", "0", 0, 1, 0.5, [], {}, ""],
    "school_holiday": ["maybe", "yes", "true", "0", 0, 1, 0.5, [], {}, ""],
    "state_holiday": ["d", "A", "", 1, True, False, 0.0, "00", [], {}],
    "weather": ["rain", 5, [], True],
}
ALLOWED = {
    "store": "must be ",
    "date": "2015-08-01",
    "state_holiday": "must be '0', 'a', 'b' or 'c'",
    "weather": "must be a JSON object",
    **dict.fromkeys(("open", "promo", "school_holiday"), "must be true or false"),
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in WRONG for value in WRONG[field]])
def test_an_invalid_value_is_reported_with_its_path(field: str, value: Any) -> None:
    problem = problem_of({**GOOD, field: value})
    assert [error.path for error in problem.errors] == [f"/{field}"]
    assert problem.type == "urn:shopcat:problem:invalid-request"
    assert problem.detail.startswith(f"/{field}: ")
    assert problem.errors[0].value is not None
    assert ALLOWED[field] in problem.errors[0].detail
    listed = parse({"items": [GOOD, {**GOOD, field: value}]}).items[1]
    assert isinstance(listed, RejectedItem)
    assert [error.path for error in listed.problem.errors] == [f"/items/1/{field}"]


WILD: dict[str, list[Any]] = {
    "temperature": [-101, 101, "hot"],
    "humidity": [-1, 101, [50]],
    "wind_speed": [-0.1, 501, True],
    "cover": [-1, 9.01, 10**400],
    "events": ["x" * 61, 5, ["Rain"]],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, value) for name in Weather.model_fields for kind in WILD if name.endswith(kind) for value in WILD[kind]]
    + [("snow", 1)],
)
def test_impossible_weather_is_rejected(field: str, value: Any) -> None:
    assert [error.path for error in problem_of({**GOOD, "weather": {field: value}}).errors] == [f"/weather/{field}"]


@pytest.mark.parametrize("field", ["Promo", "promo2", "dat", "sales", "", "a/b", "__class__", "storė"])
def test_an_unknown_field_is_reported(field: str) -> None:
    """A misspelled field must not be ignored."""
    problem = problem_of({**GOOD, field: 1})
    assert [error.path for error in problem.errors] == ["/" + field.replace("/", "~1")]
    valid = "open, promo, state_holiday, school_holiday, weather, columns, store, date, what_if, objective, levels"
    assert problem.errors[0].detail == f"unknown field; the valid fields are {valid}, quantiles, receipt"


@pytest.mark.parametrize(
    ("request_", "paths"),
    [
        ({}, ["/store", "/date"]),
        ({"store": 1}, ["/date"]),
        ({"start": "2015-08-01"}, ["/store", "/days"]),
        ({"store": 1, "days": 3}, ["/start"]),
        ({"store": 1, "date": "2015-08-01", "start": "2015-08-01", "days": 1}, ["/date"]),
        ({"items": [GOOD], "promo": True}, ["/promo"]),
        ({"items": [GOOD], "a/b": True}, ["/a~1b"]),
        ({"items": [GOOD], "store": 1, "start": "2015-08-01", "days": 1}, ["/store"]),
        ({"items": {}}, ["/items"]),
        ({"items": None}, ["/items"]),
        ({"items": "all"}, ["/items"]),
        ({"store": 1, "start": "2015-08-01", "days": 3, "promo": [True, False]}, ["/promo"]),
        ({"store": 1, "start": "2015-08-01", "days": 3, "open": []}, ["/open"]),
        ({"store": 1, "start": "2015-08-01", "days": 1, "weather": [{}, {}]}, ["/weather"]),
        ({"store": 1, "start": "2015-08-01", "days": 3, "promo": "x"}, ["/promo"]),
        ({"store": 1, "start": "2015-08-01", "days": 3, "state_holiday": ["a", "z", "0"]}, ["/state_holiday/1"]),
        ({"store": 1, "start": "2015-08-01", "days": 1, "weather": {"cloud_cover": 99}}, ["/weather/cloud_cover"]),
        ({"store": 1, "start": "2015-08-01", "days": 1, "weather": [{"hail": 1}]}, ["/weather/0/hail"]),
        ({"store": 1, "start": "2015-08-01", "days": 1, "Promo": True}, ["/Promo"]),
        ({"store": 1, "start": "2015-08-01", "days": True}, ["/days"]),
        ({"store": 1, "start": "2015-08-01", "days": "3"}, ["/days"]),
        ({"store": 1, "start": 20150801, "days": 3}, ["/start"]),
        ({"store": 1.5, "start": "2015-08-01", "days": 3.5}, ["/store", "/days"]),
    ],
)
def test_a_request_in_none_of_the_three_forms_is_rejected(request_: Any, paths: list[str]) -> None:
    assert [error.path for error in problem_of(request_).errors] == paths


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b'{"store": 1, "date": "2015-08-01"',
        b'{"store": 1, "date": "2015-08-01"} {}',
        b"{'store': 1}",
        b"store=1&date=2015-08-01",
        b'{"store": NaN, "date": "2015-08-01"}',
        b'{"store": 1, "date": "2015-08-01", "weather": {"max_temperature": Infinity}}',
        b'{"store": 1, "date": "2015-08-01", "weather": {"max_temperature": -Infinity}}',
        b'{"store": 01, "date": "2015-08-01"}',
        b"\xff\xfe{\x00}\x00",
        b'{"store": 1, "date": "2015-08-01\xff"}',
        b'\xef\xbb\xbf{"store": 1, "date": "2015-08-01"}',
        b'{"date": "\\ud800"}',
        b"[" * 100_000,
        b'{"items": ' + b"[" * 5_000 + b"]" * 5_000 + b"}",
        b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    ],
)
def test_a_body_that_is_not_json_is_rejected(body: bytes) -> None:
    problem = problem_of(body)
    assert problem.status == 400
    assert problem.detail.startswith("the body is not JSON: ")
    assert len(problem.detail) < 200


@pytest.mark.parametrize(
    ("body", "json_type"),
    [
        (b"[]", "array"),
        (b'"x"', "string"),
        (b"1", "number"),
        (b"1.5", "number"),
        (b"true", "boolean"),
        (b"null", "null"),
    ],
)
def test_json_that_is_no_object_is_rejected(body: bytes, json_type: str) -> None:
    problem = problem_of(body)
    assert problem.status == 400
    assert f"the body is a JSON {json_type}; send an object" in problem.detail


def test_huge_numbers_are_rejected() -> None:
    digits = b"9" * 4000  # Python itself refuses to read an int of more than 4,300
    for body in (b'{"store": %s, "date": "2015-08-01"}' % digits, b'{"store": 1, "date": %s}' % digits):
        assert len(problem_of(body).detail) < 300
    for body in (b'{"store": 1e999, "date": "2015-08-01"}', b'{"store": %s0, "date": 1}' % (b"9" * 10_000)):
        problem_of(body)
    huge = {**GOOD, "weather": {"max_temperature": 10**400}}
    assert problem_of(huge).errors[0].path == "/weather/max_temperature"


def test_nan_and_infinity_in_parsed_json_are_rejected() -> None:
    """A body that TorchServe has parsed may contain values that JSON does not have."""
    for value in (float("nan"), float("inf")):
        with pytest.raises(ProblemError) as caught:
            parse_request({**GOOD, "weather": {"cloud_cover": value}})
        assert caught.value.problem.errors[0].path == "/weather/cloud_cover"


def test_the_last_of_duplicate_fields_counts() -> None:
    assert parse_request(b'{"store": 1, "store": 2, "date": "2015-08-01"}').items[0].store == 2


def test_a_long_value_is_abbreviated() -> None:
    problem = problem_of({**GOOD, "date": "x" * 1_000_000})
    assert len(problem.to_json()) < 600


@pytest.mark.parametrize("kind", [bytes, bytearray])
def test_bytes_and_bytearrays_are_accepted(kind: Any) -> None:
    assert parse_request(kind(json.dumps(GOOD).encode())) == ForecastRequest((Item(store=1, date=DAY),), single=True)


# Anything at all.

FIELDS = ["store", "date", "items", "start", "days", "open", "promo", "state_holiday", "school_holiday", "weather"]
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=12)
    | st.dates().map(str)
    | st.sampled_from(["0", "a", "2015-08-01", 1, 3]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), inner),
    max_leaves=12,
)
REQUESTS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS, VALUES)) | VALUES


def check_parsed_or_rejected(body: Any) -> None:
    """Check that a body is parsed, or rejected with a problem that can be sent."""
    try:
        items: Iterable[Item | RejectedItem] = parse_request(body).items
    except ProblemError as error:
        items = [RejectedItem(None, None, error.problem)]
    else:
        assert any(isinstance(item, Item) for item in items)
    for item in items:
        if isinstance(item, RejectedItem):
            assert item.problem.status in (400, 422)
            json.loads(item.problem.to_json())
        else:
            assert type(item.store) in (int, str)
            assert type(item.date) is dt.date


@settings(max_examples=200)
@given(REQUESTS)
def test_only_problems_escape(request_: Any) -> None:
    check_parsed_or_rejected(request_)  # with NaN and unpaired surrogates, which Python has and JSON does not
    check_parsed_or_rejected(json.dumps(request_).encode())


@given(st.binary(max_size=60))
def test_only_problems_escape_from_bytes(body: bytes) -> None:
    check_parsed_or_rejected(body)


@given(st.data())
def test_only_problems_escape_from_damaged_requests(data: st.DataObject) -> None:
    body = bytearray(json.dumps({"items": [{**GOOD, "promo": True, "weather": {"cloud_cover": 3.5}}, GOOD]}).encode())
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    check_parsed_or_rejected(bytes(body))


def test_the_response_stays_small_however_many_errors_there_are() -> None:
    """TorchServe kills a worker whose response exceeds a limit, and with it all requests of the batch."""
    unknown = {f"k{i}": 1 for i in range(50_000)}
    long = [1e15] * 10_000
    items = parse_request({"items": [GOOD, {**GOOD, **unknown}, {"store": long, "date": "x" * 10_000}]}).items
    assert len(problem_of({**GOOD, **unknown}).to_json()) < 3_000
    with_unknown, with_long = items[1:]
    assert isinstance(with_unknown, RejectedItem)
    assert isinstance(with_long, RejectedItem)
    assert len(with_unknown.problem.to_json()) < 3_000
    assert len(with_unknown.problem.errors) == MAX_ERRORS
    assert "and 49,999 more" in with_unknown.problem.detail
    assert len(str(with_long)) < 1_000
    assert problem_of({"items": [{"store": "x"}] * 1000}).status == 422
    assert len(problem_of({"items": [{"store": "x"}] * 1000}).to_json()) < 3_000
