"""`shopcat.Client` and `AsyncClient` against a real HTTP server that fails in every way that a service can.

tests/integration/contract/test_python_client.py asks the real service.
"""

import datetime as dt
import json
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import shopcat
from shopcat.client import attempts
from shopcat.client.attempts import Attempts, Reply, Settings, Wait
from shopcat.client.messages import batches
from tests.shopcat.client.scripted import (
    FORECAST,
    Answer,
    Ask,
    Step,
    ask_asynchronously,
    ask_synchronously,
    close,
    dribble,
    dribble_headers,
    hang,
    problem,
    reset,
    scripted,
)

ROOT = Path(__file__).parents[3]
DAY: dict[str, Any] = {"store": 1, "date": "2015-08-01"}
AT_ONCE = ("Retry-After", "0")
OVERLOADED = problem("overloaded", AT_ONCE)


@pytest.fixture(params=[ask_synchronously, ask_asynchronously])
def ask(request: pytest.FixtureRequest) -> Ask:
    """Function that asks with one of the two clients."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(attempts, "FIRST_WAIT_S", 0.01)


# Retries


@pytest.mark.parametrize(
    "failure",
    [
        OVERLOADED,
        problem("unavailable", AT_ONCE),
        problem("overloaded", AT_ONCE, status=429),
        problem("unavailable"),
        Answer(502, b"<html>Bad gateway</html>"),
        reset,
        close,
    ],
    ids=["overloaded", "unavailable", "429", "without Retry-After", "502 of a proxy", "reset", "closed"],
)
def test_a_request_is_sent_again_after_a_passing_failure(ask: Ask, failure: Step) -> None:
    with scripted(failure, failure, Answer()) as server:
        forecast = ask("forecast", url=server.url, settings={"api_key": "a-key"}, **DAY)
    assert (forecast.sales, forecast.date) == (5000.0, dt.date(2015, 8, 1))
    assert len(server.requests) == 3
    (path,), (body,) = {path for path, _, _ in server.requests}, {body for _, _, body in server.requests}
    assert (path, json.loads(body)) == ("/predictions/sales", DAY)
    for name in ("x-request-id", "x-api-key"):  # all attempts have the same
        (value,) = {headers[name] for _, headers, _ in server.requests}
        assert value


def test_the_error_has_the_problem_when_no_retry_is_left(ask: Ask) -> None:
    headers = (AT_ONCE, ("x-request-id", "an-id"))
    with scripted(problem("overloaded", *headers)) as server, pytest.raises(shopcat.ServiceError) as raised:
        ask("forecast", url=server.url, settings={"retries": 2}, **DAY)
    error = raised.value
    assert (error.kind, error.status, error.request_id) == ("overloaded", 503, "an-id")
    assert error.problem is not None
    assert error.problem.detail == "The detail."
    assert str(error) == "The detail. (3 attempts; request an-id)"
    assert len(server.requests) == 3


def test_a_wait_beyond_the_time_limit_is_not_begun(ask: Ask) -> None:
    with scripted(problem("overloaded", ("Retry-After", "20"))) as server, pytest.raises(shopcat.ServiceError):
        ask("forecast", url=server.url, settings={"timeout": 15, "retries": 1}, **DAY)
    assert len(server.requests) == 1


@pytest.mark.parametrize("behaviour", [hang, dribble])
def test_the_time_limit_ends_a_request(ask: Ask, behaviour: Step) -> None:
    with scripted(behaviour) as server, pytest.raises(shopcat.ServiceError) as raised:
        ask("forecast", url=server.url, settings={"timeout": 0.2}, **DAY)
    error = raised.value
    assert (error.kind, error.status, error.problem) == ("timeout", None, None)
    assert "did not answer within 0.2 s (one attempt); ask for less, or raise the timeout" in str(error)
    ((_, headers, _),) = server.requests
    assert error.request_id == headers["x-request-id"]


def test_the_time_limit_of_the_asynchronous_client_ends_slow_headers() -> None:
    """Of the synchronous one it does not: httpx limits each read."""
    with scripted(dribble_headers) as server, pytest.raises(shopcat.ServiceError) as raised:
        ask_asynchronously("forecast", url=server.url, settings={"timeout": 0.2}, **DAY)
    assert raised.value.kind == "timeout"


def test_a_service_that_does_not_run_is_unreachable(ask: Ask) -> None:
    with scripted(Answer()) as server:
        url = server.url
    with pytest.raises(shopcat.ServiceError, match=r"can't be reached \(3 attempts\).*start the service") as raised:
        ask("forecast", url=url, settings={"retries": 2}, **DAY)
    assert (raised.value.kind, raised.value.status) == ("unreachable", None)


@pytest.fixture
def one_request() -> Attempts:
    return Attempts(Settings("http://127.0.0.1", None, timeout=1000.0, retries=9), "application/json")


@pytest.mark.parametrize("header", ["20", "date"])
def test_a_wait_is_as_long_as_the_service_says_and_a_random_part_more(one_request: Attempts, header: str) -> None:
    if header == "date":
        header = f"{dt.datetime.now(dt.UTC) + dt.timedelta(seconds=20.9):%a, %d %b %Y %H:%M:%S GMT}"
    waits = {one_request.answer(Reply(503, {"retry-after": header}, b"")) for _ in range(5)}
    assert len(waits) == 5  # clients do not come back at the same time
    assert all(isinstance(wait, Wait) and 19 <= wait.seconds <= 26 for wait in waits)


@pytest.mark.parametrize("header", [None, "soon", "-1"])
def test_waits_without_retry_after_grow_up_to_a_limit(
    one_request: Attempts, header: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(attempts, "FIRST_WAIT_S", 0.25)
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    headers = {} if header is None else {"retry-after": header}
    waits = [one_request.answer(Reply(503, headers, b"")) for _ in range(8)]
    assert waits == [Wait(seconds) for seconds in (0.25, 0.5, 1, 2, 4, 8, 8, 8)]


# Answers that are not retried


def test_a_request_at_fault_is_not_sent_again(ask: Ask) -> None:
    failure = problem("unknown-store", ("x-request-id", "an-id"))
    with scripted(failure) as server, pytest.raises(shopcat.RequestError, match=r"The detail\.") as raised:
        ask("forecast", url=server.url, **DAY)
    assert (raised.value.kind, raised.value.request_id, len(server.requests)) == ("unknown-store", "an-id", 1)


def test_a_problem_of_a_later_version_is_understood(ask: Ask) -> None:
    failure = problem("unauthorized", type="urn:shopcat:problem:expired-key", instance="/1")
    with scripted(failure) as server, pytest.raises(shopcat.RequestError) as raised:
        ask("forecast", url=server.url, **DAY)
    assert (raised.value.kind, raised.value.remedy) == ("expired-key", "The detail.")


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (problem("internal-error"), "internal-error", r"The detail\. \(one attempt; request "),
        (problem("timeout"), "timeout", r"The detail\."),
        (
            Answer(404, b"<h1>Not\nfound</h1>"),
            "unexpected-answer",
            r"answered 404 without a problem .*<h1>Not found</h1>",
        ),
        (Answer(302, b"", (("Location", "/login"),)), "unexpected-answer", r"answered 302"),
        (Answer(200, b"<html>"), "unexpected-answer", r"the answer is no Forecast of this version of shopcat: "),
        (Answer(200, {**FORECAST, "sales": "many"}), "unexpected-answer", r"no Forecast .*: sales: .*update shopcat"),
    ],
)
def test_a_service_at_fault_is_named(ask: Ask, answer: Answer, kind: str, message: str) -> None:
    with scripted(answer) as server, pytest.raises(shopcat.ServiceError, match=message) as raised:
        ask("forecast", url=server.url, **DAY)
    assert (raised.value.kind, raised.value.status, len(server.requests)) == (kind, answer.status, 1)


# Settings


@pytest.mark.parametrize("client", [shopcat.Client, shopcat.AsyncClient])
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"base_url": "127.0.0.1:8080"}, "base_url '127.0.0.1:8080' is no address"),
        ({"base_url": "ftp://host"}, "is no address such as http://127.0.0.1:8080"),
        ({"base_url": "http://"}, "is no address"),
        ({"api_key": ""}, "api_key is empty"),
        ({"api_key": "secret\nkey"}, "characters that a header can't have"),
        ({"timeout": 0}, "timeout is 0 and must be a number of seconds above 0"),
        ({"timeout": float("nan")}, "timeout is nan"),
        ({"retries": -1}, "retries is -1 and must be 0 or more"),
    ],
)
def test_wrong_settings_are_named_without_the_key(client: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(shopcat.UserError, match=message) as raised:
        client(**settings)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize("client", [shopcat.Client, shopcat.AsyncClient])
def test_a_client_does_not_show_its_key(client: Any) -> None:
    made = client("http://shop:8080", api_key="secret-key")
    assert repr(made) == f"<shopcat.{client.__name__} http://shop:8080>"
    assert "secret" not in repr(vars(made))


def test_the_address_may_have_a_path_and_the_models_other_names(ask: Ask) -> None:
    settings = {"sales_model": "rossmann"}
    with scripted(Answer()) as server:
        ask("forecast", url=f"{server.url}/shopcat/", settings=settings, **DAY)
    assert server.requests[0][0] == "/shopcat/predictions/rossmann"


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((), {}, "give a store and a date"),
        (([DAY],), {"store": 1}, "give either items or store, not both"),
        ((DAY,), {}, "not dict"),
    ],
)
def test_a_question_without_a_form_is_a_type_error(
    ask: Ask, arguments: Any, options: dict[str, Any], message: str
) -> None:
    with pytest.raises(TypeError, match=message):
        ask("forecast", *arguments, url="http://127.0.0.1:1", **options)


def test_a_photo_of_another_type_is_a_type_error(ask: Ask) -> None:
    with pytest.raises(TypeError, match="a photo is a path, bytes or a Pillow image, not int"):
        ask("classify", [1], url="http://127.0.0.1:1")


# Batches


def places(rows: list[Any], limit: int) -> Iterator[int]:
    for batch in batches(rows, limit):
        yield from batch


@pytest.mark.parametrize("n_items", [0, 1, 9, 10, 11, 35])
@pytest.mark.parametrize("n_stores", [1, 3, 30])
def test_every_item_is_in_one_batch_of_the_limit(n_items: int, n_stores: int) -> None:
    rows = [{"store": place % n_stores, "date": f"2015-08-{n_items - place:02}"} for place in range(n_items)]
    assert sorted(places(rows, 10)) == [*range(n_items)]
    assert all(0 < len(batch) <= 10 for batch in batches(rows, 10))
    if n_stores == 3 and n_items <= 27:  # a store fits into a batch
        for store in range(n_stores):
            assert sum(any(rows[place]["store"] == store for place in batch) for batch in batches(rows, 10)) <= 1


def test_a_store_with_too_many_items_is_divided_by_date() -> None:
    rows = [{"store": 1, "date": f"2015-08-{day:02}"} for day in range(20, 0, -1)]
    dates = [rows[place]["date"] for place in places(rows, 10)]
    assert dates == sorted(dates)


# The package


@pytest.mark.parametrize("answer", [problem("unknown-store"), problem("internal-error")])
def test_an_exception_can_be_sent_to_another_process(answer: Answer) -> None:
    with scripted(answer) as server, pytest.raises(shopcat.UserError) as raised:
        ask_synchronously("forecast", url=server.url, **DAY)
    copy = pickle.loads(pickle.dumps(raised.value))
    assert (type(copy), str(copy), vars(copy)) == (type(raised.value), str(raised.value), vars(raised.value))


def test_the_clients_load_no_model_code() -> None:
    program = "import sys, shopcat\nshopcat.Client().close()\nprint(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"numpy", "onnxruntime", "PIL", "pandas", "sales", "pets"} & {*done.stdout.split()}
