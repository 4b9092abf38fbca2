"""``schemas/openapi.json`` is what the models say, and a document that OpenAPI's tools can read."""

import base64
import json
import re
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from schemas.openapi import FILE, FRONT_DOOR, PETS, SALES, as_json, openapi
from schemas.pets import Prediction, parse_request
from schemas.problems import Kind, statuses

DOCUMENT = openapi()
POSTS: dict[str, Any] = {path: methods["post"] for path, methods in DOCUMENT["paths"].items()}


def test_the_file_is_generated_from_the_models() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "run: python -m schemas.openapi"


def test_every_reference_has_its_schema() -> None:
    names = re.findall(r'"\$ref": "([^"]*)"', as_json())
    assert {name.rpartition("/")[0] for name in names} == {"#/components/schemas"}
    assert {name.rpartition("/")[2] for name in names} <= {*DOCUMENT["components"]["schemas"]}


@pytest.mark.parametrize(("path", "kinds"), [("/predictions/sales", SALES), ("/predictions/pets", PETS)])
def test_an_address_lists_the_problems_that_it_can_give(path: str, kinds: tuple[Kind, ...]) -> None:
    responses = POSTS[path]["responses"]
    assert list(responses) == ["200", *(str(status) for status in statuses((*kinds, *FRONT_DOOR)))]
    assert "application/problem+json" in responses["400"]["content"]


def test_every_kind_of_problem_is_some_addresss() -> None:
    assert {*SALES, *PETS, *FRONT_DOOR} == {*get_args(Kind)}


@pytest.mark.parametrize("model", ["JsonRequest", "Prediction", "Breed", "HeatmapAnswer", "BoxAnswer"])
def test_every_field_of_a_photos_request_and_answer_is_described(model: str) -> None:
    fields = DOCUMENT["components"]["schemas"][model]["properties"]
    plain = {"method", "warnings"}  # whose values or own schema say it
    assert [name for name, field in fields.items() if not field.get("description") and name not in plain] == []


def test_the_options_are_the_same_in_query_form_and_json() -> None:
    post = POSTS["/predictions/pets"]
    content = post["requestBody"]["content"]
    form = {*content["multipart/form-data"]["schema"]["properties"]}
    body = {*DOCUMENT["components"]["schemas"]["JsonRequest"]["properties"]}
    query = {parameter["name"] for parameter in post["parameters"]}
    assert form == body == {"image", *query}
    assert query == {"heatmap", "class", "versus", "top_k", "overlay"}
    assert {"image/*", "application/octet-stream"} < {*content}


def test_what_the_document_offers_is_taken() -> None:
    """Every default and example of an option, in the query beside a photo."""
    for parameter in POSTS["/predictions/pets"]["parameters"]:
        schema = parameter["schema"]
        for value in [*schema.get("examples", []), *schema.get("enum", []), schema.get("default", "")]:
            fields = {"body": b"photo", "heatmap": "contrast", parameter["name"]: str(value)}
            assert parse_request(fields, {}).image == b"photo"
    body = {"image": base64.b64encode(b"photo").decode(), "heatmap": "gradcam"}
    assert parse_request({"body": json.dumps(body)}, {"content-type": "application/json"}).heatmap == "gradcam"


def test_the_example_of_an_answer_is_one() -> None:
    example = POSTS["/predictions/pets"]["responses"]["200"]["content"]["application/json"]["example"]
    answer = TypeAdapter(Prediction).validate_python(example)
    assert json.loads(answer.to_json()) == example
