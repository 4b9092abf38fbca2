import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.preprocessing import normalize

from labelling.learning import classifier, softmax
from labelling.learning.arrays import CANT_TELL, UNLABELLED
from labelling.learning.classifier import COMPONENTS, FOLDS, held_out, rank_spaces, train
from tests.labelling.learning.photos import Photos


def reference(classes: int) -> LogisticRegression:
    # With two classes, scikit-learn penalises one weight vector in place of two: half the penalty of the same model.
    return LogisticRegression(
        C=softmax.STRENGTH * (2 if classes == 2 else 1), class_weight="balanced", max_iter=5000, tol=1e-6
    )


@pytest.mark.parametrize("count", [25, 60, 150])
@pytest.mark.parametrize("classes", [2, 5])
def test_probabilities_equal_those_of_scikit_learn_to_three_digits(photos: Photos, count: int, classes: int) -> None:
    labels = photos.labels(count)
    labels[labels >= classes] = UNLABELLED
    known = labels >= 0
    inputs = normalize(photos.rows[:, :COMPONENTS])
    theirs = reference(classes).fit(inputs[known], labels[known])
    ours = train(photos.rows, labels, photos.audit)
    assert ours.labels.tolist() == theirs.classes_.tolist()
    np.testing.assert_allclose(ours.probabilities(photos.rows), theirs.predict_proba(inputs), atol=1e-3)
    predicted = ours.predict(photos.rows).labels
    assert np.mean(predicted == theirs.predict(inputs)) > 0.995


