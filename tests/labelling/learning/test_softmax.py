import numpy as np
import pytest
from scipy.optimize import minimize

from labelling.learning.softmax import STRENGTH, fit, minimise, softmax


def test_the_minimum_of_a_hard_valley_is_found() -> None:
    scales = np.logspace(0, 3, 40)
    target = np.random.default_rng(0).normal(size=40)

    def valley(point: np.ndarray) -> tuple[float, np.ndarray]:
        difference = point - target
        return float(scales @ difference**2), 2 * scales * difference

    np.testing.assert_allclose(minimise(valley, np.zeros(40)), target, atol=1e-3)


def test_the_weights_minimise_the_stated_loss_as_scipy_finds_it() -> None:
    rng = np.random.default_rng(1)
    rows, classes = rng.normal(size=(40, 6)), rng.permutation(np.repeat(np.arange(3), [25, 10, 5]))
    weight = (1 / (3 * np.bincount(classes)))[classes]

    def loss(flat: np.ndarray) -> float:
        weights = flat.reshape(7, 3)
        logits = rows @ weights[:-1] + weights[-1]
        likely = logits[np.arange(40), classes] - np.log(np.exp(logits).sum(axis=1))
        return float(-weight @ likely + np.square(weights[:-1]).sum() / (2 * STRENGTH * 40))

    theirs = minimize(loss, np.zeros(21), tol=1e-10)
    ours = fit(rows, classes, 3)
    assert loss(ours.ravel()) == pytest.approx(theirs.fun, abs=1e-5)
    np.testing.assert_allclose(ours[:-1], theirs.x.reshape(7, 3)[:-1], atol=0.02)


def test_a_softmax_of_huge_logits_does_not_overflow() -> None:
    assert softmax(np.array([[1e300, -1e300, 0.0]])).tolist() == [[1.0, 0.0, 0.0]]
