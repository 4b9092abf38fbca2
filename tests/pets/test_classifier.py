"""pets.classifier: equal answers for equal photos, calibrated probabilities, class names, heatmaps and warnings.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import base64
import dataclasses
import io
import json
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pets.bundle import load
from pets.classifier import Classifier
from pets.golden import verify
from pets.graph import Rival, Target
from pets.heatmap import LONGEST
from pets.images import open_photo
from pets.network import Output
from schemas.pets.answer import Prediction
from schemas.pets.manifest import BreedSpec
from schemas.pets.request import PetRequest
from schemas.problems import Problem, ProblemError
from tests.training.pets.drawn import BREEDS, draw_photo

pytestmark = pytest.mark.integration

ORIENTATION = 274


@pytest.fixture(scope="module")
def classifier(pets_bundle: Path) -> Classifier:
    return Classifier.load(pets_bundle)


def encoded(image: Image.Image, name: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, name, **options)
    return file.getvalue()


def request(image: Image.Image | bytes, **options: Any) -> PetRequest:
    return PetRequest(image=image if isinstance(image, bytes) else encoded(image), **options)


def ask(classifier: Classifier, *requests: PetRequest) -> list[Any]:
    return classifier.predict([classifier.prepare(each) for each in requests])


def answer(classifier: Classifier, image: Image.Image | bytes, **options: Any) -> Prediction:
    (outcome,) = ask(classifier, request(image, **options))
    assert isinstance(outcome, Prediction), outcome
    return outcome


def changed(classifier: Classifier, **manifest: Any) -> Classifier:
    """Return a classifier with the same network and another manifest."""
    return Classifier(classifier.manifest.model_copy(update=manifest), classifier.run)


def settled(classifier: Classifier, *logits: float) -> Classifier:
    """Return a classifier whose network always gives these logits and a blank heatmap."""

    def run(images: Any, target: Any, rival: Any) -> Output:
        many = len(images)
        rows = np.tile(np.asarray(logits, np.float32), (many, 1))
        blank = np.zeros((many, 3, 3), np.float32)
        found = np.where(target == Target.PREDICTED, rows.argmax(1), target)
        return Output(rows, blank, blank, found, rival)

    return Classifier(classifier.manifest, run)


# Equal answers for equal photos


def test_training_photos_are_classified_correctly(classifier: Classifier) -> None:
    for breed in BREEDS:
        found = answer(classifier, draw_photo(breed, 1000))
        assert found.breed == breed
        assert (found.model, found.version) == (classifier.manifest.name, classifier.manifest.version)


def test_a_batch_gives_the_same_answers_as_single_requests(classifier: Classifier) -> None:
    requests = [
        request(draw_photo("Pug", 1), heatmap="gradcam"),
        request(draw_photo("Birman", 2)),
        request(draw_photo("Maine_Coon", 3), heatmap="contrast", versus="Pug", top_k=1),
        request(draw_photo("Maine_Coon", 4), heatmap="activation", overlay="none"),
        request(draw_photo("Pug", 5), heatmap="contrast", **{"class": "Birman"}),
    ]
    for together, alone in zip(
        ask(classifier, *requests), [ask(classifier, each)[0] for each in requests], strict=True
    ):
        mine, other = dataclasses.asdict(together), dataclasses.asdict(alone)
        for map_ in (mine["heatmap"], other["heatmap"]):
            if map_:
                map_["overlay"] = None  # the grid is compared instead, because rounding may change a colour by one step
        same(mine, other)


def same(one: Any, other: Any) -> None:
    """Assert that two answers are equal, with numbers up to rounding."""
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key, value in one.items():
            same(value, other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for pair in zip(one, other, strict=True):
            same(*pair)
    elif isinstance(one, float):
        assert one == pytest.approx(other, rel=1e-4, abs=1e-5)
    else:
        assert one == other


def test_a_rotated_photo_with_exif_orientation_gives_the_same_answer(classifier: Classifier) -> None:
    """Heatmap, box and overlay of a photo taken with the phone on its side equal those of the upright photo."""
    photo = draw_photo("Pug", 7)
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    twin = encoded(photo.transpose(Image.Transpose.ROTATE_90), exif=exif)
    assert answer(classifier, photo, heatmap="gradcam") == answer(classifier, twin, heatmap="gradcam")


def test_threads_can_share_a_classifier(classifier: Classifier) -> None:
    photos = [draw_photo(breed, seed) for seed in range(4) for breed in BREEDS]
    wanted = [answer(classifier, photo) for photo in photos]
    found: dict[int, Prediction] = {}

    def work(place: int) -> None:
        found[place] = answer(classifier, photos[place])

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(photos))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found[place] for place in range(len(photos))] == wanted


# Probabilities and decisions


def test_probabilities_are_a_softmax_at_the_temperature(classifier: Classifier) -> None:
    photo = draw_photo("Birman", 8)
    for temperature in (0.5, classifier.manifest.temperature, 4.0):
        found = answer(changed(classifier, temperature=temperature), photo)
        logits = classifier.run_network([classifier.crop(open_photo(encoded(photo)))[0]]).logits[0].astype(float)
        wanted = np.exp(logits / temperature) / np.exp(logits / temperature).sum()
        got = {each.breed: each.probability for each in found.top}
        assert sum(got.values()) == pytest.approx(1, abs=1e-12)
        assert [got[name] for name in classifier.classes] == pytest.approx(wanted.tolist())
        assert [each.probability for each in found.top] == sorted(got.values(), reverse=True)
        assert (found.breed, found.probability) == (found.top[0].breed, found.top[0].probability)


def test_large_logits_do_not_overflow(classifier: Classifier) -> None:
    found = answer(settled(classifier, 3e4, -3e4, 2.9e4), draw_photo("Pug", 0))
    assert [each.probability for each in found.top] == pytest.approx([1, 0, 0])


@pytest.mark.parametrize(("share", "decision"), [(1 - 1e-9, "accept"), (1.0, "accept"), (1 + 1e-9, "review")])
def test_a_probability_at_the_threshold_is_accepted(classifier: Classifier, share: float, decision: str) -> None:
    photo = draw_photo("Pug", 9)
    sure = answer(classifier, photo).probability
    assert 0.4 < sure < 1 - 1e-9
    assert answer(changed(classifier, threshold=sure * share), photo).decision == decision


@pytest.mark.parametrize(("top_k", "many"), [(1, 1), (2, 2), (3, 3), (100, 3)])
def test_top_k_limits_the_number_of_breeds(classifier: Classifier, top_k: int, many: int) -> None:
    assert len(answer(classifier, draw_photo("Pug", 9), top_k=top_k).top) == many


def test_species_come_from_the_manifest(classifier: Classifier) -> None:
    species = ("cat", None, "dog")
    classes = [BreedSpec(name=name, species=kind) for name, kind in zip(classifier.classes, species, strict=True)]
    found = answer(changed(classifier, classes=classes), draw_photo("Birman", 1000))
    assert found.species == "cat"
    assert {each.breed: each.species for each in found.top} == dict(zip(classifier.classes, species, strict=True))


# Class names


@pytest.mark.parametrize("name", ["Maine_Coon", "maine coon", " MAINE  COON ", "mAiNe_cOoN"])
def test_class_names_ignore_case_spaces_and_underscores(classifier: Classifier, name: str) -> None:
    query = classifier.prepare(request(draw_photo("Pug", 0), heatmap="gradcam", **{"class": name}))
    assert classifier.classes[query.target] == "Maine_Coon"
    assert query.rival == Rival.NONE


@pytest.mark.parametrize("field", ["class", "versus"])
def test_an_unknown_class_gets_suggestions(classifier: Classifier, field: str) -> None:
    for name, near in (("main coon cat", "; is it Maine_Coon?"), ("pugg", "; is it Pug?"), ("Xylophone", None)):
        with pytest.raises(ProblemError) as caught:
            classifier.prepare(request(draw_photo("Pug", 0), heatmap="contrast", **{field: name}))
        problem = caught.value.problem
        assert (problem.status, problem.type.rpartition(":")[2]) == (404, "unknown-class")
        (error,) = problem.errors
        assert (error.path, error.value) == (f"/{field}", repr(name))
        assert error.detail == f"not one of the model's 3 classes{near or ''}"


def test_the_class_is_looked_up_before_the_photo_is_opened(classifier: Classifier) -> None:
    with pytest.raises(ProblemError, match="not one of the model's"):
        classifier.prepare(request(b"no photo", heatmap="gradcam", **{"class": "Xylophone"}))
    with pytest.raises(ProblemError) as caught:
        classifier.prepare(request(b"no photo"))
    assert caught.value.problem.type.endswith("not-an-image")


def test_the_default_contrast_is_best_against_runner_up(classifier: Classifier) -> None:
    found = answer(classifier, draw_photo("Pug", 3), heatmap="contrast")
    assert found.heatmap is not None
    assert [found.heatmap.class_, found.heatmap.versus] == [each.breed for each in found.top[:2]]
    third = found.top[2].breed
    other = answer(classifier, draw_photo("Pug", 3), heatmap="contrast", **{"class": third}).heatmap
    assert other is not None
    assert [other.class_, other.versus] == [third, found.breed]


def test_a_contrast_of_a_breed_with_itself_gets_a_problem(classifier: Classifier) -> None:
    """The contrast fails only after the breed is found, and the rest of the batch is answered."""
    photo = draw_photo("Pug", 3)
    first, second = ask(classifier, request(photo, heatmap="contrast", versus="pug"), request(photo))
    assert isinstance(second, Prediction)
    assert isinstance(first, Problem)
    assert (first.status, first.type.rpartition(":")[2]) == (422, "invalid-request")
    assert first.errors is not None
    assert [(each.path, each.value) for each in first.errors] == [("/versus", "'pug'")]
    assert "is Pug, the breed that was found" in str(first.detail)


# Heatmaps


def test_without_a_request_there_is_no_heatmap(classifier: Classifier) -> None:
    assert answer(classifier, draw_photo("Pug", 0)).heatmap is None


@pytest.mark.parametrize("method", ["activation", "gradcam", "contrast"])
def test_a_heatmap_equals_the_networks_grid(classifier: Classifier, method: str) -> None:
    photo = draw_photo("Birman", 4)
    pixels, box = classifier.crop(open_photo(encoded(photo)))
    found = answer(classifier, photo, heatmap=method).heatmap
    assert found is not None
    order = np.argsort(-classifier.run_network([pixels]).logits[0])
    output = classifier.run_network(
        [pixels], [Target.PREDICTED], [int(order[1]) if method == "contrast" else Rival.NONE]
    )
    grid = (output.activation if method == "activation" else output.gradcam)[0]
    np.testing.assert_allclose(found.grid, grid, atol=1e-6)
    assert found.method == method
    assert found.class_ == (None if method == "activation" else classifier.classes[order[0]])
    assert found.versus == (classifier.classes[order[1]] if method == "contrast" else None)
    assert (found.min, found.max) == (np.min(found.grid), np.max(found.grid))
    assert not found.all_zero
    assert (found.width, found.height) == photo.size
    assert dataclasses.astuple(found.box) == tuple(box)


def test_a_blank_heatmap_is_flagged(classifier: Classifier) -> None:
    found = answer(settled(classifier, 1, 0, 0), draw_photo("Pug", 0), heatmap="gradcam").heatmap
    assert found is not None
    assert found.all_zero
    assert (found.min, found.max) == (0, 0)
    assert found.overlay is not None


@pytest.mark.parametrize("size", [(3000, 1200), (300, 900), (512, 512), (70, 40)])
def test_an_overlay_shows_the_whole_photo(classifier: Classifier, size: tuple[int, int]) -> None:
    found = answer(classifier, encoded(draw_photo("Pug", 2).resize(size), "JPEG"), heatmap="gradcam").heatmap
    assert found is not None
    assert found.overlay is not None
    content = base64.b64decode(found.overlay, validate=True)
    with Image.open(io.BytesIO(content)) as picture:
        picture.load()
        assert picture.format == "PNG"
        assert max(picture.size) == min(LONGEST, max(size))
        assert picture.width / picture.height == pytest.approx(size[0] / size[1], rel=0.01)
    assert len(content) < 3 * LONGEST**2 + 10_000
    plain = answer(classifier, draw_photo("Pug", 2), heatmap="gradcam", overlay="none").heatmap
    assert plain is not None
    assert plain.overlay is None


def test_an_answer_is_valid_json(classifier: Classifier) -> None:
    found = answer(classifier, draw_photo("Pug", 0), heatmap="contrast")
    content = json.loads(found.to_json())
    assert content["heatmap"]["class"] == found.breed
    assert np.asarray(content["heatmap"]["grid"]).shape == (3, 3)


# Warnings


@pytest.mark.parametrize(
    ("size", "codes"),
    [
        ((96, 96), []),
        ((48, 48), []),
        ((47, 60), ["small_image"]),
        ((300, 100), []),
        ((301, 100), ["unusual_aspect"]),
        ((100, 301), ["unusual_aspect"]),
        ((20, 100), ["small_image", "unusual_aspect"]),
        ((1, 1), ["small_image"]),
    ],
)
def test_small_and_long_photos_get_warnings(classifier: Classifier, size: tuple[int, int], codes: list[str]) -> None:
    """The limits are half of the network's 96 pixels, and three times as long as wide."""
    found = answer(changed(classifier, known_threshold=None), Image.new("RGB", size, "gray"))
    assert [each.code for each in found.warnings] == codes
    for each in found.warnings:
        if each.code == "small_image":
            assert f"{size[0]} x {size[1]} pixels; below 48" in each.detail
        else:
            seen = min(size) / max(size) * classifier.manifest.image.crop_pct
            assert f"{seen:.0%} of its longer side" in each.detail


