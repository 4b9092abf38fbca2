"""What the README shows is what happens."""

import io
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from cli import main
from pets.classifier import Classifier
from sales.forecaster import Forecaster
from schemas.pets.request import PetRequest
from schemas.sales.parse import parse_request

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
JSON = re.findall(r"```json\n(.*?)```", README, re.DOTALL)
BODIES = re.findall(r"-d '(.*?)'", README)  # of the requests, as they are typed
COMMANDS = sorted(
    {found[0] for found in re.findall(r"^shopcat ((?:train |lr-find |show )?[a-z-]+)( |$)", README, re.MULTILINE)}
)


def objects(text: str) -> list[dict[str, Any]]:
    """JSON objects, one after the other."""
    found, decoder, text = [], json.JSONDecoder(), text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        found.append(value)
        text = text[end:].strip()
    return found


def test_the_answer_has_the_fields_that_an_answer_has(forecaster: Forecaster) -> None:
    (shown,) = objects(JSON[0])
    (answer,) = forecaster.predict([parse_request(BODIES[0].encode())])
    answered = json.loads(answer.to_json())
    assert list(shown) == list(answered)
    for field in ("store", "date", "assumed", "warnings", "model", "cutoff"):
        assert shown[field] == answered[field]


@pytest.mark.parametrize("request_", [json.dumps(each) for each in objects(JSON[1])])
def test_every_request_can_be_asked(forecaster: Forecaster, request_: str) -> None:
    (answer,) = forecaster.predict([parse_request(request_.encode())])
    assert all("sales" in item for item in json.loads(answer.to_json())["items"])


def test_a_what_if_has_the_fields_that_it_has(forecaster: Forecaster) -> None:
    (shown,) = objects(JSON[3])
    (answer,) = forecaster.predict([parse_request(BODIES[1].encode())])
    answered = json.loads(answer.to_json())
    assert list(shown) == list(answered)
    assert list(shown["what_if"]) == list(answered["what_if"])
    was, would = shown["sales"], shown["what_if"]["sales"]
    assert shown["what_if"]["difference"] == pytest.approx(would - was)
    assert shown["what_if"]["ratio"] == pytest.approx(would / was)


def test_an_explanation_has_the_fields_that_it_has_and_adds_up(forecaster: Forecaster) -> None:
    (shown,) = objects(JSON[4])
    (answer,) = forecaster.predict([parse_request(BODIES[2].encode(), explain=True)])
    answered = json.loads(answer.to_json())
    assert list(shown) == list(answered)
    for field in ("groups", "contributions"):
        assert list(shown[field][0]) == list(answered[field][0])
    assert {each["group"] for each in shown["groups"]} == {each["group"] for each in answered["groups"]}
    log = math.log(shown["sales"] / shown["baseline"]["sales"])
    assert sum(each["log"] for each in shown["groups"]) == pytest.approx(log, abs=1e-5)
    counts = f"All {len(answered['groups'])} groups; three of {len(answered['contributions'])} inputs."
    assert counts in README
    assert len(shown["contributions"]) == 3


def test_the_pets_answer_has_the_fields_that_an_answer_has() -> None:
    """The photo of the README is not there to send; any other gets the same fields."""
    (shown,) = objects(JSON[2])
    classifier = Classifier.load(ROOT / "model_store" / "pets")
    photo = io.BytesIO()
    Image.linear_gradient("L").save(photo, "PNG")
    request = PetRequest.model_validate({"image": photo.getvalue(), "heatmap": "gradcam", "top_k": 2})
    (answer,) = classifier.predict([classifier.prepare(request)])
    answered = json.loads(answer.to_json())
    assert list(shown) == list(answered)
    assert list(shown["heatmap"]) == list(answered["heatmap"])
    for field in ("model", "version"):
        assert shown[field] == answered[field]
    assert [len(row) for row in shown["heatmap"]["grid"]] == [len(answered["heatmap"]["grid"][0])]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_exists(command: str) -> None:
    assert CliRunner().invoke(main, [*command.split(), "--help"]).exit_code == 0


@pytest.mark.parametrize("path", re.findall(r"\]\(([^)h#][^)]*)\)", README))
def test_every_link_leads_somewhere(path: str) -> None:
    assert (ROOT / path).exists()
