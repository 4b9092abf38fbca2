"""The pets model in a real server, beside the sales model.

Longer than 350 lines: all of these tests share one running server.
"""

import base64
import io
import json
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import psutil
import pytest
from numpy.typing import NDArray
from PIL import Image

from handlers.batch import answer_batch
from handlers.http import Request
from handlers.pets import PetsHandler
from handlers.worker_settings import REVIEW_SHARE as REVIEW_SHARE_VARIABLE
from handlers.worker_settings import worker_environment
from pets.classifier import Classifier
from pets.golden import TOLERANCES
from schemas.pets.request import PetRequest
from serving.archives.archive import archive
from serving.ports import HOST
from tests.integration.client import JSON, PROBLEM, Answer, ask
from tests.integration.runners.direct import Direct, admit_all, running_directly
from tests.integration.runners.kinds import TORCHSERVE, RunnerKind
from tests.pets.hostile import Hostile, encoded, hostile_inputs

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "model_store" / "pets"
REVIEW_SHARE = 1.0
COLOUR_TOLERANCE = 5 / 255  # one or two steps of the colour map
DAY = {"store": 1, "date": "2015-08-05"}
URLENCODED = "application/x-www-form-urlencoded"
FORM = "multipart/form-data; boundary=frontier"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """Classifier of the bundle with the server's review share, without a server."""
    return Classifier.load(BUNDLE, review_share=REVIEW_SHARE)


@pytest.fixture(scope="module")
def server(runner: RunnerKind, demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Direct]:
    """Both models with one worker for each, which admit any number of requests. All accepted photos go to review."""
    store = tmp_path_factory.mktemp("store")
    archives = [archive(bundle, store) for bundle in (BUNDLE, demo_bundle)]
    for made in archives:
        admit_all(made)
    environment = worker_environment(review_share=REVIEW_SHARE)
    with running_directly(runner, archives, workers=1, environment=environment) as running:
        yield running


@cache
def scene(seed: int, width: int = 480, height: int = 320) -> Image.Image:
    """Return a smooth picture without any symmetry; do not change it, because it is cached."""
    colours = np.random.default_rng(seed).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    return Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC)


@cache
def photo(seed: int = 0) -> bytes:
    """Return a small photo as a JPEG."""
    return encoded(scene(seed), "JPEG", quality=90)


def pets(
    server: Direct,
    body: bytes | dict[str, Any] | Iterable[bytes],
    kind: str = "image/jpeg",
    headers: Mapping[str, str] = {},
    **options: object,
) -> Answer:
    """Send a photo with options in the query and return the answer; ``class_`` is sent as ``class``."""
    query = urlencode({name.rstrip("_"): value for name, value in options.items()})
    return ask(
        server, body, kind=kind, path=f"/predictions/pets?{query}" if query else "/predictions/pets", headers=headers
    )


def form(fields: Mapping[str, bytes]) -> bytes:
    """Return a multipart form as browsers send it; the field ``image`` is a file."""
    parts = []
    for name, content in fields.items():
        file = '; filename="photo.jpg"\r\nContent-Type: image/jpeg' if name == "image" else ""
        head = f'--frontier\r\nContent-Disposition: form-data; name="{name}"{file}\r\n\r\n'
        parts.append(head.encode() + content + b"\r\n")
    return b"".join(parts) + b"--frontier--\r\n"


def offline(classifier: Classifier, content: bytes, **options: Any) -> Any:
    """Return the classifier's answer without a server."""
    (answer,) = classifier.predict([classifier.prepare(PetRequest(image=content, **options))])
    return json.loads(answer.to_json())


def leaves(content: Any, path: str = "") -> dict[str, Any]:
    """Return an answer's values by JSON path; a grid and an overlay count as one value, an array."""
    if path == "/heatmap/grid":
        return {path: np.array(content)}
    if path == "/heatmap/overlay" and content is not None:
        return {path: pixels(content)}
    if isinstance(content, dict | list):
        items = content.items() if isinstance(content, dict) else enumerate(content)
        return {leaf_path: leaf for name, value in items for leaf_path, leaf in leaves(value, f"{path}/{name}").items()}
    return {path: content}


