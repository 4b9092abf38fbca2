"""The head of a linear probe: its prior, its optimum, and the scale of its penalty."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch.nn.functional import cross_entropy

from training.pets.probe.head import Linear, class_prior, fit_discriminant, fit_logistic, mean_head

CLASSES, WIDTH = 3, 5


@pytest.fixture
def photos() -> tuple[torch.Tensor, torch.Tensor]:
    """Return features and labels of 30 photos; the classes overlap and differ in size."""
    torch.manual_seed(0)
    labels = torch.tensor([0] * 18 + [1] * 8 + [2] * 4)
    return torch.randn(30, WIDTH) + 0.7 * torch.nn.functional.one_hot(labels, WIDTH), labels


def linear(seed: int, classes: int = CLASSES) -> Linear:
    generator = torch.Generator().manual_seed(seed)
    return Linear(torch.randn(classes, WIDTH, generator=generator), torch.randn(classes, generator=generator))


ZERO = Linear(torch.zeros(CLASSES, WIDTH), torch.zeros(CLASSES))


@pytest.mark.parametrize("balanced", [True, False])
@pytest.mark.parametrize("strength", [1e-3, 1e-1])
def test_the_head_is_the_optimum_that_scipy_finds(
    photos: tuple[torch.Tensor, torch.Tensor], strength: float, balanced: bool
) -> None:
    features, labels = photos
    prior = linear(1)
    x, y = features.double().numpy(), labels.numpy()
    counts = np.bincount(y)
    weights = 1 / counts[y] / CLASSES if balanced else np.full(len(y), 1 / len(y))
    spread = np.mean(np.sum((x - x.mean(0)) ** 2, axis=1))

    def loss(parameters: np.ndarray) -> float:  # type: ignore[type-arg]
        weight, bias = parameters[: CLASSES * WIDTH].reshape(CLASSES, WIDTH), parameters[CLASSES * WIDTH :]
        logits = x @ weight.T + bias
        log_sums = np.log(np.exp(logits).sum(1))
        penalty = strength * spread / 2 * np.sum((weight - prior.weight.numpy()) ** 2)
        return float(np.sum(weights * (log_sums - logits[np.arange(len(y)), y])) + penalty)

    optimum = minimize(loss, np.zeros(CLASSES * WIDTH + CLASSES), options={"gtol": 1e-7}).x
    head = fit_logistic(features, labels, prior, strength=strength, balanced=balanced)
    np.testing.assert_allclose(head.weight, optimum[: CLASSES * WIDTH].reshape(CLASSES, WIDTH), atol=5e-3)


def test_a_strong_pull_keeps_the_prior(photos: tuple[torch.Tensor, torch.Tensor]) -> None:
    prior = linear(1)
    head = fit_logistic(*photos, prior, strength=1e4)
    torch.testing.assert_close(head.weight, prior.weight, atol=1e-3, rtol=0)
    assert not torch.equal(head.weight, fit_logistic(*photos, prior, strength=1e-3).weight)


def test_the_scale_of_the_features_does_not_change_the_logits(photos: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, labels = photos
    one = fit_logistic(features, labels, ZERO, strength=1e-2).logits(features)
    other = fit_logistic(100 * features, labels, ZERO, strength=1e-2).logits(100 * features)
    torch.testing.assert_close(one, other, atol=5e-3, rtol=0)


def test_balanced_classes_do_not_gain_from_their_number_of_photos(photos: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, labels = photos
    once = fit_logistic(features, labels, ZERO, strength=1e-2)
    many = labels == 0
    repeated = torch.cat([features, *[features[many]] * 3]), torch.cat([labels, *[labels[many]] * 3])
    spread = [values.sub(values.mean(0)).square().sum(1).mean() for values in (features, repeated[0])]
    again = fit_logistic(*repeated, ZERO, strength=float(1e-2 * spread[0] / spread[1]))
    torch.testing.assert_close(once.weight, again.weight, atol=5e-3, rtol=0)


def test_smoothing_lowers_the_certainty(photos: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, labels = photos
    sharp, smooth = (
        fit_logistic(features, labels, ZERO, strength=1e-3, smoothing=value).logits(features) for value in (0.0, 0.2)
    )
    assert smooth.softmax(1).amax(1).mean() < sharp.softmax(1).amax(1).mean()
    assert cross_entropy(smooth, labels) > cross_entropy(sharp, labels)


# The prior.


def test_the_prior_mixes_the_classifiers_rows_by_resemblance(photos: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, labels = photos
    classifier = linear(2, classes=7)
    prior = class_prior(features, labels, CLASSES, classifier)
    for label in range(CLASSES):
        rows = features[labels == label].double()
        exponentials = torch.exp(rows @ classifier.weight.double().T + classifier.bias.double())
        mixture = (exponentials / exponentials.sum(1, keepdim=True)).mean(0)
        expected = sum(float(share) * classifier.weight[row] for row, share in enumerate(mixture))
        torch.testing.assert_close(prior.weight[label], expected, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(prior.bias[label], (mixture.float() * classifier.bias).sum(), atol=1e-5, rtol=1e-4)


def test_without_a_classifier_or_photos_the_prior_is_zero(photos: tuple[torch.Tensor, torch.Tensor]) -> None:
    features, labels = photos
    assert not class_prior(features, labels, CLASSES, None).weight.any()
    prior = class_prior(features, labels, CLASSES + 1, linear(2, classes=7))
    assert not prior.weight[CLASSES].any()
    assert prior.weight[:CLASSES].any(1).all()


# The discriminant analysis, and the mean of heads.


@pytest.mark.parametrize("shrinkage", [0.05, 0.5, 1.0])
def test_the_discriminant_is_that_of_scikit_learn(photos: tuple[torch.Tensor, torch.Tensor], shrinkage: float) -> None:
    features, labels = photos
    head = fit_discriminant(features, labels, CLASSES, shrinkage=shrinkage)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage, priors=[1 / CLASSES] * CLASSES)
    expected = model.fit(features.numpy(), labels.numpy()).predict_proba(features.numpy())
    np.testing.assert_allclose(head.logits(features).softmax(1), expected, atol=1e-5)


def test_one_photo_a_class_has_a_discriminant() -> None:
    features = torch.eye(3, WIDTH)
    head = fit_discriminant(features, torch.arange(3), 3, shrinkage=0.3)
    assert head.logits(features).argmax(1).tolist() == [0, 1, 2]


def test_the_scale_of_a_head_does_not_change_its_weight_in_the_mean(
    photos: tuple[torch.Tensor, torch.Tensor],
) -> None:
    features, _ = photos
    first, second = linear(1), linear(2)
    larger = Linear(50 * second.weight, 50 * second.bias)
    one, other = mean_head([first, second], features), mean_head([first, larger], features)
    torch.testing.assert_close(one.weight, other.weight)
    torch.testing.assert_close(one.bias, other.bias)
    torch.testing.assert_close(mean_head([first, first], features).weight, first.weight)


@pytest.mark.parametrize("balanced", [True, False])
def test_a_weight_of_two_is_a_photo_twice(photos: tuple[torch.Tensor, torch.Tensor], balanced: bool) -> None:
    features, labels = photos
    weights = torch.ones(len(labels))
    weights[::3] = 2
    twice = torch.cat([features, features[::3]]), torch.cat([labels, labels[::3]])
    one = fit_discriminant(features, labels, CLASSES, shrinkage=0.3, weights=weights)
    other = fit_discriminant(*twice, CLASSES, shrinkage=0.3)
    torch.testing.assert_close(one.weight, other.weight, atol=1e-4, rtol=1e-4)
    spread = [values.sub(values.mean(0)).square().sum(1).mean() for values in (features, twice[0])]
    strength = float(1e-2 * spread[0] / spread[1])
    weighted = fit_logistic(features, labels, ZERO, strength=1e-2, weights=weights, balanced=balanced)
    repeated = fit_logistic(*twice, ZERO, strength=strength, balanced=balanced)
    torch.testing.assert_close(weighted.weight, repeated.weight, atol=5e-3, rtol=0)
