"""Columns about public and school holidays."""

from sales.calendar import STATE_HOLIDAYS, Calendar
from sales.columns.column import Column, Table, cats, conts
from sales.columns.distance import around, distance
from sales.columns.stretches import school_columns

SINCE = 30  # days

COLUMNS = (
    Column("StateHolidayType", "cat", "holidays", "state_holiday", STATE_HOLIDAYS),
    *cats("holidays", "StateHoliday_bw", "StateHoliday_fw", field="state_holiday"),
    *conts("holidays", "SinceStateHoliday", "UntilStateHoliday", field="state_holiday"),
    *conts("holidays", "SinceEaster", "UntilEaster", "SinceChristmas", "UntilChristmas", field="state_holiday"),
    *cats("holidays", "SchoolHoliday", "SchoolHoliday_bw", "SchoolHoliday_fw", field="school_holiday"),
    *conts("holidays", "SinceSchoolHoliday", "UntilSchoolHoliday", field="school_holiday"),
)


def plan_columns(calendar: Calendar) -> Table:
    """Return the ``[store, day]`` columns that follow from the planned calendar."""
    state_holiday, school_holiday = calendar.state_holiday > 0, calendar.school_holiday > 0
    return {
        "StateHolidayType": calendar.state_holiday,
        **around("StateHoliday", state_holiday),
        **distance("StateHoliday", state_holiday, SINCE),
        **distance("Easter", calendar.state_holiday == STATE_HOLIDAYS.index("b"), SINCE),
        **distance("Christmas", calendar.state_holiday == STATE_HOLIDAYS.index("c"), SINCE),
        "SchoolHoliday": school_holiday,
        **around("SchoolHoliday", school_holiday),
        **distance("SchoolHoliday", school_holiday, SINCE),
        **school_columns(school_holiday),
    }
