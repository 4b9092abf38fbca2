"""Feature sets: the columns that a model takes in each mode.

In production mode a model sees only facts that are known when the forecast is made. In parity mode it sees the columns
of the fast.ai lesson, future weather and search trends included, so that it can be compared with published figures.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from sales.history import NAMES as HISTORY

Mode = Literal["production", "parity"]


@dataclass(frozen=True)
class FeatureSet:
    """Names of a model's categorical and continuous columns, in order."""

    cat_names: tuple[str, ...]
    cont_names: tuple[str, ...]


# The fast.ai lesson's 22 categorical and 16 continuous columns. They look ahead: at the time of a forecast nobody knows
# the day's weather and Google's search trend.
PARITY = FeatureSet(
    cat_names=(
        "Store", "DayOfWeek", "Year", "Month", "Day", "StateHoliday", "CompetitionMonthsOpen", "Promo2Weeks",
        "StoreType", "Assortment", "PromoInterval", "CompetitionOpenSinceYear", "Promo2SinceYear", "State", "Week",
        "Events", "Promo_fw", "Promo_bw", "StateHoliday_fw", "StateHoliday_bw", "SchoolHoliday_fw",
        "SchoolHoliday_bw",
    ),
    cont_names=(
        "CompetitionDistance", "Max_TemperatureC", "Mean_TemperatureC", "Min_TemperatureC", "Max_Humidity",
        "Mean_Humidity", "Min_Humidity", "Max_Wind_SpeedKm_h", "Mean_Wind_SpeedKm_h", "CloudCover", "trend",
        "trend_DE", "AfterStateHoliday", "BeforeStateHoliday", "Promo", "SchoolHoliday",
    ),
)  # fmt: skip


# Only facts known when the forecast is made: the planned calendar, attributes of stores and dates, and sales up to the
# cutoff. There is no year and no running time, because training never saw those of the days to forecast.
PRODUCTION = FeatureSet(
    cat_names=(
        "Store", "DayOfWeek", "Month", "Day", "Week", "State", "StoreType", "Assortment", "StateHolidayType", "Promo",
        "SchoolHoliday", "PromoInterval", "Promo2Month", "Promo2Weeks", "CompetitionMonthsOpen", "OpenBefore_2",
        "OpenBefore_1", "OpenAfter_1", "OpenAfter_2", "Promo_bw", "Promo_fw", "SchoolHoliday_bw", "SchoolHoliday_fw",
        "StateHoliday_bw", "StateHoliday_fw",
    ),
    cont_names=(
        "SincePromo", "UntilPromo", "SinceStateHoliday", "UntilStateHoliday", "SinceSchoolHoliday",
        "UntilSchoolHoliday", "SinceEaster", "UntilEaster", "SinceChristmas", "UntilChristmas", "SinceLongClosure",
        "UntilLongClosure", "Open_bw", "Open_fw", "DaysToMonthEnd", "Sin_1", "Cos_1", "Sin_2", "Cos_2", "Sin_3",
        "Cos_3", "LogCompetitionDistance", "CompetitionMonths", "CompetitionOpen", "Mean_TemperatureC",
        "Mean_Humidity", "Mean_Wind_SpeedKm_h", "CloudCover", "Precipitationmm", *HISTORY,
    ),
)  # fmt: skip
FEATURE_SETS: Mapping[Mode, FeatureSet] = MappingProxyType({"production": PRODUCTION, "parity": PARITY})
