"""``schemas/openapi.json`` is what the models say, and a document that OpenAPI's tools can read."""

import base64
import json
import math
import re
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from schemas.openapi import FILE, GATEWAY, PETS, SALES, as_json, openapi
from schemas.pets.answer import Prediction
from schemas.pets.parse import parse_request
from schemas.problem_kinds import PROBLEM_KINDS, ProblemName, names_by_status, type_uri
from schemas.sales.answer import Comparison
from schemas.sales.explanation import Explanation
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.parse import parse_request as parse_sales_request
from schemas.sales.request import DayFacts

DOCUMENT = openapi()
POSTS: dict[str, Any] = {path: methods["post"] for path, methods in DOCUMENT["paths"].items()}


def test_the_file_is_generated_from_the_models() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "run: python -m schemas.openapi"


def test_every_reference_has_its_schema() -> None:
    names = re.findall(r'"\$ref": "([^"]*)"', as_json())
    assert {name.rpartition("/")[0] for name in names} == {"#/components/schemas"}
    assert {name.rpartition("/")[2] for name in names} <= {*DOCUMENT["components"]["schemas"]}


@pytest.mark.parametrize(
    ("path", "kinds"),
    [
        ("/predictions/sales", SALES),
        ("/explanations/sales", SALES),
        ("/predictions/pets", PETS),
        ("/explanations/pets", PETS),
    ],
)
def test_an_address_lists_the_problems_that_it_can_give(path: str, kinds: tuple[ProblemName, ...]) -> None:
    responses = POSTS[path]["responses"]
    listed = names_by_status(dict.fromkeys((*kinds, *GATEWAY)))
    assert list(responses) == ["200", *map(str, listed)]
    for status, alike in listed.items():
        schema = responses[str(status)]["content"]["application/problem+json"]["schema"]
        assert schema["properties"]["type"]["enum"] == [type_uri(kind) for kind in alike]
        assert schema["properties"]["status"]["const"] == status
        assert all(PROBLEM_KINDS[kind].title in responses[str(status)]["description"] for kind in alike)


def test_every_kind_of_problem_is_some_addresss() -> None:
    assert {*SALES, *PETS, *GATEWAY} == {*get_args(ProblemName)} == {*PROBLEM_KINDS}
    schema = DOCUMENT["components"]["schemas"]["Problem"]
    assert schema["properties"]["type"]["enum"] == [type_uri(kind) for kind in PROBLEM_KINDS]


@pytest.mark.parametrize(
    "model",
    [
        *("PetJsonRequest", "PetJsonExplanationRequest", "Prediction", "Breed", "HeatmapAnswer", "BoxAnswer"),
        *("WhatIfResult", "Baseline", "GroupContribution", "Contribution"),
    ],
)
def test_every_field_of_these_requests_and_answers_is_described(model: str) -> None:
    fields = DOCUMENT["components"]["schemas"][model]["properties"]
    plain = {"method", "warnings"}  # whose values or own schema say it
    assert [name for name, field in fields.items() if not field.get("description") and name not in plain] == []


@pytest.mark.parametrize(
    ("path", "model"), [("/predictions/pets", "PetJsonRequest"), ("/explanations/pets", "PetJsonExplanationRequest")]
)
def test_the_options_are_the_same_in_query_form_and_json(path: str, model: str) -> None:
    post = POSTS[path]
    content = post["requestBody"]["content"]
    form = {*content["multipart/form-data"]["schema"]["properties"]}
    assert content["application/json"]["schema"]["$ref"].endswith(f"/{model}")
    body = {*DOCUMENT["components"]["schemas"][model]["properties"]}
    query = {parameter["name"] for parameter in post["parameters"]}
    assert form == body == {"image", *query}
    assert query == {"heatmap", "class", "versus", "top_k", "overlay"}
    assert {"image/*", "application/octet-stream"} < {*content}
    heatmap = DOCUMENT["components"]["schemas"][model]["properties"]["heatmap"]
    expected = ("none", True) if path.startswith("/predictions") else ("gradcam", False)
    assert (heatmap["default"], "none" in heatmap["enum"]) == expected


def test_what_the_document_offers_is_taken() -> None:
    """Every default and example of an option, in the query beside a photo."""
    for path, explain in (("/predictions/pets", False), ("/explanations/pets", True)):
        for parameter in POSTS[path]["parameters"]:
            schema = parameter["schema"]
            written, empty = schema["anyOf"]
            values = [*schema.get("examples", []), *written.get("enum", []), schema.get("default", ""), empty["const"]]
            for value in values:
                fields = {"body": b"photo", "heatmap": "contrast", parameter["name"]: str(value)}
                assert parse_request(fields, {}, explain=explain).image == b"photo"
    body = {"image": base64.b64encode(b"photo").decode(), "heatmap": "gradcam"}
    assert parse_request({"body": json.dumps(body)}, {"content-type": "application/json"}).heatmap == "gradcam"


def test_every_example_of_a_sales_request_can_be_asked() -> None:
    for path, explain in (("/predictions/sales", False), ("/explanations/sales", True)):
        examples = POSTS[path]["requestBody"]["content"]["application/json"]["examples"]
        for example in examples.values():
            assert parse_sales_request(example["value"], explain=explain).items
        assert examples.keys() >= {"one", "items", "range"}


def test_what_explanations_take_is_in_their_schema() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    forms = POSTS["/explanations/sales"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    one, many, days = (schemas[form["$ref"].rpartition("/")[2]]["properties"] for form in forms)
    assert "what_if" not in {**one, **many, **days}
    assert many["items"]["maxItems"] == days["days"]["maximum"] == MAX_EXPLAINED
    assert schemas["WhatIf"]["minProperties"] == schemas["WhatIfRange"]["minProperties"] == 1
    assert {*schemas["WhatIf"]["properties"]} == {*schemas["WhatIfRange"]["properties"]} == {*DayFacts.model_fields}


def answer_of(path: str) -> Any:
    return POSTS[path]["responses"]["200"]["content"]["application/json"]


@pytest.mark.parametrize(
    ("kind", "example"),
    [
        (Prediction, answer_of("/predictions/pets")["example"]),
        (Comparison, answer_of("/predictions/sales")["examples"]["what_if"]["value"]),
        (Explanation, answer_of("/explanations/sales")["examples"]["one"]["value"]),
    ],
)
def test_the_example_of_an_answer_is_one(kind: type, example: Any) -> None:
    answer = TypeAdapter(kind).validate_python(example)
    assert json.loads(answer.to_json()) == example


def test_the_example_of_an_explanation_adds_up() -> None:
    example = answer_of("/explanations/sales")["examples"]["one"]["value"]
    log = math.log(example["sales"] / example["baseline"]["sales"])
    for listed in ("groups", "contributions"):
        assert sum(each["log"] for each in example[listed]) == pytest.approx(log, abs=1e-5)