def pixels(overlay: str) -> NDArray[np.float64]:
    """Return an overlay's colours, ``[row, column, 3]``, from 0 to 1."""
    with Image.open(io.BytesIO(base64.b64decode(overlay)), formats=["PNG"]) as image:
        return np.asarray(image.convert("RGB")) / 255


def assert_alike(answer: Any, expected: Any) -> None:
    """Assert that two answers agree: numbers within the tolerance of golden pictures, other values exactly."""
    actual, other = leaves(answer), leaves(expected)
    assert actual.keys() == other.keys()
    for path, value in other.items():
        if isinstance(value, np.ndarray):
            assert actual[path].shape == value.shape, path
            tolerance = COLOUR_TOLERANCE if path.endswith("overlay") else TOLERANCES["single"] * np.abs(value).max()
            assert np.abs(actual[path] - value).max() <= tolerance, path
        elif isinstance(value, float):
            assert actual[path] == pytest.approx(value, rel=TOLERANCES["single"], abs=TOLERANCES["single"]), path
        else:
            assert actual[path] == value, path


# One photo, sent in different ways


BASE64 = base64.b64encode(photo()).decode()
OPTIONS = {"heatmap": "contrast", "top_k": 3}
QUERY = "?heatmap=contrast&top_k=3"
AS_FIELDS = {name: str(value).encode() for name, value in OPTIONS.items()}


@pytest.mark.parametrize(
    ("body", "kind", "query", "headers"),
    [
        pytest.param(photo(), "image/jpeg", QUERY, {}, id="bytes"),
        pytest.param(photo(), "IMAGE/JPEG; q=1", QUERY, {}, id="a content type with a parameter"),
        pytest.param(photo(), "image/png", QUERY, {}, id="a wrong image type"),
        pytest.param(photo(), "", QUERY, {}, id="no content type"),
        pytest.param(photo(), "application/octet-stream", QUERY, {}, id="octet-stream"),
        pytest.param(photo(), URLENCODED, QUERY, {}, id="curl --data-binary"),
        pytest.param(photo(), "image/jpeg", QUERY, {"Expect": "100-continue"}, id="curl with a large photo"),
        pytest.param([photo()[:1000], photo()[1000:]], "image/jpeg", QUERY, {}, id="in chunks"),
        pytest.param(photo(), "image/jpeg", QUERY + "&class=&versus=&overlay=png", {}, id="empty options"),
        pytest.param(photo(), "image/jpeg", QUERY + "&body=other", {}, id="a query with the field body"),
        pytest.param(form({"image": photo(), **AS_FIELDS}), FORM, "", {}, id="form"),
        pytest.param(form({**AS_FIELDS, "class": b"", "image": photo()}), FORM, "", {}, id="form, photo last"),
        pytest.param(form({"image": photo()}), FORM, QUERY, {}, id="form, options in the query"),
        pytest.param({"image": BASE64, **OPTIONS}, JSON, "", {}, id="JSON"),
        pytest.param({"image": BASE64}, JSON, QUERY, {}, id="JSON, options in the query"),
        pytest.param({"image": BASE64, **OPTIONS}, URLENCODED, "", {}, id="curl -d with JSON"),
        pytest.param({"image": f"data:image/jpeg;base64,{BASE64}", **OPTIONS}, JSON, "", {}, id="JSON, data URL"),
    ],
)
def test_a_photo_gets_the_same_answer_in_every_format(
    server: Direct, expected: Any, body: Any, kind: str, query: str, headers: dict[str, str]
) -> None:
    answer = ask(server, body, kind=kind, path=f"/predictions/pets{query}", headers=headers)
    assert (answer.status, answer.kind) == (200, JSON)
    assert_alike(answer.content, expected)


