"""The models, cards, stores and past sales that the console's pages show, compared with the bundles' own files."""

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from console.catalogue import card_of, models_of, panel_of
from console.stores import history_of, stores_of
from sales.forecaster import Forecaster
from schemas.catalogue import History
from schemas.problems import ProblemError
from schemas.sales.parse import parse_request

STORE = Path(__file__).parents[2] / "model_store"
DEMO, PETS = STORE / "demo", STORE / "pets"


BUNDLES = {"sales": DEMO, "pets": PETS}


def history(store: str, first: str, last: str) -> History:
    return history_of(*panel_of(BUNDLES, "sales"), store, first, last)


def test_models_are_summarised_as_their_manifests_say() -> None:
    sales, pets = models_of(BUNDLES).model_dump(mode="json")["models"]
    manifest = json.loads((DEMO / "bundle.json").read_text())
    assert (sales["kind"], sales["name"], sales["version"]) == ("sales", "sales", manifest["version"])
    assert (sales["cutoff"], sales["horizon"], sales["stores"]) == (manifest["cutoff"], manifest["horizon"], 20)
    assert sales["coverage"] == manifest["calibration"]["coverage"]
    manifest = json.loads((PETS / "bundle.json").read_text())
    assert (pets["kind"], pets["version"], pets["threshold"]) == ("pets", manifest["version"], manifest["threshold"])
    assert {breed["breed"]: breed["species"] for breed in pets["classes"]} == {
        breed["name"]: breed["species"] for breed in manifest["classes"]
    }
    assert pets["kept_days"] is None
    assert models_of(BUNDLES, kept_days=30).model_dump(mode="json")["models"][1]["kept_days"] == 30


def test_a_card_is_the_text_of_the_bundle() -> None:
    assert card_of(BUNDLES, "pets").markdown == (PETS / "MODEL_CARD.md").read_text()


def test_stores_have_the_facts_and_the_span_of_the_tables() -> None:
    tables = load_file(DEMO / "tables.safetensors")
    levels = json.loads((DEMO / "bundle.json").read_text())["levels"]
    stores = stores_of(*panel_of(BUNDLES, "sales")).stores
    assert [store.store for store in stores] == levels["Store"]
    for index, store in enumerate(stores):
        assert store.type == levels["StoreType"][tables["store_type"][index]]
        assert store.state == levels["State"][tables["state"][index]]
        sold = np.flatnonzero(~np.isnan(tables["sales"][index]))
        first_day = dt.date(1970, 1, 1) + dt.timedelta(days=int(tables["calendar.first_day"].item()))
        assert store.first_sale == first_day + dt.timedelta(days=int(sold[0]))
        assert store.last_sale == first_day + dt.timedelta(days=int(sold[-1]))


def test_a_history_has_known_sales_and_the_plan_that_forecasts_start_from() -> None:
    days = history("1", "2015-07-27", "2015-08-09").days
    assert [day.date for day in days] == [dt.date(2015, 7, 27) + dt.timedelta(days=index) for index in range(14)]
    assert all(day.sales for day in days[:5] if day.open)
    assert all(day.sales is None for day in days[5:])
    # The plan is the one of the forecasts: stating it changes none of them.
    forecaster = Forecaster.load(DEMO)
    ahead = days[5:]
    plain, stated = (
        [item.sales for item in answer.items]  # type: ignore[union-attr]
        for answer in forecaster.predict(
            [
                parse_request({"store": 1, "start": "2015-08-01", "days": len(ahead)}),
                parse_request(
                    {
                        "store": 1,
                        "start": "2015-08-01",
                        "days": len(ahead),
                        "open": [day.open for day in ahead],
                        "promo": [day.promo for day in ahead],
                        "state_holiday": [day.state_holiday for day in ahead],
                        "school_holiday": [day.school_holiday for day in ahead],
                    }
                ),
            ]
        )
    )
    assert plain == stated
    assert [sales > 0 for sales in plain] == [day.open for day in ahead]


def test_a_history_ends_with_the_calendar() -> None:
    manifest, panel = panel_of(BUNDLES, "sales")
    days = history("3", "2000-01-01", "2013-01-02").days
    assert days[0].date == manifest.first_date
    assert history("3", "2016-07-30", "2030-01-01").days[-1].date == manifest.last_date
    assert history("3", "2030-01-01", "2030-01-02").days == []
    assert len(panel.store_ids) == 20


@pytest.mark.parametrize(
    ("store", "first", "last", "kind", "text"),
    [
        ("21", "2015-08-01", "2015-08-02", "unknown-store", "no store '21'"),
        ("../1", "2015-08-01", "2015-08-02", "unknown-store", "no store"),
        ("1", "2015-02-30", "2015-08-02", "invalid-request", "/first: must be a date"),
        ("1", "2015-08-02", "2015-08-01", "invalid-request", "/last: must not be before first"),
        ("1", "", "2015-08-01", "invalid-request", "/first: must be a date"),
    ],
)
def test_a_wrong_question_gets_a_problem_that_names_the_field(
    store: str, first: str, last: str, kind: str, text: str
) -> None:
    with pytest.raises(ProblemError, match=text) as raised:
        history(store, first, last)
    assert raised.value.problem.type.endswith(kind)


@pytest.mark.parametrize("name", ["nobody", "../demo", ""])
def test_an_unknown_model_is_not_found(name: str) -> None:
    for question in (card_of, panel_of):
        with pytest.raises(ProblemError, match="the models are sales, pets"):
            question(BUNDLES, name)


def test_a_pets_model_has_no_stores() -> None:
    with pytest.raises(ProblemError, match="no sales model"):
        panel_of(BUNDLES, "pets")


def test_a_bundle_that_was_replaced_is_read_again(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    shutil.copytree(DEMO, folder)
    bundles = {"sales": folder}
    first = panel_of(bundles, "sales")
    assert panel_of(bundles, "sales")[1] is first[1]
    manifest = json.loads((folder / "bundle.json").read_text())
    (folder / "bundle.json").write_text(json.dumps({**manifest, "version": "20150731-00000000"}))
    assert panel_of(bundles, "sales")[0].version == "20150731-00000000"
    assert models_of(bundles).models[0].version == "20150731-00000000"
