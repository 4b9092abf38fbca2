import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics as sk

from runtime.shares import wilson
from training.pets.calibration import (
    T_RANGE,
    abstention,
    balanced_rows,
    calibrate,
    choose_threshold,
    expected_calibration_error,
    fit_temperature,
    log_softmax,
    nll,
    reliability,
    softmax,
)


def drawn(photos, temperature=1.0, classes=6, seed=0):
    """Draw logits, and labels by their probabilities at a temperature, at which they are therefore calibrated."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(0, 3, (photos, classes))
    cumulated = softmax(logits, temperature).cumsum(axis=1)
    return logits, (rng.random((photos, 1)) > cumulated).sum(axis=1).clip(max=classes - 1)


def slow_ece(probabilities, labels, bins=15):
    """Compute the formula of Guo et al. photo by photo and bin by bin."""
    total = 0.0
    for b in range(1, bins + 1):
        members = [
            (max(p), int(np.argmax(p) == label))
            for p, label in zip(probabilities, labels, strict=True)
            if (b - 1) / bins < max(p) <= b / bins
        ]
        if members:
            confidence, right = (sum(values) / len(members) for values in zip(*members, strict=True))
            total += len(members) / len(labels) * abs(right - confidence)
    return total


def test_probabilities_equal_torchs():
    torch = pytest.importorskip("torch")
    logits, labels = drawn(50)
    for temperature in (0.5, 1.0, 3.0):
        theirs = torch.softmax(torch.tensor(logits) / temperature, 1).numpy()
        np.testing.assert_allclose(softmax(logits, temperature), theirs, rtol=1e-9)
        loss = torch.nn.functional.cross_entropy(torch.tensor(logits) / temperature, torch.tensor(labels))
        assert nll(logits, labels, temperature) == pytest.approx(float(loss))
    assert nll(logits, labels) == pytest.approx(sk.log_loss(labels, softmax(logits), labels=range(6)))


def test_large_logits_do_not_overflow():
    assert np.isfinite(log_softmax([[1e4, -1e4], [0.0, 88.0]], 0.05)).all()


@pytest.mark.parametrize("photos", [1, 30, 1_000])
def test_calibration_error_equals_the_formula(photos):
    logits, labels = drawn(photos, 2.0)
    for temperature in (1.0, 2.0):
        p = softmax(logits, temperature)
        assert expected_calibration_error(p, labels) == pytest.approx(slow_ece(p, labels))


def test_bins_hold_every_photo_once():
    logits, labels = drawn(500)
    p = softmax(logits)
    bins = reliability(p, labels)
    assert bins.photos.sum() == 500
    some = bins.photos > 0
    assert (bins.photos * bins.accuracy)[some].sum() == pytest.approx((p.argmax(axis=1) == labels).sum())
    assert np.isnan(bins.accuracy[~some]).all()
    certain = reliability([[1.0, 0.0]], [0])
    assert certain.photos.tolist() == [0] * 14 + [1]


@pytest.mark.parametrize("truth", [0.4, 1.0, 2.5])
def test_the_temperature_equals_scipys_minimum_of_the_nll(truth):
    optimize = pytest.importorskip("scipy.optimize")
    logits, labels = drawn(2_000, truth)
    ours = fit_temperature(logits, labels)
    theirs = optimize.minimize_scalar(
        lambda log_t: nll(logits, labels, np.exp(log_t)),
        bounds=np.log(T_RANGE),
        method="bounded",
        options={"xatol": 1e-9},
    )
    assert ours == pytest.approx(np.exp(theirs.x), rel=1e-5)
    assert nll(logits, labels, ours) <= theirs.fun + 1e-12
    assert ours == pytest.approx(truth, rel=0.1)  # and the one that the labels were drawn at


def test_scaling_calibrates_an_overconfident_model():
    logits, labels = drawn(4_000, 3.0)
    other, judged = drawn(4_000, 3.0, seed=1)
    temperature = fit_temperature(logits, labels)
    before = expected_calibration_error(softmax(other), judged)
    after = expected_calibration_error(softmax(other, temperature), judged)
    assert before > 0.1
    assert after < 0.03
    assert (softmax(other).argmax(axis=1) == softmax(other, temperature).argmax(axis=1)).all()


def test_temperature_stays_in_its_range():
    logits = 5 * np.eye(3)
    assert fit_temperature(logits, [0, 1, 2]) == pytest.approx(T_RANGE[0])  # all right: surer is always better
    assert fit_temperature(logits, [1, 2, 0]) == pytest.approx(T_RANGE[1])  # all wrong
    with pytest.raises(ValueError, match="no photos"):
        fit_temperature(np.empty((0, 3)), [])


def test_the_curve_counts_the_photos_at_every_threshold():
    logits, labels = drawn(200)
    p = softmax(logits).round(2)  # with ties
    curve = abstention(p, labels)
    assert (np.diff(curve.threshold) > 0).all()
    for threshold, coverage, accuracy in zip(curve.threshold, curve.coverage, curve.accuracy, strict=True):
        sure = p.max(axis=1) >= threshold
        assert coverage == pytest.approx(sure.mean())
        assert accuracy == pytest.approx(sk.accuracy_score(labels[sure], p[sure].argmax(axis=1)))
    assert curve.coverage[0] == 1


def accepted(probabilities, labels, threshold):
    sure = probabilities.max(axis=1) >= threshold
    return int((probabilities.argmax(axis=1) == labels)[sure].sum()), int(sure.sum())


@pytest.mark.parametrize("target", [0.8, 0.9, 0.95])
def test_the_threshold_is_the_lowest_before_the_target_is_missed(target):
    logits, labels = drawn(1_000)
    p = softmax(logits)
    threshold = choose_threshold(p, labels, target)
    right, photos = accepted(p, labels, threshold)
    assert right / photos > wilson(right, photos, z=1).low >= target
    confidence = np.sort(p.max(axis=1))
    lower_end = [wilson(*accepted(p, labels, each), z=1).low for each in confidence]
    best = confidence[np.argmax(lower_end)]
    for each, low in zip(confidence, lower_end, strict=True):
        if threshold <= each <= best:
            assert low >= target
    assert lower_end[np.flatnonzero(confidence < threshold)[-1]] < target


def test_the_threshold_reaches_the_target_on_other_photos():
    """Thresholds from 300 photos: the accepted of other photos mostly reach the target, or miss it by little."""
    shares = []
    for seed in range(30):
        logits, labels = drawn(300, seed=seed)
        threshold = choose_threshold(softmax(logits), labels, 0.95)
        others, truth = drawn(2_000, seed=1_000 + seed)
        right, photos = accepted(softmax(others), truth, threshold)
        shares.append(right / photos)
    assert np.mean(np.array(shares) >= 0.95) > 0.75
    assert min(shares) > 0.9


def test_a_few_right_photos_are_not_enough_for_a_threshold():
    """Three right photos at the top are 100 % right, but do not set the threshold."""
    confidence = np.array([0.99] * 3 + [0.9] * 200)
    p = np.stack([confidence, 1 - confidence], axis=1)
    labels = np.array([0] * 3 + [1] * 20 + [0] * 180)
    assert choose_threshold(p, labels, 0.99) == 0.9  # the best there is: 183 of 203, and no photo surely refused


def test_no_photo_lies_on_the_threshold():
    logits, labels = drawn(1_000)
    p = softmax(logits)
    threshold = choose_threshold(p, labels, 0.9)
    assert np.abs(p.max(axis=1) - threshold).min() > 1e-9
    assert accepted(p, labels, threshold) == accepted(p.astype(np.float32), labels, np.float32(threshold))


def test_if_all_are_accepted_the_threshold_is_the_lowest_confidence():
    p = np.stack([np.linspace(0.6, 0.9, 300), np.linspace(0.4, 0.1, 300)], axis=1)
    assert choose_threshold(p, np.zeros(300, int), 0.99) == 0.6


@given(st.integers(1, 40), st.integers(0, 99))
def test_a_few_photos_have_a_threshold_too(photos, seed):
    logits, labels = drawn(photos, seed=seed)
    p = softmax(logits)
    _, count = accepted(p, labels, choose_threshold(p, labels, 0.99))
    assert count > 0


@pytest.mark.parametrize("target", [0, 1, 99])
def test_a_target_outside_0_to_1_is_an_error(target):
    with pytest.raises(ValueError, match="name a share"):
        choose_threshold([[0.9, 0.1]], [0], target)


def test_a_threshold_without_photos_is_an_error():
    with pytest.raises(ValueError, match="no photos"):
        choose_threshold(np.empty((0, 2)), [])


# Balance and calibration under shift.


def test_balanced_rows_hold_each_class_equally_often() -> None:
    labels = np.repeat([0, 1, 2], [50, 10, 3])
    rows = balanced_rows(labels, seed=0)
    assert np.bincount(labels[rows]).tolist() == [10, 10, 10]
    assert len({*rows[labels[rows] == 0]}) == len({*rows[labels[rows] == 1]}) == 10
    assert sorted(np.bincount(rows[labels[rows] == 2])[60:].tolist()) == [3, 3, 4]
    np.testing.assert_array_equal(rows, balanced_rows(labels, seed=0))


def simulated(n_photos: int, certainty: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """Return logits and labels whose softmax at temperature 2 is calibrated, of 5 classes."""
    true_logits = rng.normal(scale=certainty, size=(n_photos, 5))
    exponentials = np.exp(true_logits)
    cumulated = (exponentials / exponentials.sum(1, keepdims=True)).cumsum(1)
    return 2 * true_logits, (rng.random((n_photos, 1)) > cumulated).sum(1)


def test_a_calibration_finds_the_temperature_and_keeps_its_promises() -> None:
    rng = np.random.default_rng(0)
    logits, labels = simulated(4000, 3.0, rng)
    result = calibrate(logits, logits[None], labels, target=0.9, false_alarms=0.05, seed=0)
    assert result.temperature == pytest.approx(2, rel=0.08)
    fresh, truth = simulated(20_000, 3.0, rng)
    probabilities = softmax(fresh, result.temperature)
    known = fresh.max(1) >= result.known_threshold
    accepted = known & (probabilities.max(1) >= result.threshold)
    assert 1 - known.mean() == pytest.approx(0.05, abs=0.015)
    assert (probabilities.argmax(1) == truth)[accepted].mean() == pytest.approx(0.9, abs=0.015)


def test_wrong_shifted_copies_make_the_calibration_less_sure() -> None:
    rng = np.random.default_rng(0)
    logits, labels = simulated(2000, 4.0, rng)
    wrong = rng.permutation(logits)
    alone = calibrate(logits, logits[None], labels, target=0.9, false_alarms=0.05, seed=0)
    shifted = calibrate(logits, np.stack([logits, wrong]), labels, target=0.9, false_alarms=0.05, seed=0)
    assert shifted.temperature > 1.2 * alone.temperature


def test_versions_of_a_photo_count_as_one_photo() -> None:
    """Forty photos are too few for 97 %, however often they are repeated."""
    probabilities, labels = [[0.9, 0.1]] * 30 + [[0.6, 0.4]] * 10, [0] * 40
    once = choose_threshold(probabilities, labels, 0.97)
    assert choose_threshold(probabilities * 10, labels * 10, 0.97, versions=10) == once


@pytest.mark.parametrize("n_photos", [20, 200])
def test_few_photos_that_are_all_right_do_not_make_answers_certain(n_photos: int) -> None:
    """Of 20 photos without a mistake, one more mistake in 22 is likely enough."""
    labels = np.arange(n_photos) % 4
    logits = 3 * np.eye(4)[labels] + np.random.default_rng(0).normal(scale=0.1, size=(n_photos, 4))
    result = calibrate(logits, logits[None], labels, target=0.97, false_alarms=0.05, seed=0)
    confidence = softmax(logits, result.temperature).max(1).mean()
    assert confidence == pytest.approx(1 - 1 / (n_photos + 2), abs=0.01)


def test_smoothed_labels_have_the_temperature_of_as_many_wrong_photos() -> None:
    logits = np.random.default_rng(0).normal(scale=3, size=(50, 3))
    labels = logits.argmax(1)
    others = [(labels + step) % 3 for step in (1, 2)]
    wrong = np.concatenate([np.tile(labels, 18), *others])  # 2 of 20 photos have another class
    expected = fit_temperature(np.tile(logits, (20, 1)), wrong)
    assert fit_temperature(logits, labels, smoothing=0.1) == pytest.approx(expected, rel=1e-6)