@pytest.fixture(scope="module")
def expected(classifier: Classifier) -> Any:
    """Answer for the photo with `OPTIONS`, without a server."""
    return offline(classifier, photo(), **OPTIONS)


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.parametrize(
    "arguments",
    [
        ("-H", "Content-Type: image/jpeg", "--data-binary", "@photo.jpg"),
        ("--data-binary", "@photo.jpg"),
        ("-T", "photo.jpg"),
        ("-F", "image=@photo.jpg"),
        ("-d", "@photo.json"),
        ("--json", "@photo.json"),
    ],
    ids=" ".join,
)
def test_curl_gets_the_expected_answer(
    server: Direct, expected: Any, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    if "-T" in arguments and server.runner is not TORCHSERVE:
        pytest.skip("curl -T sends PUT, which the gateway and workers in Python reject")
    (tmp_path / "photo.jpg").write_bytes(photo())
    (tmp_path / "photo.json").write_text(json.dumps({"image": BASE64}))
    command = [
        "curl",
        "-s",
        "-m",
        "30",
        *arguments,
        f"http://{HOST}:{server.port('/predictions/pets')}/predictions/pets{QUERY}",
    ]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=True)
    assert_alike(json.loads(done.stdout), expected)


# The same answer offline, from the handler and from the server


@cache
def handler() -> PetsHandler:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(REVIEW_SHARE_VARIABLE, str(REVIEW_SHARE))
        return PetsHandler(BUNDLE, device="cpu")


def in_the_handler(content: bytes, **options: object) -> Any:
    """Return the handler's answer to a request."""
    fields = {name.rstrip("_"): str(value).encode() for name, value in options.items()}
    request = Request({"body": content, **fields}, [(b"Content-Type", b"image/jpeg")])
    (response,) = answer_batch([request], parse=handler().parse, run=handler().model.predict).responses
    assert response.status == 200
    return json.loads(response.body)


@pytest.mark.parametrize("method", ["none", "activation", "gradcam", "contrast"])
@pytest.mark.parametrize("seed", [1, 2])
def test_offline_handler_and_server_agree(server: Direct, classifier: Classifier, method: str, seed: int) -> None:
    expected = offline(classifier, photo(seed), heatmap=method)
    assert_alike(in_the_handler(photo(seed), heatmap=method), expected)
    assert_alike(pets(server, photo(seed), heatmap=method).content, expected)


def test_the_review_share_reaches_the_worker(server: Direct) -> None:
    assert worker(server).environ()[REVIEW_SHARE_VARIABLE] == "1.0"


def test_a_real_photo_is_recognised_everywhere(server: Direct, classifier: Classifier, oxford_pets: Path) -> None:
    content = (oxford_pets / "images" / "samoyed_32.jpg").read_bytes()  # of the official test split
    expected = offline(classifier, content, heatmap="gradcam")
    assert_alike(in_the_handler(content, heatmap="gradcam"), expected)
    assert_alike(pets(server, content, heatmap="gradcam").content, expected)
    assert (expected["breed"].lower(), expected["species"]) == ("samoyed", "dog")
    assert (expected["known"], expected["decision"], expected["review_reason"]) == (True, "review", "random_check")


