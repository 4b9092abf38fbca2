"""`shopcat.Client` and `AsyncClient` against a real service: they give what the loaded bundles give."""

import asyncio
import dataclasses
import datetime as dt
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pandas as pd
import pytest
from PIL import Image

import shopcat
from serving.gateway.config import GatewayConfig
from shopcat.client import messages
from tests.integration.contract.conftest import KEY, ROOT
from tests.shopcat.client.scripted import Ask, ask_asynchronously, ask_synchronously

pytestmark = pytest.mark.integration

PHOTO = ROOT / "docs" / "cat.jpg"
DAY: dict[str, Any] = {"store": 1, "date": "2015-08-01"}
RANGE: dict[str, Any] = {"store": 2, "start": "2015-08-01", "days": 7}
ITEMS = [DAY, {"store": 9999, "date": "2015-08-01"}, {"store": 3, "date": "2015-08-04", "promo": True}]
MANY: list[dict[str, Any]] = [
    {"store": store, "date": str(day.date()), "promo": day.day % 2 == 0}
    for day in pd.date_range("2015-07-21", "2015-09-11")
    for store in range(1, 21)
]


@pytest.fixture(scope="module")
def sales() -> shopcat.Forecaster:
    return shopcat.Forecaster.load(ROOT / "model_store" / "demo")


@pytest.fixture(scope="module")
def pets() -> shopcat.Classifier:
    return shopcat.Classifier.load(ROOT / "model_store" / "pets")


@pytest.fixture(params=[ask_synchronously, ask_asynchronously])
def ask(request: pytest.FixtureRequest, config: GatewayConfig) -> Ask:
    """Function that asks the service with one of the two clients."""

    def ask(method: str, *arguments: Any, **options: Any) -> Any:
        return request.param(method, *arguments, url=config.url, settings={"api_key": KEY}, **options)

    return ask


def unsigned(answer: Any) -> Any:
    """Return an answer, or several, without the receipts that only a service signs."""
    if isinstance(answer, list):
        return [unsigned(part) for part in answer]
    return dataclasses.replace(answer, receipt=None) if getattr(answer, "receipt", None) else answer


def assert_alike(answer: Any, expected: Any) -> None:
    """Check that answers have the same types and values. Floats may differ in rounding."""
    if isinstance(expected, dt.date):  # JSON has no dates, so that a rejected item's date comes back as a text
        answer = dt.date.fromisoformat(str(answer))
    assert type(answer) is type(expected)
    if dataclasses.is_dataclass(answer):
        for field in dataclasses.fields(answer):
            assert_alike(getattr(answer, field.name), getattr(expected, field.name))
    elif isinstance(answer, list | tuple):
        assert len(answer) == len(expected)
        for part, expected_part in zip(answer, expected, strict=True):
            assert_alike(part, expected_part)
        assert_alike(getattr(answer, "total", None), getattr(expected, "total", None))
    elif isinstance(answer, float):
        assert answer == pytest.approx(expected, rel=1e-4, abs=1e-3)
    else:
        assert answer == expected


@pytest.mark.parametrize(
    ("method", "arguments", "options"),
    [
        ("forecast", (), DAY),
        ("forecast", (), {**DAY, "promo": True, "levels": [80]}),
        ("forecast", (), {**RANGE, "quantiles": [0.1, 0.9]}),
        ("forecast", (ITEMS,), {"objective": "mean"}),
        ("forecast", ([],), {}),
        ("what_if", (), {**DAY, "promo": True, "facts": {"open": True}}),
        ("what_if", (), {**RANGE, "promo": True}),
        ("what_if", (ITEMS,), {"promo": True}),
        ("explain", (), DAY),
        ("explain", (), {**RANGE, "days": 2}),
        ("explain", (ITEMS,), {}),
    ],
)
def test_a_client_gives_the_answers_of_the_loaded_model(
    ask: Ask, sales: shopcat.Forecaster, method: str, arguments: Any, options: dict[str, Any]
) -> None:
    assert_alike(ask(method, *arguments, **options), getattr(sales, method)(*arguments, **options))


def test_a_list_beyond_the_limit_gets_an_answer_for_each_item(ask: Ask, sales: shopcat.Forecaster) -> None:
    """Some stores have a what-if, and one with more items than a request may have is unknown."""
    items = [item | ({"what_if": {"promo": True}} if item["store"] < 4 else {}) for item in MANY]
    items[100:100] = [{"store": 9999, "date": item["date"]} for item in MANY[:1010]]
    assert_alike(ask("forecast", items), sales.forecast(items))


