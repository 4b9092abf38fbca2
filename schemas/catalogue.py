"""Answers of the console's own API: the models of the service, and the stores and past sales of a sales model."""

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from schemas.bundle import NAME
from schemas.openapi_parts import json_content, responses
from schemas.pets.answer import SpeciesField
from schemas.sales.options import Objective
from schemas.sales.request import StateHoliday, StoreId


class _Answer(BaseModel):
    """An answer, immutable."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _ModelSummary(_Answer):
    name: str = Field(description="Name of the model, as in /predictions/NAME.")
    version: str = Field(description="Version of the model.")
    created: dt.datetime = Field(description="Time when the bundle was written.")


class SalesModel(_ModelSummary):
    """Summary of a sales model."""

    kind: Literal["sales"] = Field(description="Kind of the model.")
    cutoff: dt.date = Field(description="Last day whose sales the model knows.")
    horizon: int = Field(description="Number of days after the cutoff that the model is made for.")
    first_date: dt.date = Field(description="First day of the calendar.")
    last_date: dt.date = Field(description="Last day of the calendar.")
    objective: Objective = Field(description="Measure that forecasts are best for by default.")
    calibrated: bool = Field(description="True if the model has intervals and quantiles.")
    coverage: dict[str, float] = Field(
        description="Share of past sales within their interval, by its level in percent; empty if unknown."
    )
    synthetic: bool = Field(description="True if trained on generated tables: the forecasts then mean nothing.")
    stores: int = Field(description="Number of stores.")


class BreedClass(_Answer):
    """A class of a pets model."""

    breed: str = Field(description="Name of the class.")
    species: SpeciesField


class PetsModel(_ModelSummary):
    """Summary of a pets model."""

    kind: Literal["pets"] = Field(description="Kind of the model.")
    classes: list[BreedClass] = Field(description="Classes of the model, by name.")
    threshold: float = Field(description="Probability below which a prediction is for review.")
    notices_unknown: bool = Field(description="True if the model notices photos that are unlike its training photos.")
    review_share: float = Field(description="Share of the accepted photos that go to review at random, 0 to 1.")
    kept_days: int | None = Field(
        description="Number of days for which a photo is kept if its sender agrees; null if the service keeps none."
    )


class ModelList(_Answer):
    """The models of the service."""

    models: list[Annotated[SalesModel | PetsModel, Field(discriminator="kind")]] = Field(
        description="A summary of each model, in the order in which the service was given them."
    )


class ModelCard(_Answer):
    """Model card of a model: intended use, figures and limits."""

    name: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    markdown: str = Field(description="The card, in Markdown.")


class KnownStore(_Answer):
    """A store that a sales model knows."""

    store: StoreId = Field(description="Id of the store, a number or a text as in the training tables.")
    type: str | None = Field(description="Type of the store; null if unknown.")
    assortment: str | None = Field(description="Assortment of the store; null if unknown.")
    state: str | None = Field(description="State of the store; null if unknown.")
    first_sale: dt.date | None = Field(description="First day with known sales; null without any.")
    last_sale: dt.date | None = Field(description="Last day with known sales; null without any.")


class StoreList(_Answer):
    """Stores of a sales model."""

    model: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    stores: list[KnownStore] = Field(description="The stores, by id.")


class PlanDay(_Answer):
    """A day of a store: its sales if they are known, and the plan that forecasts start from."""

    date: dt.date = Field(description="The day.")
    sales: float | None = Field(description="Known sales; null if the store was closed or they are unknown.")
    open: bool = Field(description="True if the store is open.")
    promo: bool = Field(description="True if the store runs a promotion.")
    state_holiday: StateHoliday = Field(description="Holiday: `0` none, `a` public holiday, `b` Easter, `c` Christmas.")
    school_holiday: bool = Field(description="True if schools are closed.")
    assumed: list[Literal["open", "promo", "state_holiday", "school_holiday"]] = Field(
        description="Facts that no table states, so that the model assumed them."
    )


class History(_Answer):
    """Known sales and plan of a store."""

    model: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")
    store: StoreId = Field(description="Id of the store.")
    days: list[PlanDay] = Field(description="The days, without a gap, as far as the model's calendar has them.")


ANSWERS = (ModelList, ModelCard, StoreList, History)

_NAME = {
    "name": "name",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "pattern": NAME},
    "description": "Name of a model.",
}
_HISTORY = (
    {"name": "store", "schema": {"type": "string"}, "description": "Id of the store."},
    {"name": "first", "schema": {"type": "string", "format": "date"}, "description": "First day, YYYY-MM-DD."},
    {"name": "last", "schema": {"type": "string", "format": "date"}, "description": "Last day, YYYY-MM-DD."},
)


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    query = [{**parameter, "in": "query", "required": True} for parameter in _HISTORY]
    return {
        "/console/api/models": _get("listModels", "List the models of the service", ModelList, []),
        "/console/api/models/{name}/card": _get("getModelCard", "Return the card of a model", ModelCard, [_NAME]),
        "/console/api/sales/{name}/stores": _get("listStores", "List the stores of a sales model", StoreList, [_NAME]),
        "/console/api/sales/{name}/history": _get(
            "getHistory", "Return the known sales and the plan of a store", History, [_NAME, *query]
        ),
    }


def _get(operation: str, summary: str, answer: type[_Answer], parameters: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "parameters": parameters,
        "get": {
            "operationId": operation,
            "tags": ["console"],
            "summary": summary,
            "responses": responses(
                f"{answer.__doc__}", json_content((answer.__name__,), {}), ("invalid-request", "unknown-store")
            ),
        },
    }
