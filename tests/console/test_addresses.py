"""Methods of the console's addresses, as the contract has them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from console.app import create_app
from console.settings import Settings
from schemas.console import paths

MODELS = Path(__file__).parents[2] / "model_store"
METHODS = {"get", "post", "put", "patch", "delete", "options", "trace"}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[TestClient]:
    """A console that serves both shipped models, for a client with every role."""
    bundles = {"sales": MODELS / "demo", "pets": MODELS / "pets"}
    options = {"data": tmp_path, "gateway": "http://127.0.0.1:8080", "socket": tmp_path / "pages.sock"}
    with TestClient(create_app(Settings(**options, bundles=bundles)), base_url="http://127.0.0.1:8080") as client:
        yield client


@pytest.mark.parametrize("path", paths())
def test_an_address_rejects_the_methods_that_its_contract_lacks(client: TestClient, path: str) -> None:
    """The header Allow names those that it has; no other address with the same pattern adds one."""
    declared = METHODS & paths()[path].keys()
    for method in METHODS - declared:
        if method in ("get", "post") and path == "/feedback/{id}":
            continue  # the answer to a misspelt model's name is not-found, with the names of the models
        address = path.replace("{name}", "sales").replace("{size}", "64")
        address = address.replace("{number}", "0").replace("{label}", "1")
        answer = client.request(method, address.replace("{", "").replace("}", ""))
        assert answer.status_code == 405, method
        assert {name.lower() for name in answer.headers["allow"].split(", ")} - {"head"} == declared


@pytest.mark.parametrize("address", ["/feedback/export?model=sales&", "/review/export?"])
def test_the_days_of_an_export_are_dates_of_the_calendar(client: TestClient, address: str) -> None:
    for day in ("0", "20260801", "2026-W31-6", "2026-08-01T00:00:00", "", "2026-02-30"):
        assert client.get(f"{address}to={day}").status_code == 422, day
    for day in ("0001-01-01", "2026-08-01", "9999-12-31"):
        assert client.get(f"{address}from={day}&to={day}").status_code == 200, day
