"""pets.classifier: the closer look at a small animal, and the warning about one, with a fake network."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from pets.classifier import Classifier
from pets.graph import Rival, Target
from pets.network import Output
from schemas.pets.answer import BoxAnswer, Prediction
from schemas.pets.request import PetRequest
from tests.pets.fake_classifier import shipped_manifest

SMALL = np.zeros((9, 9), np.float32)
SMALL[4, 4] = 1
LARGE = np.ones((9, 9), np.float32)
FAR, CLOSE, OTHER = 3, 8, 11  # classes: predicted from the whole photo, from its middle, and a third one
SIDE = 900  # pixels of the photo; its middle third is white, the rest black


class FakeNetwork:
    """A network that answers ``CLOSE`` to white pixels and ``FAR`` to others.

    Attributes:
        grid: Grad-CAM of the predicted class.
        calls: number of photos, targets and rivals of each run.
    """

    def __init__(self, grid: NDArray[np.float32]) -> None:
        self.grid = grid
        self.calls: list[tuple[int, list[int], list[int]]] = []

    def __call__(self, images: NDArray[np.float32], target: NDArray[np.int64], rival: NDArray[np.int64]) -> Output:
        self.calls.append((len(images), target.tolist(), rival.tolist()))
        logits = np.zeros((len(images), len(shipped_manifest().classes)), np.float32)
        white = images.min(axis=(1, 2, 3)) > 0
        logits[:, OTHER] = 1
        logits[np.arange(len(images)), np.where(white, CLOSE, FAR)] = 12
        explained = np.where(target == Target.PREDICTED, logits.argmax(1), target)
        compared = np.where(rival == Rival.RUNNER_UP, OTHER, rival)
        grids = np.repeat(self.grid[None], len(images), axis=0) * np.where(white, 2, 1)[:, None, None]
        return Output(logits, grids, grids.astype(np.float32), explained, compared)


def white_middle() -> bytes:
    image = Image.new("RGB", (SIDE, SIDE), "black")
    image.paste("white", (SIDE // 3 - 20, SIDE // 3 - 20, SIDE * 2 // 3 + 20, SIDE * 2 // 3 + 20))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def ask(network: FakeNetwork, *options: dict[str, Any]) -> Sequence[Any]:
    manifest = shipped_manifest()
    image = manifest.image.model_copy(update={"size": 288, "crop_pct": 1.0})
    classifier = Classifier(manifest.model_copy(update={"image": image, "known_threshold": None}), network)
    photo = white_middle()
    return classifier.predict([classifier.prepare(PetRequest(image=photo, **option)) for option in options])


def breeds(*indices: int) -> list[str]:
    return [shipped_manifest().classes[index].name for index in indices]


def codes(answer: Prediction) -> list[str]:
    return [warning.code for warning in answer.warnings]


def test_without_a_request_there_is_no_closer_look() -> None:
    network = FakeNetwork(SMALL)
    (answer,) = ask(network, {})
    assert [answer.breed] == breeds(FAR)
    assert (answer.look, answer.box) == ("whole", BoxAnswer(0, 0, SIDE, SIDE))
    assert network.calls == [(1, [Target.PREDICTED], [Rival.NONE])]
    assert codes(answer) == ["small_subject"]
    assert "look=closer" in answer.warnings[0].detail


def test_a_closer_look_classifies_the_part_with_the_evidence() -> None:
    network = FakeNetwork(SMALL)
    (answer,) = ask(network, {"look": "closer"})
    assert [answer.breed] == breeds(CLOSE)
    assert (answer.look, answer.box) == ("closer", BoxAnswer(SIDE / 3, SIDE / 3, SIDE * 2 / 3, SIDE * 2 / 3))
    assert codes(answer) == []
    assert len(network.calls) == 2


def test_evidence_everywhere_needs_no_second_run() -> None:
    network = FakeNetwork(LARGE)
    (answer,) = ask(network, {"look": "closer"})
    assert (answer.look, answer.box) == ("whole", BoxAnswer(0, 0, SIDE, SIDE))
    assert [answer.breed] == breeds(FAR)
    assert codes(answer) == []
    assert len(network.calls) == 1


def test_only_the_photos_of_a_batch_that_need_it_run_again() -> None:
    network = FakeNetwork(SMALL)
    answers = ask(network, {}, {"look": "closer"}, {}, {"look": "closer"})
    assert [answer.look for answer in answers] == ["whole", "closer", "whole", "closer"]
    assert [answer.breed for answer in answers] == breeds(FAR, CLOSE, FAR, CLOSE)
    assert [call[0] for call in network.calls] == [4, 2]


@pytest.mark.parametrize(("grid", "look", "largest"), [(SMALL, "closer", 2), (LARGE, "whole", 1)])
def test_a_heatmap_explains_the_requested_class_in_the_box(grid: NDArray[np.float32], look: str, largest: int) -> None:
    """The first run explains the predicted class, to find the animal; the second one explains the requested class."""
    network = FakeNetwork(grid)
    (name,) = breeds(OTHER)
    (answer,) = ask(network, {"look": "closer", "heatmap": "gradcam", "class": name})
    assert network.calls == [(1, [Target.PREDICTED], [Rival.NONE]), (1, [OTHER], [Rival.NONE])]
    assert (answer.look, answer.heatmap.class_, answer.heatmap.max) == (look, name, largest)
    assert answer.heatmap.box == answer.box
    assert answer.heatmap.overlay


def test_the_default_contrast_is_that_of_the_closer_look() -> None:
    (answer,) = ask(FakeNetwork(SMALL), {"look": "closer", "heatmap": "contrast", "overlay": "none"})
    assert [answer.heatmap.class_, answer.heatmap.versus] == breeds(CLOSE, OTHER)


def test_a_grid_of_another_class_or_a_contrast_says_nothing_about_the_size() -> None:
    (other,) = breeds(OTHER)
    (predicted,) = breeds(FAR)
    answers = ask(
        FakeNetwork(SMALL),
        {"heatmap": "gradcam", "class": other},
        {"heatmap": "contrast"},
        {"heatmap": "gradcam", "class": predicted},
        {"heatmap": "activation"},
    )
    assert [codes(answer) for answer in answers] == [[], [], ["small_subject"], ["small_subject"]]


def test_few_pixels_in_the_box_get_a_warning() -> None:
    manifest = shipped_manifest()
    image = manifest.image.model_copy(update={"size": 288, "crop_pct": 1.0})
    classifier = Classifier(manifest.model_copy(update={"image": image, "known_threshold": None}), FakeNetwork(SMALL))
    for side, expected in ((429, ["small_image"]), (432, [])):
        file = io.BytesIO()
        Image.new("RGB", (side, side), "gray").save(file, "PNG")
        query = classifier.prepare(PetRequest(image=file.getvalue(), look="closer"))
        (answer,) = classifier.predict([query])
        assert isinstance(answer, Prediction)
        assert codes(answer) == expected
        for warning in answer.warnings:
            assert (
                warning.detail
                == "the animal's part of the photo has 143 x 143 pixels; below 144 breeds are hard to recognise"
            )


def test_the_outputs_of_a_first_run_are_not_changed() -> None:
    network = FakeNetwork(SMALL)
    images = np.ones((2, 3, 4, 4), np.float32)
    first = network(images, np.array([-1, -1]), np.array([-1, -1]))
    second = network(-images[:1], np.array([OTHER]), np.array([-1]))
    merged = first.with_rows([1], second)
    assert first.target.tolist() == [CLOSE, CLOSE]
    assert merged.target.tolist() == [CLOSE, OTHER]
    assert merged.logits.argmax(1).tolist() == [CLOSE, FAR]
    assert merged.gradcam[:, 4, 4].tolist() == [2, 1]