TURNED = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["JPEG", "PNG"])
def test_a_photo_and_its_turned_twin_get_the_same_answer(server: Direct, orientation: int, name: str) -> None:
    """Phones store an upright picture as a rotated one, with its orientation in EXIF."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    # Each of JPEG's 8 x 8 blocks has one colour, so that JPEG rounds it the same in every orientation.
    upright = scene(3, 1600 // 8, 1200 // 8).resize((1600, 1200), Image.Resampling.NEAREST)
    turned = upright.transpose(TURNED[orientation])
    options = {"subsampling": 0} if name == "JPEG" else {}
    answer = pets(server, encoded(upright, name, **options), heatmap="gradcam").content
    twins = pets(server, encoded(turned, name, exif=exif, **options), heatmap="gradcam").content
    assert (twins["heatmap"]["width"], twins["heatmap"]["height"]) == (1600, 1200)
    assert_alike(twins, answer)


# Heatmaps and options


def test_without_options_there_is_no_heatmap(server: Direct, classifier: Classifier) -> None:
    answer = pets(server, photo()).content
    assert answer["heatmap"] is None
    assert len(answer["top"]) == 5
    assert answer["top"][0] == {name: answer[name] for name in ("breed", "species", "probability")}
    probabilities = [candidate["probability"] for candidate in answer["top"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert (answer["model"], answer["version"]) == (classifier.manifest.name, classifier.manifest.version)


def test_top_k_is_cut_to_the_number_of_classes(server: Direct, classifier: Classifier) -> None:
    top = pets(server, photo(), top_k=100).content["top"]
    assert {candidate["breed"] for candidate in top} == {*classifier.classes}
    assert sum(candidate["probability"] for candidate in top) == pytest.approx(1)
    assert len(pets(server, photo(), top_k=1).content["top"]) == 1


@pytest.mark.parametrize(
    "options",
    [
        {"heatmap": "activation"},
        {"heatmap": "activation", "overlay": "none", "top_k": 2},
        {"heatmap": "gradcam"},
        {"heatmap": "gradcam", "class_": 0},
        {"heatmap": "gradcam", "class_": 0, "overlay": "none", "top_k": 1},
        {"heatmap": "contrast"},
        {"heatmap": "contrast", "class_": 0},
        {"heatmap": "contrast", "class_": 0, "versus": 1},
        {"heatmap": "contrast", "class_": 1, "versus": 0, "overlay": "none", "top_k": 20},
    ],
)
def test_a_heatmap_follows_the_options(server: Direct, classifier: Classifier, options: dict[str, Any]) -> None:
    """The parameters give classes by number; the request spells their names in capitals with underscores."""
    named = {name: classifier.classes[options[name]] for name in ("class_", "versus") if name in options}
    requested = options | named
    respelled = requested | {name: value.upper().replace(" ", "_") for name, value in named.items()}
    answer = pets(server, photo(), **respelled)
    assert answer.status == 200
    heatmap = answer.content["heatmap"]
    assert heatmap["method"] == requested["heatmap"]
    best = answer.content["breed"]
    if requested["heatmap"] == "activation":
        assert (heatmap["class"], heatmap["versus"]) == (None, None)
    else:
        assert heatmap["class"] == requested.get("class_", best)
        assert (heatmap["versus"] is not None) == (requested["heatmap"] == "contrast")
        assert heatmap["versus"] != heatmap["class"]
        assert requested.get("versus") in (None, heatmap["versus"])
    grid = np.array(heatmap["grid"])
    assert grid.ndim == 2
    assert min(grid.shape) > 1
    assert (grid.min(), grid.max()) == (heatmap["min"], heatmap["max"])
    assert heatmap["all_zero"] == (not grid.any())
    assert (heatmap["width"], heatmap["height"]) == scene(0).size
    if requested.get("overlay") == "none":
        assert heatmap["overlay"] is None
    else:
        assert pixels(heatmap["overlay"]).shape == (320, 480, 3)
    assert len(answer.content["top"]) == requested.get("top_k", 5)
    assert_alike(answer.content, offline(classifier, photo(), **requested))


@pytest.mark.parametrize(
    ("options", "path"),
    [
        ({"heatmap": "rainbow"}, "/heatmap"),
        ({"top_k": 0}, "/top_k"),
        ({"top_k": "many"}, "/top_k"),
        ({"overlay": "jpeg"}, "/overlay"),
        ({"colour": "red"}, "/colour"),
        ({"class_": "Beagle"}, "/class"),  # without a heatmap
        ({"heatmap": "gradcam", "class_": "x" * 101}, "/class"),
        ({"heatmap": "gradcam", "versus": "Beagle"}, "/versus"),
    ],
)
def test_the_problem_names_the_invalid_option(server: Direct, options: dict[str, Any], path: str) -> None:
    fields = {name.rstrip("_"): str(value).encode() for name, value in options.items()}
    for answer in (pets(server, photo(), **options), pets(server, form({"image": photo(), **fields}), FORM)):
        assert (answer.status, answer.kind) == (422, PROBLEM)
        assert answer.content["type"] == "urn:shopcat:problem:invalid-request"
        assert [error["path"] for error in answer.content["errors"]] == [path]


@pytest.mark.parametrize("option", ["class", "versus"])
def test_an_unknown_class_gets_similar_names(server: Direct, classifier: Classifier, option: str) -> None:
    name = max(classifier.classes, key=len)
    answer = pets(server, photo(), heatmap="contrast", **{option: name[:3] + name[4:]})
    assert (answer.status, answer.kind) == (404, PROBLEM)
    assert answer.content["type"] == "urn:shopcat:problem:unknown-class"
    assert answer.content["errors"][0]["path"] == f"/{option}"
    assert name in answer.content["detail"]


def test_a_breed_is_not_contrasted_with_itself(server: Direct) -> None:
    answer = pets(server, photo(), heatmap="contrast", versus=pets(server, photo()).content["breed"])
    assert (answer.status, answer.kind) == (422, PROBLEM)
    assert answer.content["errors"][0]["path"] == "/versus"


# Content other than photos


def worker(server: Direct) -> psutil.Process:
    """Return the process of the pets model's only worker."""
    (pid,) = server.workers("pets")
    return psutil.Process(pid)


