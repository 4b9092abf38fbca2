"""Forecasts as columns are those of the requests' answers, to the last bit."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sales.answers.uncertainty import all_rounded, rounded
from sales.forecaster import Forecaster
from sales.inputs import ASSUMED, Rows
from sales.statements.facts import facts_of
from schemas.sales.answer import Forecasts, ItemForecast
from schemas.sales.options import AnswerOptions
from schemas.sales.parse import ForecastRequest
from schemas.sales.request import Item

OPTIONS = [
    AnswerOptions(),
    AnswerOptions(levels=[80, 95], objective="mean"),
    AnswerOptions(quantiles=[0.1, 0.5, 0.99]),
]


@given(
    st.lists(
        st.one_of(
            st.floats(0, 1e7),
            st.floats(0, allow_infinity=False),
            st.integers(0, 10**8).map(lambda number: number / 10 + 0.05),
            st.integers(1_000_000, 9_999_999).map(lambda digits: (digits + 0.5) / 1e3),  # next to a tie
        ),
        min_size=1,
    )
)
def test_columns_are_rounded_as_single_amounts(amounts: list[float]) -> None:
    assert all_rounded(np.array(amounts)).tolist() == [rounded(amount) for amount in amounts]


def test_powers_of_ten_and_their_neighbours_are_rounded_alike() -> None:
    powers = 10.0 ** np.arange(-20, 20)
    amounts = np.concatenate([np.nextafter(powers, 0), powers, np.nextafter(powers, np.inf), powers * 0.99999995, [0]])
    assert all_rounded(amounts).tolist() == [rounded(amount) for amount in amounts.tolist()]


@pytest.mark.parametrize("options", OPTIONS, ids=["median", "intervals", "quantiles"])
def test_columns_are_the_answers_of_requests(forecaster: Forecaster, options: AnswerOptions) -> None:
    """Items of all kinds: past, beyond the horizon, contradicting each other, with weather out of range."""
    rng = np.random.default_rng(0)
    calendar, stores = forecaster.model.panel.calendar, forecaster.model.panel.store_ids
    store = rng.integers(0, len(stores), 400)
    day = rng.integers(forecaster.model.panel.cutoff - 5, forecaster.model.panel.cutoff + 70, 400)
    items = [
        Item.model_validate(
            {"store": stores[s], "date": calendar.date(d)}
            | ({"promo": bool(rng.random() < 0.5)} if rng.random() < 0.2 else {})
            | ({"state_holiday": "a"} if rng.random() < 0.05 else {})
            | ({"open": bool(rng.random() < 0.8)} if rng.random() < 0.2 else {})
            | ({"weather": {"mean_temperature": float(rng.integers(-90, 90))}} if rng.random() < 0.1 else {})
        )
        for s, d in zip(store.tolist(), day.tolist(), strict=True)
    ]
    (answer,) = forecaster.predict([ForecastRequest(tuple(items), single=False, options=options)])
    assert isinstance(answer, Forecasts)
    rows = Rows(np.zeros_like(store), store, day, facts_of(items, forecaster.model.features))
    columns = forecaster.columns(rows, options)
    forecasts = [item for item in answer.items if isinstance(item, ItemForecast)]
    assert columns.sales.tolist() == [forecast.sales for forecast in forecasts]
    assert [ASSUMED[bits] for bits in columns.assumed] == [forecast.assumed for forecast in forecasts]
    assert [columns.warnings.get(row, []) for row in range(400)] == [forecast.warnings for forecast in forecasts]
    assert any(columns.warnings)
    ends = [
        [*(end for interval in f.intervals or () for end in (interval.low, interval.high))]
        + [quantile.sales for quantile in f.quantiles or ()]
        for f in forecasts
    ]
    assert ends == ([[]] * 400 if columns.quantiles is None else columns.quantiles.tolist())