# Verification at load; tests/pets/test_bundle.py has the changed bundles


def test_close_classes_and_blank_maps_pass_verification(classifier: Classifier, pets_bundle: Path) -> None:
    """On another device the second of two close classes may come first, and a blank map may have rounding noise."""
    bundle = load(pets_bundle)
    blank, some = np.zeros((1, 3, 3), np.float32), np.ones((1, 3, 3), np.float32)
    golden = [
        {**bundle.golden[0], "logits": logits, "activation": some[0].tolist(), "gradcam": gradcam[0].tolist()}
        for logits, gradcam in (([1.0, 0.9995, -1.0], some), ([0.0, 0.0, 5.0], blank))
    ]
    there = iter([([0.9994, 1.0, -1.0], some), ([0.0, 0.0, 5.0], blank + 1e-7)])
    asked = []

    def run(images: Any, target: Any, rival: Any) -> Output:
        asked.append(int(target[0]))
        logits, gradcam = next(there)
        return Output(np.asarray([logits], np.float32), some, gradcam, target, rival)

    verify(Classifier(bundle.manifest, run), dataclasses.replace(bundle, golden=golden))
    assert asked == [0, 2]


@pytest.mark.gpu
def test_a_gpu_computes_the_same(pets_bundle: Path, classifier: Classifier) -> None:
    """cuDNN may compute each batch size in another way, so single photos and several batch sizes are compared."""
    on_gpu = Classifier.load(pets_bundle, device="cuda:0", exact=True)
    pixels = [
        classifier.crop(open_photo(encoded(draw_photo(breed, 1000 + seed))))[0] for breed in BREEDS for seed in (0, 1)
    ]
    for many in (1, 2, 3, 6):
        for ours, theirs in zip(on_gpu.run_network(pixels[:many]), classifier.run_network(pixels[:many]), strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-4 * np.abs(theirs).max())
