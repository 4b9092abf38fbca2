"""pets.review.decision: known photos, the reasons for a review, and the random share of accepted photos."""

import hashlib
import math
import random

import pytest

from pets.classifier import Classifier
from pets.review.decision import is_random_check, review_reason
from schemas.pets.answer import Prediction
from schemas.pets.manifest import PetsManifest
from schemas.pets.request import PetRequest
from tests.pets.fake_classifier import PREDICTED, SURE, UNSURE, fake_classifier, grey_photo, shipped_manifest

N_PHOTOS = 20_000


def answers(model: Classifier, *photos: bytes) -> list[Prediction]:
    found = model.predict([model.prepare(PetRequest(image=content)) for content in photos])
    assert all(isinstance(answer, Prediction) for answer in found)
    return [answer for answer in found if isinstance(answer, Prediction)]


def answer(model: Classifier, size: tuple[int, int] = (200, 200)) -> Prediction:
    (found,) = answers(model, grey_photo(*size))
    return found


# Known photos


def test_a_photo_is_known_from_the_threshold_on() -> None:
    found = answers(fake_classifier(7.99, 8.0, 8.01, known_threshold=8.0), *[grey_photo()] * 3)
    assert [prediction.known for prediction in found] == [False, True, True]
    assert [prediction.decision for prediction in found] == ["review", "accept", "accept"]


def test_the_temperature_does_not_change_known() -> None:
    for temperature in (0.1, 1.0, 10.0):
        found = answers(fake_classifier(7.9, 8.1, known_threshold=8.0, temperature=temperature), *[grey_photo()] * 2)
        assert [prediction.known for prediction in found] == [False, True]


def test_an_unknown_photo_gets_a_warning_and_the_closest_breed() -> None:
    model = fake_classifier(SURE, known_threshold=SURE + 1)
    found = answer(model)
    assert (found.known, found.decision, found.review_reason) == (False, "review", "unlike_training")
    assert found.breed == model.classes[PREDICTED]
    assert found.probability > model.manifest.threshold
    (warning,) = found.warnings
    assert warning.code == "unlike_training"
    assert "the breed is the closest one, not an answer" in warning.detail
    small = answer(model, (100, 20))
    assert [warning.code for warning in small.warnings] == ["unlike_training", "small_image", "unusual_aspect"]


@pytest.mark.parametrize("largest", [-100.0, UNSURE, SURE])
def test_every_photo_is_known_to_a_bundle_without_a_threshold(largest: float) -> None:
    found = answer(fake_classifier(largest))
    assert found.known
    assert not found.warnings
    assert found.review_reason == (None if largest == SURE else "low_probability")


def test_an_older_manifest_has_neither_threshold_nor_share() -> None:
    manifest = shipped_manifest()
    older = PetsManifest.model_validate(manifest.model_dump(exclude={"known_threshold", "review_share"}))
    assert (older.known_threshold, older.review_share) == (None, 0.0)


# Reasons


@pytest.mark.parametrize(
    ("known", "probability", "share", "reason"),
    [
        (True, 0.9, 0.0, None),
        (True, 0.9, 1.0, "random_check"),
        (True, 0.89, 0.0, "low_probability"),
        (True, 0.89, 1.0, "low_probability"),
        (False, 0.9, 0.0, "unlike_training"),
        (False, 0.89, 0.0, "unlike_training"),
        (False, 0.9, 1.0, "unlike_training"),
        (False, 0.89, 1.0, "unlike_training"),
    ],
)
def test_the_first_reason_counts(known: bool, probability: float, share: float, reason: str | None) -> None:
    found = review_reason(grey_photo(), known=known, probability=probability, threshold=0.9, review_share=share)
    assert found == reason


def test_the_decision_is_review_exactly_if_there_is_a_reason() -> None:
    accepted, random_check = (answer(fake_classifier(SURE, review_share=share)) for share in (0.0, 1.0))
    assert (accepted.decision, accepted.review_reason) == ("accept", None)
    assert (random_check.decision, random_check.review_reason) == ("review", "random_check")
    assert (random_check.breed, random_check.probability) == (accepted.breed, accepted.probability)
    unsure = answer(fake_classifier(UNSURE, review_share=1.0))
    assert (unsure.decision, unsure.review_reason) == ("review", "low_probability")


# Random checks


@pytest.mark.parametrize("share", [0.001, 0.02, 0.3, 0.9])
def test_the_share_of_random_checks_is_as_requested(share: float) -> None:
    source = random.Random(17)
    n_checks = sum(is_random_check(source.randbytes(40), share) for _ in range(N_PHOTOS))
    # Four standard deviations of the binomial distribution: one seed in 16,000 would fail.
    assert abs(n_checks - share * N_PHOTOS) <= 4 * math.sqrt(N_PHOTOS * share * (1 - share))


def test_a_share_of_zero_is_none_and_of_one_is_all() -> None:
    source = random.Random(18)
    for _ in range(1000):
        content = source.randbytes(20)
        assert not is_random_check(content, 0.0)
        assert is_random_check(content, 1.0)


def test_the_sha_256_of_the_bytes_decides() -> None:
    """Fixed examples: another definition would change decisions that were made before."""
    assert hashlib.sha256(b"").hexdigest().startswith("e3b0c44298fc1c14")
    number = 0xE3B0C44298FC1C14 / 2**64
    assert not is_random_check(b"", number - 1e-12)
    assert is_random_check(b"", number + 1e-12)
    assert [is_random_check(content, 0.5) for content in (b"a", b"b", b"c", b"d")] == [False, True, True, True]


def test_a_larger_share_keeps_the_photos_of_a_smaller_one() -> None:
    photos = [random.Random(seed).randbytes(30) for seed in range(500)]
    before: set[bytes] = set()
    for share in (0.01, 0.1, 0.2, 0.7, 1.0):
        chosen = {content for content in photos if is_random_check(content, share)}
        assert chosen > before
        before = chosen


def test_the_same_photo_gets_the_same_decision_in_every_batch_and_model() -> None:
    photos = [grey_photo(200, 200 + extra) for extra in range(40)]
    model, other = fake_classifier(SURE, review_share=0.5), fake_classifier(SURE - 1, review_share=0.5)
    wanted = [prediction.decision for prediction in answers(model, *photos)]
    assert {*wanted} == {"accept", "review"}
    assert [prediction.decision for content in photos for prediction in answers(other, content)] == wanted


def test_an_option_overrides_the_share_of_the_manifest() -> None:
    model = fake_classifier(SURE)
    for in_manifest, option, share in ((0.25, None, 0.25), (0.25, 0.0, 0.0), (0.0, 0.5, 0.5)):
        updated = model.manifest.model_copy(update={"review_share": in_manifest})
        assert Classifier(updated, model.run, review_share=option).review_share == share


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_outside_0_to_1_is_an_error(share: float) -> None:
    with pytest.raises(ValueError, match="review_share must be from 0 to 1, not"):
        fake_classifier(SURE, review_share=share)
