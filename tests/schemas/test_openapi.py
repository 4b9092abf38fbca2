"""``schemas/openapi.json``: generated from the models, complete, and with the real answers of the models."""

import base64
import json
import math
import re
from collections.abc import Iterator
from typing import Any, get_args

import pytest
from pydantic import TypeAdapter

from schemas.console import PROBLEMS as CONSOLE_PROBLEMS
from schemas.console import SECTIONS
from schemas.kinds import MODEL_KINDS
from schemas.openapi import FILE, as_json, openapi, served
from schemas.pets.answer import Prediction
from schemas.pets.parse import parse_request
from schemas.probes import TAG
from schemas.problem_kinds import GATEWAY_PROBLEMS, PROBLEM_KINDS, ProblemName, names_by_status, type_uri
from schemas.sales.answer import Comparison, Forecast, Forecasts
from schemas.sales.explanation import Explanation
from schemas.sales.parse import MAX_EXPLAINED
from schemas.sales.parse import parse_request as parse_sales_request
from schemas.sales.request import DayFacts
from scripts.write_openapi_examples import FILE as EXAMPLES
from scripts.write_openapi_examples import examples

DOCUMENT = openapi()
POSTS: dict[str, Any] = {  # addresses of models
    path: item["post"]
    for path, item in DOCUMENT["paths"].items()
    if "post" in item and {*item["post"]["tags"]} <= {*MODEL_KINDS}
}
METHODS = ("get", "head", "put", "post", "patch", "delete")
OPERATIONS: dict[str, Any] = {
    f"{method} {path}": operation
    for path, item in DOCUMENT["paths"].items()
    for method, operation in item.items()
    if method in METHODS
}
COMPONENTS: dict[str, Any] = DOCUMENT["components"]["schemas"]


def test_the_file_is_generated_from_the_models() -> None:
    assert FILE.read_text(encoding="utf-8") == as_json(), "run: python -m schemas.openapi"


