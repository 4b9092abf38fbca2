"""`shopcat.Classifier`: photos of every kind, and the same figures as the service."""

import base64
import io
import json
import os
from pathlib import Path

import pytest
from PIL import Image

import shopcat
from handlers.batch import answer_batch
from handlers.http import Request
from pets.classifier import Classifier as Predictor
from schemas.pets.parse import parse_request
from schemas.problem_kinds import PROBLEM_KINDS

BUNDLE = Path(__file__).parents[2] / "model_store" / "pets"


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    return Predictor.load(BUNDLE)


@pytest.fixture(scope="module")
def model() -> shopcat.Classifier:
    loaded = shopcat.load(str(BUNDLE), "cpu")
    assert isinstance(loaded, shopcat.Classifier)
    return loaded


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("photos") / "photo.png"
    Image.linear_gradient("L").rotate(30).resize((300, 200)).convert("RGB").save(file)
    return file


def answered(predictor: Predictor, body: dict[str, object]) -> dict[str, object]:
    """Return the service's answer to a request in JSON."""
    (response,) = answer_batch(
        [Request({"body": json.dumps(body).encode()})],
        parse=lambda request: predictor.prepare(parse_request(request.fields, {"content-type": "application/json"})),
        run=predictor.predict,
    ).responses
    return dict(json.loads(response.body))


def test_a_photo_has_the_answer_of_the_service(model: shopcat.Classifier, predictor: Predictor, photo: Path) -> None:
    image = base64.b64encode(photo.read_bytes()).decode()
    for options in ({}, {"heatmap": "contrast", "class": "pug", "versus": "Ragdoll", "top_k": 3, "overlay": "none"}):
        keywords = {name.replace("class", "class_"): value for name, value in options.items()}
        prediction = model.classify(photo, **keywords)  # type: ignore[call-overload]
        assert isinstance(prediction, shopcat.Prediction)
        assert json.loads(prediction.to_json()) == answered(predictor, {"image": image, **options})


def test_a_photo_is_a_path_or_bytes(model: shopcat.Classifier, photo: Path) -> None:
    class Entry(os.PathLike[str]):
        def __fspath__(self) -> str:
            return str(photo)

    expected = model.classify(photo)
    assert expected.heatmap is None
    assert model.classify(str(photo)) == expected
    assert model.classify(photo.read_bytes()) == expected
    assert model.classify(Entry()) == expected
    with pytest.raises(TypeError, match="a photo is a path or bytes, not BytesIO"):
        model.classify([io.BytesIO(photo.read_bytes())])  # type: ignore[list-item]


def test_a_heatmap_comes_on_request(model: shopcat.Classifier, photo: Path) -> None:
    heatmap = model.classify(photo, heatmap="activation", overlay="none").heatmap
    assert heatmap is not None
    assert (heatmap.method, heatmap.overlay) == ("activation", None)
    explained = model.explain(photo)
    assert explained == model.classify(photo, heatmap="gradcam")
    assert explained.heatmap is not None
    assert explained.heatmap.overlay is not None
    assert base64.b64decode(explained.heatmap.overlay).startswith(b"\x89PNG")


def test_a_list_has_the_answer_or_the_problem_of_each_photo(model: shopcat.Classifier, photo: Path) -> None:
    photos: list[str | bytes] = [photo.read_bytes(), b"no image", str(photo), b"", photo.read_bytes()[:-200]]
    good, unknown, same, empty, cut = model.classify(photos, top_k=1)
    assert isinstance(good, shopcat.Prediction)
    assert isinstance(same, shopcat.Prediction)
    assert good.breed == same.breed == model.classify(photo).breed
    problems = [problem for problem in (unknown, empty, cut) if isinstance(problem, shopcat.Problem)]
    assert [shopcat.RequestError(problem).kind for problem in problems] == [
        "not-an-image",
        "malformed-request",
        "damaged-image",
    ]
    assert model.classify([]) == []


def test_a_long_list_keeps_its_order(model: shopcat.Classifier, photo: Path) -> None:
    answers = model.classify([photo, b"no image"] * 17, top_k=1)
    assert [isinstance(answer, shopcat.Prediction) for answer in answers] == [True, False] * 17


def test_a_photo_without_an_answer_raises(model: shopcat.Classifier, photo: Path, tmp_path: Path) -> None:
    with pytest.raises(shopcat.RequestError, match="the file is of no known format") as raised:
        model.classify(b"no image")
    assert raised.value.kind == "not-an-image"
    assert raised.value.remedy == PROBLEM_KINDS["not-an-image"].remedy
    with pytest.raises(shopcat.RequestError, match=r"/versus: is .*, the breed that was found"):
        model.classify(photo, heatmap="contrast", versus=model.classify(photo).breed)
    with pytest.raises(FileNotFoundError):
        model.classify([photo, tmp_path / "absent.jpg"])


def test_a_wrong_option_raises_for_a_list_too(model: shopcat.Classifier, photo: Path) -> None:
    with pytest.raises(shopcat.RequestError, match="/top_k: must be 1 or more"):
        model.classify([photo], top_k=0)
    with pytest.raises(shopcat.RequestError, match="/class: not one of the model's 37 classes; is it pug"):
        model.classify([photo], heatmap="gradcam", class_="pugg")
    with pytest.raises(shopcat.RequestError, match="/heatmap: must be 'none', 'activation'"):
        model.classify([photo], heatmap="saliency")  # type: ignore[call-overload]
    with pytest.raises(shopcat.RequestError, match="/heatmap: must be activation, gradcam or contrast"):
        model.explain(photo, heatmap="none")  # type: ignore[call-overload]


def test_the_attributes_are_those_of_the_bundle(model: shopcat.Classifier, predictor: Predictor) -> None:
    assert (model.name, model.version) == (predictor.name, predictor.version)
    assert model.classes == tuple(predictor.classes)
    assert model.threshold == predictor.manifest.threshold
    assert model.known_threshold == predictor.manifest.known_threshold
    assert model.review_share == predictor.manifest.review_share
    assert shopcat.Classifier.load(BUNDLE, "cpu", review_share=0.25).review_share == 0.25
    assert repr(model) == f"<shopcat.Classifier pets {model.version}: 37 classes>"
