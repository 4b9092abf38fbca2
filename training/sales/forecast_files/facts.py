"""Facts of store-days as a bundle knows or assumes them, by the fields of a request."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales.arrays import Int64
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.columns import own as user_columns
from sales.columns.weather import REQUEST_FIELDS
from sales.forecaster import Model
from sales.inputs import used_fields
from schemas.sales.column_names import WEATHER_FIELDS

WEATHER, COLUMNS = "weather", "columns"  # each is one fact


def fact_of(field: str) -> str:
    """Return the fact that a field belongs to, as answers name it in ``assumed``."""
    if field.startswith(user_columns.PREFIX):
        return COLUMNS
    return WEATHER if field in WEATHER_FIELDS else field


class Facts(NamedTuple):
    """Facts of store-days.

    Attributes:
        values: ``[row]`` by field of a request, in the types of a request; None where unknown. A field of the weather
            has its own name, and a column of the user's the prefix ``own.``.
        assumed: ``[row]`` by fact, true where neither the tables nor a client state it. The weather is one fact, and
            so are all columns of the user's.
    """

    values: dict[str, list[Any]]
    assumed: dict[str, NDArray[np.bool_]]

    def assumed_names(self) -> list[tuple[str, ...]]:
        """Return the names of the assumed facts, ``[row]``."""
        names = tuple(self.assumed)
        rows = zip(*(self.assumed[name].tolist() for name in names), strict=True)
        return [tuple(name for name, flag in zip(names, flags, strict=True) if flag) for flags in rows]


def weather_fields(model: Model) -> dict[str, str]:
    """Return the fields of the weather that a model uses, in the order of a request, with their columns."""
    return {field: column for column, field in REQUEST_FIELDS.items() if column in model.features.weather}


def own_fields(model: Model) -> dict[str, user_columns.OwnColumn]:
    """Return the columns of the user's that a request can state, by the fields that stand for them."""
    ahead = model.features.own.known_ahead
    return {column.column: column for column in user_columns.own_columns(model.panel) if column.name in ahead}


def row_places(values: Mapping[str, list[Any]], model: Model) -> NDArray[np.int64]:
    """Return row, store and day as indices ``[3, row]`` of the rows whose store and day the model knows."""
    stores = {store: index for index, store in enumerate(model.panel.store_ids)}
    calendar = model.panel.calendar
    places = []
    for row, (store, date) in enumerate(zip(values["store"], values["date"], strict=True)):
        day = calendar.day(date) if hasattr(date, "year") else -1
        if store in stores and 0 <= day < calendar.days:
            places.append((row, stores[store], day))
    return np.array(places, dtype=np.int64).reshape(-1, 3).T


def known_facts(model: Model, store: Int64, day: Int64) -> Facts:
    """Return the facts that a model uses, as it knows or assumes them.

    Args:
        model: parts of the model.
        store: ``[row]``, index into the panel's stores.
        day: ``[row]``, index into the panel's days.
    """
    calendar, features = model.panel.calendar, model.features
    values: dict[str, list[Any]] = {}
    assumed: dict[str, NDArray[np.bool_]] = {}
    for field in used_fields(model.preprocessor):
        grid = getattr(calendar, field)[store, day]
        if field == "state_holiday":
            values[field] = [STATE_HOLIDAYS[code] for code in grid.tolist()]
        else:
            values[field] = grid.astype(np.bool_).tolist()
        assumed[field] = (calendar.assumed[store, day] >> FIELDS.index(field) & 1) > 0
    weather, columns_of_user = weather_fields(model), own_fields(model)
    columns = {**weather, **{field: field for field in columns_of_user}}
    if columns:
        values |= _column_values(model, store, day, columns)
    if weather:
        assumed[WEATHER] = features.season_only[model.panel.state[store], day]
    if columns_of_user:
        assumed[COLUMNS] = user_columns.assumed(model.panel, features.feature_set.names)[store, day]
    return Facts(values, assumed)


def _column_values(model: Model, store: Int64, day: Int64, columns: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the values of some columns of the model by field, words in place of codes; None where unknown."""
    built, names = model.features.build(store, day), model.features.feature_set
    values: dict[str, list[Any]] = {}
    for field, column in columns.items():
        if column in names.cat_names:
            words = [*map(str, model.panel.levels[column])]
            codes = built.cats[:, names.cat_names.index(column)].tolist()
            values[field] = [words[code] if 0 <= code < len(words) else None for code in codes]
        else:
            numbers = built.conts[:, names.cont_names.index(column)]
            values[field] = [None if np.isnan(number) else number for number in numbers]
    return values
