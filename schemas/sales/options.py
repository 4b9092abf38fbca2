"""Options of a request: the objective of its forecasts, and their intervals or quantiles."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from schemas.problems import ProblemError, invalid_field, validation_problem

Objective = Literal["median", "mean", "rmspe"]

MAX_LEVELS: Final = 20

_Number = TypeVar("_Number", bound=float)


def _distinct(numbers: list[float]) -> list[float]:
    """Return the numbers, whole ones as integers, so that an answer repeats 80 as 80."""
    if len({*numbers}) < len(numbers):
        raise ValueError("names a number twice; name each once")
    return [int(number) if number == int(number) else number for number in numbers]


def _in_percent(level: Any) -> Any:
    """Return a level, unless it is a probability by mistake."""
    if isinstance(level, float) and 0 < level < 1:
        raise ValueError(f"must be in percent, such as {100 * level:g}; probabilities are sent as quantiles")
    return level


Level = Annotated[float, Field(strict=True, ge=1, le=98), BeforeValidator(_in_percent)]
Probability = Annotated[float, Field(strict=True, ge=0.01, le=0.99)]
_Distinct = Annotated[
    list[_Number],
    Field(min_length=1, max_length=MAX_LEVELS, json_schema_extra={"uniqueItems": True}),
    AfterValidator(_distinct),
]


_BOTH: dict[str, Any] = {
    "properties": {"levels": {"type": "array"}, "quantiles": {"type": "array"}},
    "required": ["levels", "quantiles"],
}


class AnswerOptions(BaseModel):
    """Options that hold for all forecasts of a request."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False, frozen=True, json_schema_extra={"not": _BOTH})

    objective: Objective | None = Field(
        default=None,
        description="Measure that the forecasts are best for. `median`: as many sales above as below. `mean`: totals "
        "that add up. `rmspe`: the root mean square percentage error. Default: the model's.",
    )
    levels: _Distinct[Level] | None = Field(
        default=None,
        description="Levels of the intervals that are wanted, in percent from 1 to 98. Not allowed beside `quantiles`.",
        examples=[[80, 90]],
    )
    quantiles: _Distinct[Probability] | None = Field(
        default=None,
        description="Probabilities of the quantiles that are wanted, from 0.01 to 0.99. Not allowed beside `levels`.",
        examples=[[0.1, 0.5, 0.9]],
    )
    receipt: bool = Field(
        default=False,
        strict=True,
        description="True for a receipt in the answer: a signed record of it. Send it back with the true sales to "
        "`/feedback/NAME`, so that the service learns how good its forecasts are.",
    )

    @property
    def uncertain(self) -> bool:
        """True if intervals or quantiles are wanted."""
        return self.levels is not None or self.quantiles is not None

    @property
    def probabilities(self) -> Sequence[float]:
        """Probabilities of the wanted quantiles, or of the lower and the upper end of each wanted interval in turn."""
        if self.levels is None:
            return self.quantiles or ()
        tails = [(1 - level / 100) / 2 for level in self.levels]
        return [round(probability, 9) for tail in tails for probability in (tail, 1 - tail)]


NO_OPTIONS: Final = AnswerOptions()
OPTION_NAMES: Final = (*AnswerOptions.model_fields,)
_NAMES = frozenset(OPTION_NAMES)


def no_receipts() -> ProblemError:
    """Return the error for a request for a receipt where nothing can sign one."""
    detail = "nothing here signs receipts; ask a service that has a receipt key, or leave the field out"
    return invalid_field("receipt", value=True, detail=detail)


def split_options(body: Mapping[str, Any]) -> tuple[AnswerOptions, Mapping[str, Any]]:
    """Return the options of a request, and its other fields.

    Args:
        body: the request's JSON, parsed.

    Raises:
        ProblemError: if an option is invalid, or levels and quantiles are sent together.
    """
    if _NAMES.isdisjoint(body):  # nearly every request
        return NO_OPTIONS, body
    return parse_options({name: body[name] for name in OPTION_NAMES if name in body}), {
        name: value for name, value in body.items() if name not in _NAMES
    }


def parse_options(fields: Mapping[str, Any]) -> AnswerOptions:
    """Return options from fields such as a JSON parser makes of them.

    Raises:
        ProblemError: if an option is invalid, or levels and quantiles are sent together.
    """
    try:
        options = AnswerOptions.model_validate(fields)
    except ValidationError as error:
        raise ProblemError(validation_problem(error, names={"": OPTION_NAMES})) from None
    if options.levels is not None and options.quantiles is not None:
        detail = "not allowed beside levels; send levels or quantiles, not both"
        raise invalid_field("quantiles", value=fields["quantiles"], detail=detail)
    return options