def send(server: Direct, sent: Hostile) -> Answer:
    return pets(server, sent.content, sent.content_type)


def test_hostile_inputs_get_problems_and_harm_no_other_request(
    server: Direct, caplog: pytest.LogCaptureFixture
) -> None:
    """Send them one after another, and then so many at once that batches mix them with good photos."""
    hostile = hostile_inputs()
    assert len(hostile) > 200
    good = [Hostile("a good photo", photo(seed), "image/jpeg") for seed in range(4)]
    expected = {valid.content: send(server, valid).content for valid in good}
    before = worker(server)
    memory = before.memory_info().rss
    answers = [(sent, send(server, sent)) for sent in hostile]
    mixed = list(hostile)
    for position in range(len(mixed), 0, -8):
        mixed.insert(position, good[position // 8 % 4])
    with ThreadPoolExecutor(16) as pool:
        answers += zip(mixed, pool.map(lambda sent: send(server, sent), mixed), strict=True)
    for sent, answer in answers:
        if sent.content in expected:
            assert (answer.status, answer.kind) == (200, JSON)
            assert_alike(answer.content, expected[sent.content])
        else:
            assert (answer.status // 100, answer.kind) == (4, PROBLEM), sent.name
            assert answer.content["status"] == answer.status
    after = worker(server)
    assert after == before  # the same process: no input killed the worker
    assert after.memory_info().rss - memory < 100e6
    assert "internal error" not in caplog.text


def test_hostile_inputs_in_forms_and_json_get_problems(server: Direct) -> None:
    """Send one in 25, because the same code decodes photos of all formats."""
    for hostile in hostile_inputs()[::25]:
        if hostile.content:
            text = base64.b64encode(hostile.content).decode()
            answers = [pets(server, form({"image": hostile.content}), FORM), pets(server, {"image": text}, JSON)]
            assert [answer.kind for answer in answers] == [PROBLEM, PROBLEM], hostile.name
            assert all(400 <= answer.status < 500 for answer in answers), hostile.name


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "image/jpeg", 400),
        (b"--frontier\r\n", FORM, 400),
        (photo(), "multipart/form-data", 400),
        (form({"photo": photo()}), FORM, 400),
        (form({"image": b""}), FORM, 400),
        (form({"image": photo()})[:-20], FORM, 400),
        (form({"image": photo()}) + form({"image": photo()}), FORM, 200),  # content after a form's end is ignored
        (form({"image": photo()}).removesuffix(b"--\r\n") + b"\r\n" + form({"image": photo()})[12:], FORM, 400),
        (form({f"field{number}": b"" for number in range(100_000)}), FORM, 400),
        (b'{"image": ', JSON, 400),
        (b"[" * 1_000_000, JSON, 413),
        (b"{}", JSON, 400),
        (b'{"image": "cat.jpg"}', JSON, 422),
        (photo(), "text/html", 415),
        (photo(), "video/mp4", 415),
    ],
)
def test_a_request_without_a_photo_gets_the_reason(server: Direct, body: bytes, kind: str, status: int) -> None:
    answer = pets(server, body, kind)
    assert (answer.status, answer.kind) == (status, JSON if status == 200 else PROBLEM)
    assert status == 200 or answer.content["detail"]