def test_a_list_beyond_the_size_of_a_body_gets_an_answer_for_each_item(ask: Ask, sales: shopcat.Forecaster) -> None:
    items = [item | {"columns": {f"note {number}": "x" * 100 for number in range(20)}} for item in MANY[:600]]
    answers = ask("forecast", items)
    assert_alike([answer.sales for answer in answers], [answer.sales for answer in sales.forecast(MANY[:600])])


def test_many_explanations_are_several_requests(ask: Ask, sales: shopcat.Forecaster) -> None:
    assert_alike(ask("explain", MANY[:55]), sales.explain(MANY[:55]))


def test_a_list_without_a_valid_item_raises_the_first_problem(ask: Ask) -> None:
    with pytest.raises(shopcat.RequestError, match="9999") as raised:
        ask("forecast", [{"store": 9999, "date": item["date"]} for item in MANY])
    assert raised.value.kind == "unknown-store"


def test_a_wrong_option_is_not_a_problem_of_the_items(ask: Ask) -> None:
    with pytest.raises(shopcat.RequestError) as raised:
        ask("forecast", MANY, levels=[0.5])
    assert [field.path for field in raised.value.errors] == ["/levels/0"]


def test_the_problem_of_an_item_has_its_place_in_the_list(ask: Ask) -> None:
    items = [*MANY, {"store": 1, "date": "2015-08-01", "promo": 7}]
    answer = ask("forecast", items)[-1]
    assert [field.path for field in answer.problem.errors] == [f"/items/{len(MANY)}/promo"]


@pytest.mark.parametrize("method", ["forecast", "what_if", "explain"])
def test_a_frame_gets_a_frame(ask: Ask, sales: shopcat.Forecaster, method: str) -> None:
    frame = pd.DataFrame(ITEMS[::2], index=["a", "b"])
    changes = {"open": True} if method == "what_if" else {}
    answer, expected = ask(method, frame, **changes), getattr(sales, method)(frame, **changes)
    pd.testing.assert_frame_equal(answer, expected, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    ("photo", "options"),
    [
        (str(PHOTO), {}),
        (PHOTO, {"heatmap": "gradcam", "overlay": "none"}),
        (PHOTO.read_bytes(), {"heatmap": "contrast", "top_k": 2}),
        ([PHOTO, b"no photo", PHOTO.read_bytes()], {"look": "closer"}),
        ([], {}),
    ],
)
def test_a_photo_gets_the_answer_of_the_loaded_model(
    ask: Ask, pets: shopcat.Classifier, photo: Any, options: dict[str, Any]
) -> None:
    assert_alike(unsigned(ask("classify", photo, **options)), pets.classify(photo, **options))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L"])
@pytest.mark.parametrize("largest_png", [8_000_000, 1000])
def test_a_pillow_image_is_a_photo(
    ask: Ask, pets: shopcat.Classifier, mode: str, largest_png: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One whose PNG would be too large for a request is sent as a JPEG."""
    monkeypatch.setattr(messages, "_MAX_PNG", largest_png)
    picture, file = Image.open(PHOTO).convert(mode), io.BytesIO()
    picture.save(file, "PNG")
    answer, expected = ask("classify", picture), pets.classify(file.getvalue())
    assert (answer.breed, answer.probability) == (expected.breed, pytest.approx(expected.probability, abs=0.05))


def test_a_wrong_option_of_photos_is_raised(ask: Ask) -> None:
    with pytest.raises(shopcat.RequestError) as raised:
        ask("classify", [PHOTO, PHOTO], heatmap="gradcam", class_="Bagle")
    assert raised.value.kind == "unknown-class"
    assert "beagle" in str(raised.value)


def test_a_wrong_key_is_a_request_error(config: GatewayConfig) -> None:
    with shopcat.Client(config.url, api_key="another") as client, pytest.raises(shopcat.RequestError) as raised:
        client.forecast(**DAY)
    assert (raised.value.kind, bool(raised.value.request_id)) == ("unauthorized", True)


def test_one_client_serves_many_threads_or_tasks(config: GatewayConfig, sales: shopcat.Forecaster) -> None:
    days = MANY[:40]
    expected = [sales.forecast(**day).sales for day in days]
    with shopcat.Client(config.url, api_key=KEY) as client, ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda day: client.forecast(**day), days))
    assert_alike([answer.sales for answer in answers], expected)

    async def ask_all() -> list[shopcat.Forecast]:
        async with shopcat.AsyncClient(config.url, api_key=KEY) as client:
            return await asyncio.gather(*(client.forecast(**day) for day in days))

    assert_alike([answer.sales for answer in asyncio.run(ask_all())], expected)