def leaves(content: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield each value of a JSON document with its path. Contributions have their names in it, not their places."""
    if isinstance(content, dict):
        for name, value in content.items():
            yield from leaves(value, f"{path}/{name}")
    elif isinstance(content, list):
        for index, value in enumerate(content):
            named = isinstance(value, dict) and (value.get("input") or value.get("group"))
            yield from leaves(value, f"{path}/{named or index}")
    else:
        yield path, content


def test_the_models_give_the_answers_of_the_examples() -> None:
    """Floats may differ a little between machines."""
    written, computed = dict(leaves(json.loads(EXAMPLES.read_text(encoding="utf-8")))), dict(leaves(examples()))
    assert written.keys() == computed.keys(), "run: python -m scripts.write_openapi_examples"
    for path, value in written.items():
        expected = pytest.approx(computed[path], rel=1e-3, abs=2e-4) if isinstance(value, float) else computed[path]
        assert value == expected, f"{path}; run: python -m scripts.write_openapi_examples"


def test_every_component_is_used_and_every_reference_has_one() -> None:
    references = {*re.findall(r'"\$ref": "([^"]*)"', as_json())}
    sections = ("schemas", "responses", "parameters", "headers")
    components = {f"#/components/{section}/{name}" for section in sections for name in DOCUMENT["components"][section]}
    assert references <= components
    shared = {f"#/components/responses/{name}" for name in DOCUMENT["components"]["responses"]}
    assert components - references <= shared  # models may add problems of the same status


def resolved(response: dict[str, Any]) -> dict[str, Any]:
    """Return a response, also one that is a component."""
    name = response.get("$ref", "").rpartition("/")[2]
    return dict(DOCUMENT["components"]["responses"][name]) if name else response


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_response_has_the_headers_of_the_gateway(operation: str) -> None:
    for status, response in OPERATIONS[operation]["responses"].items():
        headers = resolved(response)["headers"]
        assert {"x-request-id", "traceparent"} <= {*headers}
        assert ("Retry-After" in headers) == (status in ("429", "503"))


def test_operations_have_names_of_functions_and_belong_to_a_tag() -> None:
    names = [operation["operationId"] for operation in OPERATIONS.values()]
    assert len({*names}) == len(names)
    assert all(re.fullmatch(r"[a-z]+([A-Z][a-z]+)+", name) for name in names), names
    tags = {tag["name"] for tag in DOCUMENT["tags"]}
    assert {tag for operation in OPERATIONS.values() for tag in operation["tags"]} == tags


@pytest.mark.parametrize("path", POSTS)
def test_the_name_of_an_operation_ends_with_the_kind_of_the_model(path: str) -> None:
    """A service replaces it by the model's name."""
    assert POSTS[path]["operationId"].endswith(path.rpartition("/")[2].title())


def test_a_service_with_the_usual_names_has_the_document_itself() -> None:
    assert json.loads(served({"sales": "sales", "pets": "pets"}, with_console=True)) == json.loads(as_json())


def test_a_service_without_a_console_does_not_describe_its_addresses() -> None:
    sections = {path.split("/")[1] for path in json.loads(served({"sales": "sales"}))["paths"]}
    assert sections == {"predictions", "explanations", "livez", "readyz"}
    assert {path.split("/")[1] for path in DOCUMENT["paths"]} - sections <= {*SECTIONS}


def test_a_service_describes_its_models_under_their_names() -> None:
    contract = served({"north-west": "sales", "south": "sales", "tips": "tips"})
    paths = json.loads(contract)["paths"]
    assert {path: item["post"]["operationId"] for path, item in paths.items() if "post" in item} == {
        "/predictions/north-west": "forecastNorthWest",
        "/predictions/south": "forecastSouth",
        "/explanations/north-west": "explainNorthWest",
        "/explanations/south": "explainSouth",
    }
    assert "/predictions/north-west" in paths["/explanations/north-west"]["post"]["description"]
    assert "/readyz" in paths
    assert len(contract) < 0.6 * FILE.stat().st_size
    assert contract.isascii()  # Envoy counts bytes


def test_a_key_is_optional_and_not_needed_for_probes() -> None:
    schemes = DOCUMENT["components"]["securitySchemes"]
    assert DOCUMENT["security"] == [{}, *({name: []} for name in schemes)]
    assert {(scheme["type"], scheme.get("name"), scheme.get("scheme")) for scheme in schemes.values()} == {
        ("apiKey", "X-API-Key", None),
        ("http", None, "bearer"),
    }
    for name, operation in OPERATIONS.items():
        is_probe = operation["tags"] == [TAG]
        assert operation.get("security") == ([] if is_probe else None), name
        assert ({"401", "429"} <= {*operation["responses"]}) != is_probe, name


def test_the_server_is_the_one_that_sends_the_document() -> None:
    assert [server["url"] for server in DOCUMENT["servers"]] == ["/"]


def enumerations(content: Any) -> Iterator[list[Any]]:
    """Yield the values of every enumeration of the document."""
    if isinstance(content, dict):
        if isinstance(content.get("enum"), list):
            yield content["enum"]
        for name, value in content.items():
            if name not in ("examples", "properties"):
                yield from enumerations(value)
        for value in content.get("properties", {}).values():
            yield from enumerations(value)
    elif isinstance(content, list):
        for value in content:
            yield from enumerations(value)


def test_an_enumeration_has_values_of_one_type_and_occurs_once() -> None:
    """Generated clients then have one type for it, with a name that is not made of the field's."""
    found = [*enumerations(DOCUMENT)]
    assert all(len({type(value) for value in values}) == 1 for values in found)
    assert [values for values in found if found.count(values) > 1] == []


@pytest.mark.parametrize(
    ("path", "problems"),
    [(path, kind.problems) for kind in MODEL_KINDS.values() for path in kind.paths()],
)
def test_an_address_lists_the_problems_that_it_can_give(path: str, problems: tuple[ProblemName, ...]) -> None:
    responses = {status: resolved(response) for status, response in POSTS[path]["responses"].items()}
    listed = names_by_status(dict.fromkeys((*problems, *GATEWAY_PROBLEMS)))
    assert list(responses) == ["200", *map(str, listed)]
    for status, names in listed.items():
        (content,) = responses[str(status)]["content"].values()
        assert content["schema"] == {"$ref": "#/components/schemas/Problem"}
        assert responses[str(status)]["x-problem-types"] == [type_uri(name) for name in names]
        assert all(PROBLEM_KINDS[name].title in responses[str(status)]["description"] for name in names)


def test_every_kind_of_problem_belongs_to_a_model_the_console_or_the_gateway() -> None:
    problems = {name for kind in MODEL_KINDS.values() for name in kind.problems}
    assert {*problems, *CONSOLE_PROBLEMS, *GATEWAY_PROBLEMS} == {*get_args(ProblemName)} == {*PROBLEM_KINDS}
    assert COMPONENTS["Problem"]["properties"]["type"]["x-extensible-enum"] == [*map(type_uri, PROBLEM_KINDS)]


@pytest.mark.parametrize("component", COMPONENTS)
def test_every_component_and_field_is_described(component: str) -> None:
    schema = COMPONENTS[component]
    assert schema["description"].endswith(".")
    described = {name: field.get("description", "") for name, field in schema.get("properties", {}).items()}
    assert [name for name, text in described.items() if not text.endswith((".", ")."))] == []


def descriptions(content: Any) -> Iterator[str]:
    """Yield every description of the document."""
    if isinstance(content, dict):
        if isinstance(content.get("description"), str):
            yield content["description"]
        for name, value in content.items():
            if name not in ("examples", "example"):
                yield from descriptions(value)
    elif isinstance(content, list):
        for value in content:
            yield from descriptions(value)


def test_descriptions_are_sentences_for_clients() -> None:
    """They begin with a capital letter, end with a full stop, and do not name our functions."""
    wrong = [
        text
        for text in descriptions(DOCUMENT)
        if not re.fullmatch(r"[`A-Z].*\.", text, re.DOTALL) or "schemas." in text
    ]
    assert wrong == []


@pytest.mark.parametrize(
    ("path", "component"),
    [("/predictions/pets", "PetJsonRequest"), ("/explanations/pets", "PetJsonExplanationRequest")],
)
def test_the_options_are_the_same_in_query_form_and_json(path: str, component: str) -> None:
    content = POSTS[path]["requestBody"]["content"]
    form = {*content["multipart/form-data"]["schema"]["properties"]}
    assert content["application/json"]["schema"]["$ref"].endswith(f"/{component}")
    body = {*COMPONENTS[component]["properties"]}
    query = {parameter["name"] for parameter in POSTS[path]["parameters"]}
    assert form == body == {"image", *query}
    assert query == {"heatmap", "class", "versus", "look", "top_k", "overlay", "retain"}
    assert {*content} == {"application/octet-stream", "multipart/form-data", "application/json"}
    heatmap = COMPONENTS[component]["properties"]["heatmap"]
    expected = ("none", "HeatmapOption") if path.startswith("/predictions") else ("gradcam", "HeatmapMethod")
    assert (heatmap["default"], heatmap["$ref"].rpartition("/")[2]) == expected


def test_the_parser_accepts_every_documented_value_of_an_option() -> None:
    """Send every default and example of an option as a query parameter beside a photo."""
    for path, explain in (("/predictions/pets", False), ("/explanations/pets", True)):
        for parameter in POSTS[path]["parameters"]:
            schema = parameter["schema"]
            typed, empty = schema["anyOf"]
            assert "default" not in schema  # generated clients would send it beside the options of a form
            typed = COMPONENTS[typed["$ref"].rpartition("/")[2]] if "$ref" in typed else typed
            values = [*schema.get("examples", []), *typed.get("enum", []), empty["const"]]
            for value in values:
                fields = {"body": b"photo", "heatmap": "contrast", parameter["name"]: str(value)}
                assert parse_request(fields, {}, explain=explain).image == b"photo"
    body = {"image": base64.b64encode(b"photo").decode(), "heatmap": "gradcam"}
    assert parse_request({"body": json.dumps(body)}, {"content-type": "application/json"}).heatmap == "gradcam"


def test_the_parser_accepts_every_example_of_a_sales_request() -> None:
    for path, explain in (("/predictions/sales", False), ("/explanations/sales", True)):
        requests = POSTS[path]["requestBody"]["content"]["application/json"]["examples"]
        for request in requests.values():
            assert parse_sales_request(request["value"], explain=explain).items
        assert requests.keys() >= {"one", "items", "range"}


def test_the_schema_has_the_limits_of_explanations() -> None:
    forms = POSTS["/explanations/sales"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"]
    one, items, days = (COMPONENTS[form["$ref"].rpartition("/")[2]]["properties"] for form in forms)
    assert "what_if" not in {**one, **items, **days}
    assert items["items"]["maxItems"] == days["days"]["maximum"] == MAX_EXPLAINED
    assert COMPONENTS["WhatIf"]["minProperties"] == COMPONENTS["WhatIfRange"]["minProperties"] == 1
    assert (
        {*COMPONENTS["WhatIf"]["properties"]} == {*COMPONENTS["WhatIfRange"]["properties"]} == {*DayFacts.model_fields}
    )


def answer(path: str, name: str) -> Any:
    """Return an example of an answer."""
    return POSTS[path]["responses"]["200"]["content"]["application/json"]["examples"][name]["value"]


@pytest.mark.parametrize(
    ("answer_type", "example"),
    [
        (Forecast, answer("/predictions/sales", "one")),
        (Forecasts, answer("/predictions/sales", "items")),
        (Comparison, answer("/predictions/sales", "what_if")),
        (Explanation, answer("/explanations/sales", "one")),
        (Prediction, answer("/predictions/pets", "photo")),
        (Prediction, answer("/explanations/pets", "photo")),
    ],
)
def test_an_example_of_an_answer_has_the_documented_type(answer_type: type, example: Any) -> None:
    assert json.loads(TypeAdapter(answer_type).validate_python(example).to_json()) == example


def test_the_contributions_in_the_example_add_up() -> None:
    example = answer("/explanations/sales", "one")
    log = math.log(example["sales"] / example["baseline"]["sales"])
    for name in ("groups", "contributions"):
        assert sum(contribution["log"] for contribution in example[name]) == pytest.approx(log, abs=1e-4)
