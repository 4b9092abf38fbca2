"""Holidays of countries and states in Kaggle's kinds."""

import pytest

from training.options import OptionsError
from training.sales.data.plan.country import CHRISTMAS, EASTER, PUBLIC, state_holidays


def kinds(country: str, state: str | None) -> dict[str, int]:
    return {holiday.date.isoformat()[5:]: holiday.kind for holiday in state_holidays(country, state, [2015])}


def test_german_holidays_have_rossmanns_kinds() -> None:
    """The days and kinds are those of Rossmann's own tables."""
    national = {"01-01": PUBLIC, "04-03": EASTER, "04-06": EASTER, "05-01": PUBLIC, "05-14": PUBLIC, "05-25": PUBLIC}
    national |= {"10-03": PUBLIC, "12-25": CHRISTMAS, "12-26": CHRISTMAS}
    assert kinds("DE", None) == national
    assert kinds("DE", "NW") == national | {"06-04": PUBLIC, "11-01": PUBLIC}
    assert kinds("DE", "nw") == kinds("DE", "DE-NW") == kinds("DE", "Nordrhein-Westfalen") == kinds("DE", "NW")


def test_several_states_in_one_share_their_holidays() -> None:
    assert kinds("DE", "NW,SN") == kinds("DE", None)  # All Saints' Day here, Reformation Day there
    assert kinds("DE", "HB,NI") == kinds("DE", "HB")


def test_a_state_that_is_not_known_has_the_countrys_holidays() -> None:
    assert kinds("US", "Atlantis") == kinds("US", None)


def test_orthodox_easter_and_christmas_are_recognized() -> None:
    greek = kinds("GR", None)
    assert (greek["04-10"], greek["04-13"], greek["12-25"], greek["05-01"]) == (EASTER, EASTER, CHRISTMAS, PUBLIC)


def test_an_unknown_country_is_rejected() -> None:
    with pytest.raises(OptionsError, match="'XX' are not known; give --country as an ISO 3166 code"):
        state_holidays("XX", None, [2015])
