"""handlers.telemetry.pets: metrics and request-log fields of breeds."""

from typing import Any

import pytest
from prometheus_client import REGISTRY

from handlers.telemetry.pets import BreedObserver
from pets.classifier import Classifier
from schemas.pets.answer import Prediction
from schemas.pets.request import PetRequest
from tests.pets.fake_classifier import SURE, UNSURE, fake_classifier, grey_photo

ACCEPTED, UNLIKELY = fake_classifier(SURE), fake_classifier(UNSURE)
UNKNOWN, CHECKED = fake_classifier(SURE, known_threshold=SURE + 1), fake_classifier(SURE, review_share=1.0)


def prediction(classifier: Classifier) -> Prediction:
    (answer,) = classifier.predict([classifier.prepare(PetRequest(image=grey_photo()))])
    assert isinstance(answer, Prediction)
    return answer


@pytest.mark.parametrize(
    ("classifier", "expected"),
    [
        (ACCEPTED, {"known": True, "decision": "accept", "review_reason": None, "warnings": {}}),
        (UNLIKELY, {"known": True, "decision": "review", "review_reason": "low_probability", "warnings": {}}),
        (CHECKED, {"known": True, "decision": "review", "review_reason": "random_check", "warnings": {}}),
        (
            UNKNOWN,
            {"known": False, "decision": "review", "review_reason": "unlike_training"}
            | {"warnings": {"unlike_training": 1}},
        ),
    ],
)
def test_the_request_log_has_the_decision_and_its_reason(classifier: Classifier, expected: dict[str, Any]) -> None:
    fields = BreedObserver().log_fields(prediction(classifier))
    assert {name: fields[name] for name in expected} == expected
    assert fields.keys() - expected.keys() == {"probability", "look", "heatmap"}


def test_reviews_are_counted_by_reason() -> None:
    observer, model = BreedObserver(), "observed"
    batches = [[UNKNOWN, ACCEPTED, UNLIKELY], [CHECKED, UNKNOWN], []]
    summaries = [observer.summarize([prediction(classifier) for classifier in batch]) for batch in batches]
    observer.count(model, summaries)

    def count(reason: str) -> float | None:
        return REGISTRY.get_sample_value("shopcat_reviews_total", {"model": model, "reason": reason})

    assert (count("unlike_training"), count("low_probability"), count("random_check")) == (2, 1, 1)
    decisions = {
        decision: REGISTRY.get_sample_value("shopcat_decisions_total", {"model": model, "decision": decision})
        for decision in ("accept", "review")
    }
    assert decisions == {"accept": 1, "review": 4}
    assert count("None") is None
