"""Logits of photos from heads that were not fitted to them."""

from typing import NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from training.pets.options import Options
from training.pets.probe.cross_validation import balanced_split, cross_validate, fit_head, leave_classes_out
from training.pets.probe.features import PhotoFeatures
from training.pets.probe.head import Linear

WIDTH = 16
OPTIONS = Options(prior=1e-2)
MEMORISING = Options(prior=1e-6, shrinkage=0.001)


class Drawn(NamedTuple):
    """Features around a centre for each class, labels in random order, and the centres ``[class, WIDTH]``."""

    features: PhotoFeatures
    labels: NDArray[np.int64]
    centres: torch.Tensor


def drawn(counts: list[int], *, distance: float, copies: int = 2) -> Drawn:
    torch.manual_seed(0)
    labels = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    labels = labels[torch.randperm(len(labels))]
    centres = distance * torch.randn(len(counts), WIDTH)
    plain = centres[labels] + torch.randn(len(labels), WIDTH)
    versions = [plain + 0.1 * torch.randn_like(plain) for _ in range(2 + copies)]
    features = PhotoFeatures(plain, versions[0], versions[1], torch.stack(versions[2:]))
    return Drawn(features, labels.numpy(), centres)


def test_labels_without_a_pattern_are_not_predicted() -> None:
    """A head that had seen the photos would know their labels; 16 features fit 24 photos almost perfectly."""
    features, labels, _ = drawn([12, 12], distance=0)
    seen = fit_head(features, labels, 2, None, MEMORISING).logits(features.plain).argmax(1).numpy()
    left_out = cross_validate(features, labels, 2, None, MEMORISING).plain.argmax(1)
    assert (seen == labels).mean() > 0.8
    assert (left_out == labels).mean() < 0.75


def test_classes_with_a_pattern_are_predicted_in_plain_and_shifted_photos() -> None:
    features, labels, _ = drawn([20, 10, 5], distance=3)
    judged = cross_validate(features, labels, 3, None, OPTIONS)
    np.testing.assert_array_equal(judged.labels, labels)
    assert (judged.plain.argmax(1) == labels).mean() > 0.9
    assert judged.shifted.shape == (2, 35, 3)
    assert (judged.shifted.argmax(2) == labels).mean() > 0.9


def test_a_photo_alone_in_its_class_is_left_out() -> None:
    features, labels, _ = drawn([10, 10, 1], distance=3)
    judged = cross_validate(features, labels, 3, None, OPTIONS)
    assert judged.labels.tolist() == labels[labels != 2].tolist()
    assert judged.plain.shape == (20, 3)


def test_the_classifier_of_the_backbone_helps() -> None:
    """The classifier knows the centres, as ImageNet knows many breeds; three photos a class do not."""
    features, labels, centres = drawn([3] * 8, distance=0.7)
    classifier = Linear(centres, -centres.square().sum(1) / 2)
    with_prior = cross_validate(features, labels, 8, classifier, OPTIONS).plain.argmax(1) == labels
    without = cross_validate(features, labels, 8, None, OPTIONS).plain.argmax(1) == labels
    assert with_prior.mean() > without.mean()


@pytest.mark.parametrize(("distance", "low", "high"), [(4.0, 0.9, 1.0), (0.0, 0.3, 0.7)])
def test_classes_left_out_have_lower_logits_if_they_differ(distance: float, low: float, high: float) -> None:
    features, labels, _ = drawn([10] * 10, distance=distance)
    novelty = leave_classes_out(features, labels, 10, None, OPTIONS)
    assert novelty is not None
    assert low <= novelty.auroc <= high
    assert novelty.unknown == 20  # two classes
    assert 20 <= novelty.known <= 32  # a third of the photos of eight classes


def test_three_classes_are_too_few_to_leave_one_out() -> None:
    features, labels, _ = drawn([10] * 3, distance=3)
    assert leave_classes_out(features, labels, 3, None, OPTIONS) is None


def test_a_balanced_split_has_the_same_number_of_each_class() -> None:
    labels = np.random.default_rng(0).permutation(np.repeat([0, 1, 2], [30, 10, 6]))
    taught = balanced_split(labels, 5, seed=0)
    assert np.bincount(labels[taught]).tolist() == [5, 5, 5]
    assert len({*taught}) == 15
    assert {*taught} != {*balanced_split(labels, 5, seed=1)}
    with pytest.raises(ValueError, match="class 2 has 6 photos"):
        balanced_split(labels, 6, seed=0)
