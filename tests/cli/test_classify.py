"""`shopcat classify` prints breeds, and why a person should look at a photo."""

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli import main
from pets.classifier import Classifier
from pets.images import Box
from tests.pets.fake_classifier import PREDICTED, SURE, UNSURE, fake_classifier, grey_photo

Classify = Callable[..., str]


@pytest.fixture
def classify(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Classify:
    """A function that runs the command on one photo with a fake classifier and returns its output."""

    def run(*options: str, largest: float = SURE, known_threshold: float | None = None) -> str:
        def load(_folder: Path, *, review_share: float | None, **_others: object) -> Classifier:
            return fake_classifier(largest, known_threshold=known_threshold, review_share=review_share)

        monkeypatch.setattr(Classifier, "load", load)
        (tmp_path / "photo.png").write_bytes(grey_photo())
        arguments = ["classify", str(tmp_path), str(tmp_path / "photo.png"), "--device", "cpu", "--top", "1", *options]
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 0, result.output
        return result.output.removeprefix(f"{tmp_path / 'photo.png'}  ")

    return run


BREED = fake_classifier(SURE).classes[PREDICTED]


def test_an_accepted_photo_has_the_breed_alone(classify: Classify) -> None:
    assert classify() == f"{BREED} 100.0%\n"


def test_an_unlikely_breed_is_for_review(classify: Classify) -> None:
    assert classify(largest=UNSURE).endswith("%  review: low probability\n")


def test_an_unknown_photo_is_marked_and_explained(classify: Classify) -> None:
    line, warning = classify(known_threshold=SURE + 1).splitlines()
    assert line == f"unknown  {BREED} 100.0%  review: unlike training"
    assert warning.strip().startswith("the photo is unlike all training photos: it may show no pet")


def test_review_share_sends_accepted_photos_to_review(classify: Classify) -> None:
    assert classify("--review-share", "1") == f"{BREED} 100.0%  review: random check\n"
    assert classify("--review-share", "0") == f"{BREED} 100.0%\n"


def test_a_closer_look_is_named(classify: Classify, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake network finds no animal, so the look is `whole` even if a closer one is requested."""
    assert classify("--look", "closer") == f"{BREED} 100.0%\n"
    monkeypatch.setattr("pets.classifier.closer_box", lambda *_: Box(0, 0, 150, 150))
    assert classify("--look", "closer") == f"{BREED} 100.0%  closer look\n"
