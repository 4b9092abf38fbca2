"""Claims of receipts: the facts about an answer that a service signs, and reads when the true value comes back."""

import datetime as dt
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from schemas.pets.answer import Decision, ReviewReason, Species
from schemas.pets.request import Retain
from schemas.sales.options import Objective
from schemas.sales.request import StoreId

# Quantiles in each receipt of forecasts, whatever the request asks for: the ends of the 80 and 90 percent intervals,
# and the median.
PROBABILITIES: Final = (0.05, 0.1, 0.5, 0.9, 0.95)
LEVELS: Final = (80, 90)  # percent

Slice = dict[str, str]  # value by name, such as {"store_type": "a"}


class Claims(BaseModel):
    """Claims of every receipt."""

    model_config = ConfigDict(extra="ignore", frozen=True)  # a later version may add claims

    id: str = Field(description="Id of the receipt.")
    time: int = Field(description="Time of the answer, seconds since 1970 (UTC).")
    model: str = Field(description="Name of the model.")
    version: str = Field(description="Version of the model.")

    def to_sign(self) -> dict[str, Any]:
        """Return the claims for `runtime.receipts.sign`."""
        return self.model_dump(mode="json")


class SalesClaims(Claims):
    """Claims about an answer with forecasts; the columns have one value for each of its items, in order.

    Forecasts with a what-if are not among them, because the world without the change is the one that is seen.
    """

    cutoff: dt.date = Field(description="Last day whose sales the model knew.")
    objective: Objective = Field(description="Measure that the forecasts are best for.")
    stores: list[StoreId | None] = Field(description="Store of each item; null for a rejected item.")
    days: list[int] = Field(description="Day of each item, in days after the cutoff; 0 for a rejected item.")
    sales: list[float] = Field(description="Forecast of each item; 0 for a rejected item.")
    quantiles: list[list[float]] = Field(
        description="Quantiles of each item's sales at PROBABILITIES; empty if the model has no calibration."
    )
    slices: list[Slice] = Field(description="Distinct slices of the items' stores.")
    slice: list[int] = Field(description="Place of each item's slice in `slices`.")

    @model_validator(mode="after")
    def _columns_have_one_length(self) -> "SalesClaims":
        columns = (self.days, self.sales, self.slice, *((self.quantiles,) if self.quantiles else ()))
        if any(len(column) != len(self.stores) for column in columns):
            raise ValueError("the columns differ in length")
        return self

    def date(self, item: int) -> dt.date:
        """Return the date of an item."""
        return self.cutoff + dt.timedelta(days=self.days[item])


class PetsClaims(Claims):
    """Claims about the answer to a photo."""

    breed: str = Field(description="Most probable class.")
    species: Species | None = Field(description="Species of the breed.")
    probability: float = Field(description="Calibrated probability of the breed.")
    known: bool = Field(description="False if the photo was unlike all training photos.")
    decision: Decision = Field(description="Decision of the answer.")
    review_reason: ReviewReason | None = Field(description="Reason for a review by a person, also of a random check.")
    review_share: float = Field(description="Share of the accepted photos that went to review at random.")
    top: list[tuple[str, float]] = Field(description="Most probable classes with their probabilities, three at most.")
    photo: str = Field(
        default="", description="Hash of the photo's file, by which answers about the same photo are recognised."
    )
    retain: Retain = Field(default="none", description="Consent of the client to keep the photo.")