def test_a_start_from_the_last_classifier_changes_the_steps_and_not_the_result(
    photos: Photos, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    probabilities = softmax.softmax
    monkeypatch.setattr(softmax, "softmax", lambda logits: calls.append(1) or probabilities(logits))
    before = train(photos.rows, photos.labels(100), photos.audit)
    labels = photos.labels(101)
    calls.clear()
    cold = train(photos.rows, labels, photos.audit)
    cold_steps = len(calls)
    calls.clear()
    warm = train(photos.rows, labels, photos.audit, before)
    assert 0 < len(calls) < cold_steps
    np.testing.assert_allclose(warm.probabilities(photos.rows), cold.probabilities(photos.rows), atol=1e-3)


def test_a_classifier_starts_from_one_of_other_labels_and_of_other_spaces(photos: Photos) -> None:
    labels = photos.labels(80)
    cold = train(photos.rows, labels, photos.audit)
    fewer = train(photos.rows, np.where(labels == 1, UNLABELLED, labels), photos.audit)
    narrow = train(photos.rows[:, :20], labels, photos.audit)
    for start in (fewer, narrow):
        warm = train(photos.rows, labels, photos.audit, start)
        np.testing.assert_allclose(warm.probabilities(photos.rows), cold.probabilities(photos.rows), atol=1e-3)


def test_no_label_and_one_label_are_states_and_not_errors(photos: Photos) -> None:
    labels = np.full(300, UNLABELLED)
    for known, state in (([], "no labels"), ([3], "one label"), ([3, 9], "one label")):
        labels[known] = 7
        found = train(photos.rows, labels, photos.audit)
        assert (found.state, found.probabilities(photos.rows).shape) == (state, (300, 0))
        predicted = found.predict(photos.rows)
        assert set(predicted.labels) == {UNLABELLED}
        assert not predicted.confidence.any()


def test_a_label_that_vanishes_is_not_predicted_any_more(photos: Photos) -> None:
    labels = photos.labels(60)
    before = train(photos.rows, labels, photos.audit)
    after = train(photos.rows, np.where(labels == 0, UNLABELLED, labels), photos.audit, before)
    assert 0 in before.predict(photos.rows).labels
    assert 0 not in after.labels
    assert 0 not in after.predict(photos.rows).labels


def test_photos_of_the_audit_and_those_nobody_can_tell_are_never_trained_on(photos: Photos) -> None:
    labels = photos.labels(60)
    clean = train(photos.rows, labels, photos.audit)
    spoilt = labels.copy()
    spoilt[photos.audit] = 99
    spoilt[np.flatnonzero(labels < 0)[:20]] = CANT_TELL
    spoilt[photos.audit] = 99
    for rows, given in ((photos.rows, spoilt), (np.where(photos.audit[:, None], 1e3, photos.rows), labels)):
        found = train(rows.astype(np.float32), given, photos.audit)
        np.testing.assert_array_equal(found.weights, clean.weights)
        np.testing.assert_array_equal(held_out(rows, given, photos.audit).photos, held_out(*clean_args(photos)).photos)


def clean_args(photos: Photos) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return photos.rows, photos.labels(60), photos.audit


def test_the_same_photo_many_times_with_two_labels_is_even(photos: Photos) -> None:
    rows = np.repeat(photos.rows[:1], 50, axis=0)
    labels = np.arange(50) % 2
    found = train(rows, labels, np.zeros(50, bool))
    np.testing.assert_allclose(found.probabilities(rows), 0.5, atol=1e-6)


def test_rows_of_zeros_and_more_labels_than_photos_of_each_work() -> None:
    rows = np.eye(12, 8, dtype=np.float32)  # the last four are zeros
    found = train(rows, np.arange(12), np.zeros(12, bool))
    assert found.state == "trained"
    assert found.predict(rows).labels[:8].tolist() == list(range(8))
    assert np.isfinite(found.probabilities(rows)).all()
    assert len(held_out(rows, np.arange(12), np.zeros(12, bool)).photos) == 0


def test_a_value_that_is_not_finite_is_refused_by_its_photo(photos: Photos) -> None:
    rows = photos.rows.copy()
    rows[17, 3] = np.nan
    with pytest.raises(ValueError, match="photo 17 has a value that is not finite"):
        train(rows, photos.labels(20), photos.audit)
    with pytest.raises(ValueError, match=r"shape \(299,\) for 300 photos"):
        train(photos.rows, photos.labels(20)[:-1], photos.audit)


def test_predictions_name_the_two_most_probable_labels(photos: Photos) -> None:
    found = train(photos.rows, photos.labels(80) * 10 + 5 * (photos.labels(80) < 0), photos.audit)
    predicted, sorted_probabilities = found.predict(photos.rows), np.sort(found.probabilities(photos.rows), axis=1)
    np.testing.assert_allclose(predicted.confidence, sorted_probabilities[:, -1])
    np.testing.assert_allclose(predicted.margin, sorted_probabilities[:, -1] - sorted_probabilities[:, -2])
    assert set(predicted.labels) <= {0, 10, 20, 30, 40}
    assert (predicted.labels != predicted.second).all()


def test_held_out_probabilities_equal_scikit_learns_with_the_same_folds(photos: Photos) -> None:
    labels = photos.labels(150)
    judged = held_out(photos.rows, labels, photos.audit)
    known = np.flatnonzero(labels >= 0)
    assert judged.photos.tolist() == known.tolist()
    folds = PredefinedSplit(classifier._folds(labels[known]))
    assert folds.get_n_splits() == FOLDS
    theirs = cross_val_predict(
        reference(5), normalize(photos.rows[known, :COMPONENTS]), labels[known], cv=folds, method="predict_proba"
    )
    np.testing.assert_allclose(judged.probability, theirs[np.arange(150), labels[known]], atol=1e-3)


def test_a_photo_whose_label_no_other_has_is_not_judged(photos: Photos) -> None:
    labels = photos.labels(60)
    single = np.flatnonzero((labels < 0) & ~photos.audit)[0]
    labels[single] = 50
    judged = held_out(photos.rows, labels, photos.audit)
    assert single not in judged.photos
    assert len(judged.photos) == 60


def test_the_space_that_knows_the_labels_is_ranked_first_and_noise_last(photos: Photos) -> None:
    noise = np.random.default_rng(0).normal(size=photos.rows.shape).astype(np.float32)
    spaces = {"noise": noise, "final": photos.rows, "half": photos.rows + 3 * noise}
    ranked = rank_spaces(spaces, photos.labels(100), photos.audit)
    assert [score.space for score in ranked] == ["final", "half", "noise"]
    assert ranked[0].log_loss < ranked[2].log_loss
    assert 0 == ranked[0].behind < 2 < ranked[2].behind
    assert rank_spaces(spaces, photos.labels(1), photos.audit) == []


def test_equal_spaces_are_rarely_told_apart(photos: Photos) -> None:
    """The same photos with other noise are as good: a lead of three standard errors is luck."""
    rng = np.random.default_rng(1)
    leads = []
    for seed in range(20):
        spaces = {
            str(number): photos.rows + rng.normal(size=photos.rows.shape).astype(np.float32) for number in range(2)
        }
        leads.append(rank_spaces(spaces, photos.labels(40, seed), photos.audit)[1].behind)
    assert np.mean(np.array(leads) > 3) <= 0.15
    assert min(leads) >= 0