def test_the_largest_body_has_ten_megabytes(server: Direct) -> None:
    answer = pets(server, bytes(10_485_760))
    assert (answer.status, answer.kind) == (422, PROBLEM)  # a worker has read the body
    assert pets(server, bytes(10_485_761)).status == 413


# Both models


def test_both_models_answer_at_once(server: Direct, classifier: Classifier) -> None:
    pets_answer, sales_answer = offline(classifier, photo()), ask(server, DAY)
    assert sales_answer.status == 200

    def ask_in_turn(number: int) -> Answer:
        return pets(server, photo()) if number % 2 else ask(server, DAY)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask_in_turn, range(60)))
    assert {answer.status for answer in answers} == {200}
    for number, answer in enumerate(answers):
        if number % 2:
            assert_alike(answer.content, pets_answer)
        else:
            assert answer.content["sales"] == pytest.approx(sales_answer.content["sales"], rel=1e-5)


def test_mixed_requests_to_both_models_get_the_same_answers_as_alone(
    server: Direct, caplog: pytest.LogCaptureFixture
) -> None:
    """Predictions, explanations and invalid requests arrive at once, so that batches mix them."""
    kinds: list[tuple[str, Any, str, int]] = [
        ("/predictions/pets", photo(), "image/jpeg", 200),
        ("/explanations/pets", photo(), "image/jpeg", 200),
        ("/predictions/pets?heatmap=contrast", photo(1), "image/jpeg", 200),
        ("/explanations/pets?heatmap=activation&overlay=none", photo(1), "image/jpeg", 200),
        ("/explanations/pets?heatmap=none", photo(), "image/jpeg", 422),
        ("/explanations/pets", form({"image": photo(2), "top_k": b"2"}), FORM, 200),
        ("/explanations/pets", b"rubbish", "image/jpeg", 422),
        ("/predictions/pets", b"", "image/jpeg", 400),
        ("/explanations/pets", {"image": BASE64, "heatmap": "rainbow"}, JSON, 422),
        ("/predictions/sales", DAY, JSON, 200),
        ("/explanations/sales", DAY, JSON, 200),
        ("/explanations/sales", b"rubbish", JSON, 400),
        ("/predictions/sales", DAY | {"what_if": {"promo": True}}, JSON, 200),
    ]
    alone = [ask(server, body, path=path, kind=kind) for path, body, kind, _ in kinds]
    assert [answer.status for answer in alone] == [status for *_, status in kinds]
    methods = [answer.content["heatmap"] and answer.content["heatmap"]["method"] for answer in alone[:4]]
    assert methods == [None, "gradcam", "contrast", "activation"]
    order = [number % len(kinds) for number in range(8 * len(kinds))]
    with ThreadPoolExecutor(16) as pool:
        answers = list(
            pool.map(lambda number: ask(server, kinds[number][1], path=kinds[number][0], kind=kinds[number][2]), order)
        )
    for number, answer in zip(order, answers, strict=True):
        assert (answer.status, answer.kind) == (alone[number].status, alone[number].kind)
        assert_alike(answer.content, alone[number].content)
    assert "internal error" not in caplog.text
