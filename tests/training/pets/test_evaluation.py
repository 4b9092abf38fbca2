import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn import metrics as sk

from training.pets.evaluation import Evaluation

CLASSES = (
    ("Abyssinian", "cat"),
    ("Bengal", "cat"),
    ("Sphynx", "cat"),
    ("beagle", "dog"),
    ("pug", "dog"),
    ("imp", None),
)


@pytest.fixture(scope="module")
def evaluation():
    """Evaluation of 200 photos, none of a Sphynx, about four of five right."""
    rng = np.random.default_rng(0)
    labels = rng.choice([0, 1, 3, 4, 5], 200, p=[0.5, 0.2, 0.15, 0.1, 0.05])
    logits = rng.normal(0, 1.5, (200, 6)) + 4 * np.eye(6)[labels]
    files = tuple(Path(f"{i}.jpg") for i in range(200))
    return Evaluation(logits.astype(np.float32), labels, CLASSES, files, temperature=1.3, threshold=0.7)


def test_the_metrics_equal_scikit_learns(evaluation):
    figures, said = evaluation.metrics(), evaluation.logits.argmax(axis=1)
    assert figures["photos"] == 200
    assert figures["accuracy"] == pytest.approx(sk.accuracy_score(evaluation.labels, said))
    recalls = sk.recall_score(evaluation.labels, said, labels=[0, 1, 3, 4, 5], average=None)
    assert figures["mean_over_breeds"] == pytest.approx(recalls.mean())
    assert figures["breeds"] == 5
    top = sk.top_k_accuracy_score(evaluation.labels, evaluation.logits, k=5, labels=range(6))
    assert figures["top_5"] == pytest.approx(top)
    assert figures["nll"] == pytest.approx(sk.log_loss(evaluation.labels, evaluation.probabilities, labels=range(6)))
    assert figures["nll_uncalibrated"] != figures["nll"]
    assert figures["ece_uncalibrated"] != figures["ece"]
    for key in ("accuracy", "mean_over_breeds", "accepted_accuracy"):
        low, high = figures[f"{key}_interval"]
        assert low < figures[key] < high


def test_the_metrics_are_json(evaluation):
    figures = evaluation.metrics()
    assert json.loads(json.dumps(figures, allow_nan=False)) == figures


def test_accepted_photos_are_those_that_serving_accepts(evaluation):
    sure = evaluation.probabilities.max(axis=1) >= 0.7
    figures = evaluation.metrics()
    assert 0 < sure.mean() < 1
    assert figures["accepted"] == sure.mean()
    right = sk.accuracy_score(evaluation.labels[sure], evaluation.predicted[sure])
    assert figures["accepted_accuracy"] == pytest.approx(right)


def test_a_threshold_may_accept_nothing(evaluation):
    figures = replace(evaluation, threshold=1.1).metrics()
    assert figures["accepted"] == 0
    assert figures["accepted_accuracy"] is None
    json.dumps(figures, allow_nan=False)


def test_breeds_and_species_add_up(evaluation):
    breeds = {share.name: share for share in evaluation.by_breed()}
    assert list(breeds) == ["Abyssinian", "Bengal", "beagle", "pug", "imp"]
    assert evaluation.without_photos() == ["Sphynx"]
    assert sum(share.photos for share in breeds.values()) == evaluation.all.photos == 200
    assert sum(share.right for share in breeds.values()) == evaluation.all.right
    cats, dogs = evaluation.by_species()
    assert (cats.name, dogs.name) == ("cat", "dog")
    assert cats.right == breeds["Abyssinian"].right + breeds["Bengal"].right
    assert dogs.photos == breeds["beagle"].photos + breeds["pug"].photos


def test_species_accuracy_counts_a_wrong_breed_of_the_right_species():
    logits = np.eye(6)[[1, 3, 4, 5]].astype(np.float32)
    labels = np.array([0, 0, 3, 5])  # a Bengal for an Abyssinian, a beagle for one, a pug for a beagle, and an imp
    share = Evaluation(logits, labels, CLASSES, [Path("a")] * 4, 1.0, 0.5).species()
    assert (share.right, share.photos) == (2, 3)


def test_species_may_be_unknown(evaluation):
    nameless = replace(evaluation, classes=[(name, None) for name, _ in CLASSES])
    assert nameless.species() is None
    assert nameless.by_species() == []
    assert nameless.metrics()["species_accuracy"] is None


def test_mistakes_are_sorted_by_falling_loss(evaluation):
    mistakes = evaluation.mistakes()
    assert {mistake.photo for mistake in mistakes} == set(np.flatnonzero(evaluation.predicted != evaluation.labels))
    losses = [mistake.loss for mistake in mistakes]
    assert losses == sorted(losses, reverse=True)
    worst = mistakes[0]
    assert worst.loss == pytest.approx(-np.log(worst.actual_probability))
    assert CLASSES[evaluation.labels[worst.photo]][0] == worst.actual
    assert CLASSES[evaluation.predicted[worst.photo]][0] == worst.predicted
    assert worst.predicted_probability == evaluation.probabilities[worst.photo].max()


def test_temperature_changes_no_answer(evaluation):
    cold = replace(evaluation, temperature=0.1)
    assert (cold.predicted == evaluation.predicted).all()
    assert cold.metrics()["accuracy"] == evaluation.metrics()["accuracy"]
    assert cold.metrics()["ece_uncalibrated"] == evaluation.metrics()["ece_uncalibrated"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"labels": np.empty(0, int)}, "no photos"),
        (
            {"labels": np.zeros(3, int)},
            r"logits have the shape \(200, 6\); there are 3 labels, 200 files and 6 classes",
        ),
        ({"files": ()}, "0 files"),
        ({"classes": CLASSES[:2]}, "2 classes"),
        ({"labels": np.full(200, 6)}, "labels are 6 to 6"),
        ({"labels": np.full(200, -1)}, "labels are -1 to -1"),
        ({"logits": np.full((200, 6), np.nan, np.float32)}, "NaN"),
    ],
)
def test_arrays_that_do_not_fit_together_are_an_error(evaluation, changes, message):
    with pytest.raises(ValueError, match=message):
        replace(evaluation, **changes)
