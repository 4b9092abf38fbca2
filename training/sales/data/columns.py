"""Schema of the tables: their columns, and the values that a column may have.

Inside Shopcat a column has Kaggle's name. `schemas.sales.column_names` has the names that it may have in a file.
"""

import math
from collections.abc import Mapping
from typing import Literal, NamedTuple

Kind = Literal["id", "whole", "number", "flag", "date", "week", "holiday", "months", "text"]


class Column(NamedTuple):
    """Values that a column may have."""

    kind: Kind
    gaps: bool = False  # a row may leave the field empty
    optional: bool = False  # the file may lack the column
    least: float = -math.inf
    most: float = math.inf


_STORE = Column("id", least=0, most=2**31 - 1)
_FLAG = Column("flag", optional=True)
_DEGREES = Column("number", gaps=True, optional=True, least=-100, most=100)
_PERCENT = Column("number", gaps=True, optional=True, least=0, most=100)
_MEASURED = Column("number", gaps=True, optional=True, least=0)
_YEAR = Column("whole", gaps=True, optional=True, least=1800, most=2099)
_TEXT = Column("text", gaps=True, optional=True)

COLUMNS: Mapping[str, Mapping[str, Column]] = {
    "train": {
        "Store": _STORE,
        "Date": Column("date"),
        "Sales": Column("number", least=0),
        "Customers": _MEASURED,
        "Open": _FLAG,
        "Promo": _FLAG,
        "StateHoliday": Column("holiday", optional=True),
        "SchoolHoliday": _FLAG,
    },
    "test": {  # an empty field is not stated
        "Id": Column("whole", optional=True, least=0, most=2**31 - 1),
        "Store": _STORE,
        "Date": Column("date"),
        "Open": _FLAG._replace(gaps=True),
        "Promo": _FLAG._replace(gaps=True),
        "StateHoliday": Column("holiday", gaps=True, optional=True),
        "SchoolHoliday": _FLAG._replace(gaps=True),
    },
    "store": {
        "Store": _STORE,
        "State": _TEXT,
        "StoreType": _TEXT,
        "Assortment": _TEXT,
        "CompetitionDistance": _MEASURED,
        "CompetitionOpenSinceMonth": Column("whole", gaps=True, optional=True, least=1, most=12),
        "CompetitionOpenSinceYear": _YEAR,
        "Promo2": _FLAG,
        "Promo2SinceWeek": Column("whole", gaps=True, optional=True, least=1, most=53),
        "Promo2SinceYear": _YEAR,
        "PromoInterval": Column("months", gaps=True, optional=True),
    },
    "store_states": {"Store": _STORE, "State": Column("text")},
    "state_names": {"StateName": Column("text"), "State": Column("text")},
    "googletrend": {"file": Column("text"), "week": Column("week"), "trend": Column("number", gaps=True, least=0)},
    "weather": {
        "file": Column("text", optional=True),
        "Date": Column("date"),
        **{f"{which}_TemperatureC": _DEGREES for which in ("Max", "Mean", "Min")},
        **{f"{which}_Humidity": _PERCENT for which in ("Max", "Mean", "Min")},
        "Max_Wind_SpeedKm_h": _MEASURED,
        "Mean_Wind_SpeedKm_h": _MEASURED,
        "CloudCover": _MEASURED._replace(most=9),  # eighths of the sky; 9: hidden by fog
        "Precipitationmm": _MEASURED,
        "Events": _TEXT,
    },
    "events": {  # an empty store or state stands for all of them
        "Name": Column("text"),
        "From": Column("date"),
        "To": Column("date", gaps=True, optional=True),
        "Store": _STORE._replace(gaps=True, optional=True),
        "State": _TEXT,
    },
}
"""For each table its columns. Columns of other names are not used."""
