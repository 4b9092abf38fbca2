"""Facts of store-days as a bundle knows or assumes them, by the fields of a request."""

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
        values: ``[row]`` by field of a request, as numbers: a value of the calendar, a code of a category, or NaN where
            unknown. A field of the weather has its own name, and a column of the user's the prefix ``own.``.
        assumed: ``[row]`` by fact, true where neither the tables nor a client state it. The weather is one fact, and
            so are all columns of the user's.
    """

    values: dict[str, NDArray[Any]]
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


def known_facts(model: Model, store: Int64, day: Int64) -> Facts:
    """Return the facts that a model uses, as it knows or assumes them.

    Args:
        model: parts of the model.
        store: ``[row]``, index into the panel's stores.
        day: ``[row]``, index into the panel's days.
    """
    calendar, features = model.panel.calendar, model.features
    values: dict[str, NDArray[Any]] = {}
    assumed: dict[str, NDArray[np.bool_]] = {}
    for field in used_fields(model.preprocessor):
        values[field] = getattr(calendar, field)[store, day]
        assumed[field] = (calendar.assumed[store, day] >> FIELDS.index(field) & 1) > 0
    weather, columns_of_user = weather_fields(model), own_fields(model)
    columns = {**weather, **{field: field for field in columns_of_user}}
    if columns:
        built, names = features.build(store, day), features.feature_set
        for field, column in columns.items():
            if column in names.cat_names:
                codes = built.cats[:, names.cat_names.index(column)]
                values[field] = np.where((codes >= 0) & (codes < len(model.panel.levels[column])), codes, np.nan)
            else:
                values[field] = built.conts[:, names.cont_names.index(column)]
    if weather:
        assumed[WEATHER] = features.season_only[model.panel.state[store], day]
    if columns_of_user:
        assumed[COLUMNS] = user_columns.assumed(model.panel, features.feature_set.names)[store, day]
    return Facts(values, assumed)


def words_of(model: Model, field: str) -> tuple[int | str, ...]:
    """Return the words of a field's codes; none if its values are numbers or flags."""
    if field == "state_holiday":
        return STATE_HOLIDAYS
    column = weather_fields(model).get(field, field)
    return model.panel.levels.get(column, ()) if column in model.features.feature_set.cat_names else ()
