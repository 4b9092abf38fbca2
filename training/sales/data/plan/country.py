"""State holidays of a country and its states, from the package `holidays`, in Kaggle's three kinds."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from typing import NamedTuple

import holidays

from sales.columns.events import easter, orthodox_easter
from training.options import OptionsError

PUBLIC, EASTER, CHRISTMAS = 1, 2, 3  # indices into STATE_HOLIDAYS
EASTER_DAYS = range(-3, 2)  # days from Maundy Thursday to Easter Monday


class Holiday(NamedTuple):
    """A state holiday.

    Attributes:
        date: its date.
        kind: index into ``STATE_HOLIDAYS``.
        name: its name, in English where the package has it.
    """

    date: dt.date
    kind: int
    name: str


def state_holidays(country: str, state: str | None, years: Iterable[int]) -> list[Holiday]:
    """Return the holidays of a state in some years, in the order of their dates.

    Args:
        country: the country's code.
        state: the state's code or name. For several codes, separated by commas, only the holidays common to all of them
            count. If it is None, or the package does not know it, only the holidays of the whole country count.
        years: the years.

    Raises:
        OptionsError: if the package does not know the country.
    """
    if country not in holidays.list_supported_countries(include_aliases=False):
        raise OptionsError(
            f"the holidays of the country {country!r} are not known; give --country as an ISO 3166 code, such as DE or "
            "US, or leave it out and state the holidays in the tables"
        )
    years = list(years)
    parts = [_subdivision(country, part.strip()) for part in (state or "").split(",")]
    calendars = [_calendar(country, part, years) for part in parts]
    shared = set(calendars[0]).intersection(*calendars[1:])
    return [Holiday(date, _kind(date, name), name) for date, name in sorted(calendars[0].items()) if date in shared]


def _calendar(country: str, subdivision: str | None, years: list[int]) -> dict[dt.date, str]:
    """Return the names of the holidays by date."""
    languages = getattr(holidays, country).supported_languages or ()
    language = next((language for language in ("en_US", "en_GB") if language in languages), None)
    return dict(holidays.country_holidays(country, subdiv=subdivision, years=years, language=language))


def _subdivision(country: str, state: str) -> str | None:
    """Return the package's code of a state; None if it knows none."""
    entity = getattr(holidays, country)
    aliases = {name.casefold(): code for name, code in entity.subdivisions_aliases.items()}
    codes = {code.casefold(): code for code in entity.subdivisions}
    state = state.casefold().removeprefix(f"{country.casefold()}-")
    return codes.get(state) or aliases.get(state)


def _kind(date: dt.date, name: str) -> int:
    """Return the kind of a holiday, by its date and its name."""
    if (date.month == 12 and 24 <= date.day <= 26) or "christmas" in name.casefold():
        return CHRISTMAS
    day = (date - dt.date(1970, 1, 1)).days
    near = any(day - int(computus(date.year)) in EASTER_DAYS for computus in (easter, orthodox_easter))
    return (
        EASTER
        if near and any(word in name.casefold() for word in ("easter", "good friday", "holy", "maundy"))
        else PUBLIC
    )
