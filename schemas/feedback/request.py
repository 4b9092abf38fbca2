"""Requests for ``/feedback/NAME``: true sales and true breeds; `schemas.feedback.parse` reads them."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from schemas.pets.request import MAX_NAME
from schemas.review.text import Note
from schemas.sales.request import MAX_ITEMS, Date, Store

MAX_ENTRIES: Final = 10_000  # true values in a request; a chain of 1,000 stores sends ten days at once
MAX_RECEIPT: Final = 200_000  # characters; why: 1,000 items take 35,000, and ids of stores may be long

Why = Literal["reviewer", "owner", "papers"]
PetOutcome = Literal["breed", "other_breed", "not_a_pet", "unknown"]
WHYS: tuple[Why, ...] = get_args(Why)

_STRICT = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True)
Receipt = Annotated[
    str,
    Field(strict=True, min_length=1, max_length=MAX_RECEIPT, description="Receipt of the answer, as it was sent."),
]
Amount = Annotated[float, Field(strict=True, ge=0, le=1e12)]


class ReceiptSales(BaseModel):
    """True sales of the forecasts in an answer that had a receipt."""

    model_config = _STRICT

    receipt: Receipt
    item: int = Field(
        default=0,
        strict=True,
        ge=0,
        lt=MAX_ITEMS,
        description="Number of the item in the answer, from 0; not allowed with a list of sales.",
    )
    sales: Amount | Annotated[list[Amount | None], Field(min_length=1, max_length=MAX_ITEMS)] = Field(
        description="True sales of the item; or a list with those of the answer's items, in order, null where unknown."
    )

    @model_validator(mode="after")
    def _numbers_no_item_of_a_list(self) -> "ReceiptSales":
        if self.item and isinstance(self.sales, list):
            raise ValueError("item is not allowed with a list of sales; send one number, or leave item out")
        return self


class StoreSales(BaseModel):
    """True sales of a store and day. The current model forecasts the day again, and is compared with them."""

    model_config = _STRICT

    store: Store
    date: Date
    sales: Amount = Field(description="True sales of the day.")


class SalesFeedback(BaseModel):
    """True sales."""

    model_config = _STRICT

    items: list[ReceiptSales | StoreSales] = Field(
        min_length=1, max_length=MAX_ENTRIES, description="True sales, by receipt or by store and date."
    )


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


class PetTruth(BaseModel):
    """Truth about one photo: exactly one of breed, other_breed, not_a_pet and unknown."""

    model_config = _STRICT

    receipt: Receipt
    breed: Annotated[str, BeforeValidator(_stripped), Field(strict=True, min_length=1, max_length=MAX_NAME)] | None = (
        Field(
            default=None,
            description="Breed that the photo shows, one of the model's classes. Upper and lower case, spaces and "
            "underscores make no difference.",
        )
    )
    other_breed: bool = Field(
        default=False,
        strict=True,
        description="True if the photo shows a pet of a breed that is not a class.",
    )
    not_a_pet: bool = Field(default=False, strict=True, description="True if the photo shows no cat and no dog.")
    unknown: bool = Field(default=False, strict=True, description="True if the photo does not show which breed it is.")
    why: Why = Field(
        default="owner",
        description="Source of the truth: `reviewer`, a person who looked at the photo because of its decision, which "
        "needs the role review; `owner`, somebody who knows the animal; `papers`, its pedigree.",
    )
    note: Note | None = Field(default=None, description="Further words, plain text; they are stored.")

    @model_validator(mode="after")
    def _says_one_thing(self) -> "PetTruth":
        if [self.breed is not None, self.other_breed, self.not_a_pet, self.unknown].count(True) != 1:
            raise ValueError("send exactly one of breed, other_breed, not_a_pet and unknown")
        return self

    @property
    def outcome(self) -> PetOutcome:
        """Kind of truth."""
        if self.breed is not None:
            return "breed"
        return "other_breed" if self.other_breed else "not_a_pet" if self.not_a_pet else "unknown"


class PetsFeedback(BaseModel):
    """Truth about photos."""

    model_config = _STRICT

    items: list[PetTruth] = Field(min_length=1, max_length=MAX_ENTRIES, description="Truth about photos, by receipt.")


RECEIPT_NAMES = (*ReceiptSales.model_fields,)
STORE_NAMES = (*StoreSales.model_fields,)
PET_NAMES = (*PetTruth.model_fields,)
