"""The addresses of a sales model, as OpenAPI describes them."""

from typing import Annotated, Any

from pydantic import Field
from pydantic.json_schema import JsonSchemaMode

from schemas.openapi_parts import EXAMPLES, json_content, responses
from schemas.problem_kinds import ProblemName
from schemas.sales.answer import Comparison, Comparisons, Forecast, Forecasts
from schemas.sales.explanation import Explanation, ExplanationDay, ExplanationItemList, ExplanationRange, Explanations
from schemas.sales.options import Objective
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.request import DayRequest, ItemList, OwnColumns, Range, StateHoliday

PROBLEMS: tuple[ProblemName, ...] = (
    "malformed-request",
    "invalid-request",
    "unknown-store",
    "outside-calendar",
    "beyond-horizon",
    "no-calibration",
    "internal-error",
    "fatal-request",
)

COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((DayRequest, ItemList, Range, ExplanationDay, ExplanationItemList, ExplanationRange), "validation"),
    **dict.fromkeys((Forecast, Forecasts, Comparison, Comparisons, Explanation, Explanations), "serialization"),
}

SHARED_TYPES: dict[str, Any] = {
    "Objective": Annotated[Objective, Field(description="Measure that forecasts are best for.")],
    "OwnColumns": Annotated[
        OwnColumns, Field(description="Values of the user's own columns of the training tables, by their names.")
    ],
    "StateHoliday": Annotated[
        StateHoliday, Field(description="Holiday: `0` none, `a` public holiday, `b` Easter, `c` Christmas.")
    ],
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    examples = EXAMPLES["sales"]
    return {
        "/predictions/sales": {
            "post": {
                "operationId": "forecastSales",
                "summary": "Forecast sales by store and day",
                "description": "A request has one store and day, up to 1,000 items, or a range of days. An invalid "
                "item gets a problem in its place in the list, and the other items get their forecasts. If no item "
                "is valid, the whole answer is a problem. If any item has a what_if, every item gets two forecasts: "
                "one without any what_if, and one with all what_ifs of the request.",
                "requestBody": {
                    "required": True,
                    "content": json_content(("DayRequest", "ItemList", "Range"), examples["forecast_requests"]),
                },
                "responses": responses(
                    "One forecast, or a list of forecasts in request order.",
                    # Comparisons come first: generated clients take the first type that has all of its fields.
                    json_content(("Comparison", "Forecast", "Comparisons", "Forecasts"), examples["forecast_answers"]),
                    PROBLEMS,
                ),
            }
        },
        "/explanations/sales": {
            "post": {
                "operationId": "explainSales",
                "summary": "Forecast sales by store and day, with the contribution of each input",
                "description": "The requests are those of /predictions/sales, without what_if and with up to "
                f"{MAX_EXPLAINED} items or days. Contributions are Shapley values of the logarithm of the forecast, "
                "relative to the forecast of an ordinary day. They are exact between groups of inputs. Within a "
                "group they are approximate Owen values.",
                "requestBody": {
                    "required": True,
                    "content": json_content(
                        ("ExplanationDay", "ExplanationItemList", "ExplanationRange"), examples["explanation_requests"]
                    ),
                },
                "responses": responses(
                    "One explained forecast, or a list of them in request order.",
                    json_content(("Explanation", "Explanations"), examples["explanation_answers"]),
                    PROBLEMS,
                ),
            }
        },
    }
