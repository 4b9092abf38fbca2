"""Folds: each label is shared out evenly, few labels are held out one by one, and inner folds stay within."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelling.separation.splits import hold_out, nested


def labels_of(*counts, seed=0):
    return np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))


@given(st.lists(st.integers(2, 25), min_size=2, max_size=4), st.integers(1, 3))
def test_each_row_is_held_out_once_a_repeat_and_labels_are_shared_evenly(counts, repeats):
    labels = labels_of(*counts)
    held = hold_out(labels, np.random.default_rng(0), repeats)
    assert (held.sum(axis=0) == repeats).all()
    for label in range(len(counts)):
        shares = held[:, labels == label].sum(axis=1)
        assert shares.max() - shares.min() <= 1
        assert (shares < counts[label]).all()  # a row of each label is left to train on


@pytest.mark.parametrize(("counts", "folds"), [((10, 12), 5), ((9, 9), 9), ((9, 80), 9), ((3, 40), 5), ((2, 2), 2)])
def test_below_10_labels_a_side_a_fold_holds_one_of_them(counts, folds):
    labels = labels_of(*counts)
    held = hold_out(labels, np.random.default_rng(0))
    assert len(held) == folds
    assert held[:, labels == 0].sum(axis=1).max() == (1 if counts[0] < 10 else 2)


def test_repeats_are_different():
    held = hold_out(labels_of(12, 12), np.random.default_rng(0), 2)
    assert not np.array_equal(held[:5], held[5:])


@pytest.mark.parametrize("counts", [(3, 3), (12, 30), (2, 9, 14)])
def test_inner_folds_neither_know_nor_hold_the_outer_rows(counts):
    labels = labels_of(*counts)
    splits = list(nested(labels, np.random.default_rng(0)))
    assert len(splits) >= 20
    for split in splits:
        outer = ~split.training[0]
        held = np.array([np.isin(np.arange(len(labels)), rows[members.any(axis=1)])
                         for rows, members in zip(split.held, split.members, strict=True)])  # fmt: skip
        assert np.array_equal(held[0], outer)
        assert not (split.training[1:] & outer).any()
        assert not (held[1:] & outer).any()
        assert not (split.training & held).any()
        counts_of_pairs = [[(labels[rows] == first).sum() * (labels[rows] == 1).sum() for first in range(len(counts))]
                           for rows in held]  # fmt: skip
        assert np.array_equal(split.n_pairs[:, :, 1], counts_of_pairs)


def test_a_label_of_one_row_is_always_in_training():
    labels = labels_of(1, 6, 7)
    held = hold_out(labels, np.random.default_rng(0))
    assert not held[:, labels == 0].any()
    assert (held[:, labels > 0].sum(axis=0) == 1).all()
    assert all(len(split.training) > 1 for split in nested(labels_of(2, 6, 7), np.random.default_rng(0)))


@pytest.mark.parametrize(("counts", "sets"), [((49, 50), 20), ((50, 50), 10)])
def test_many_labels_need_fewer_repeats(counts, sets):
    assert len(list(nested(labels_of(*counts), np.random.default_rng(0)))) == sets


def test_two_labels_a_side_leave_no_inner_folds():
    assert [len(split.training) for split in nested(labels_of(2, 2), np.random.default_rng(0))] == [1] * 20
