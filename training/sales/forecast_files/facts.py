"""Facts of store-days as a bundle knows or assumes them, by the fields of a request."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from sales.arrays import Int64
from sales.calendar import FIELDS, STATE_HOLIDAYS
from sales.columns.weather import REQUEST_FIELDS
from sales.forecaster import Model
from sales.inputs import used_fields

WEATHER = "weather"


class Facts(NamedTuple):
    """Facts of store-days.

    Attributes:
        values: ``[row]`` by field of a request, in the types of a request; None where unknown.
        assumed: ``[row]`` by field, true where neither the tables nor a client state the fact. The weather is one
            fact, of all its fields.
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
    fields = weather_fields(model)
    if fields:
        columns, names = features.build(store, day), features.feature_set
        for field, column in fields.items():
            if column in names.cat_names:
                words = (*model.panel.levels[column], None)  # the code -1 is missing
                codes = columns.cats[:, names.cat_names.index(column)].tolist()
                values[field] = [words[code] if code < len(words) else None for code in codes]
            else:
                numbers = columns.conts[:, names.cont_names.index(column)]
                values[field] = [None if np.isnan(number) else number for number in numbers]
        assumed[WEATHER] = features.season_only[model.panel.state[store], day]
    return Facts(values, assumed)
