"""Procrustes alignment against scipy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.linalg import orthogonal_procrustes
from scipy.spatial import procrustes

from labelling.maps.alignment import align


def turned(positions, angle, mirror, scale, shift):
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) @ np.diag([1, mirror])
    return scale * positions @ matrix + shift


@given(st.floats(0, 6.28), st.sampled_from([-1, 1]), st.floats(1e-3, 1e3), st.floats(-100, 100))
def test_a_turned_map_comes_back(angle, mirror, scale, shift):
    positions = np.random.default_rng(0).normal(size=(30, 2))
    moved = turned(positions, angle, mirror, scale, shift)
    np.testing.assert_allclose(align(moved, positions), positions, atol=1e-4)


def test_different_maps_are_turned_as_scipy_turns_them():
    random = np.random.default_rng(1)
    first = random.normal(size=(40, 2))
    second = turned(first, 2, -1, 7, 3) + random.normal(size=(40, 2))
    aligned = align(second, first)
    centred, target = second - second.mean(axis=0), first - first.mean(axis=0)
    rotation, _ = orthogonal_procrustes(centred, target)
    expected = centred @ rotation * np.linalg.norm(target) / np.linalg.norm(centred) + first.mean(axis=0)
    np.testing.assert_allclose(aligned, expected, atol=1e-5)
    np.testing.assert_allclose(procrustes(first, aligned)[2], procrustes(first, second)[2], rtol=1e-5)


def test_only_rows_that_both_maps_have_decide():
    random = np.random.default_rng(2)
    before = random.normal(size=(20, 2))
    after = turned(np.vstack([before, random.normal(size=(10, 2)) * 50]), 1, -1, 3, 9)
    onto = np.vstack([before, np.full((10, 2), np.nan)])
    onto[4] = np.nan
    aligned = align(after, onto)
    np.testing.assert_allclose(aligned[:20], before, atol=1e-4)
    np.testing.assert_allclose(align(aligned[20:], aligned[20:]), aligned[20:], atol=1e-3)
    after[0] = np.nan
    assert np.isnan(align(after, onto)[0]).all()
    np.testing.assert_allclose(align(after, onto)[1:], aligned[1:], atol=1e-3)


def test_many_alignments_do_not_shrink_a_map():
    random = np.random.default_rng(3)
    first = shown = random.normal(size=(50, 2)).astype(np.float32)
    for _ in range(30):
        shown = align(shown + random.normal(size=(50, 2)), shown)
    assert np.linalg.norm(shown - shown.mean(axis=0)) == pytest.approx(np.linalg.norm(first - first.mean(axis=0)), 1e-3)


@pytest.mark.parametrize("onto", [np.full((3, 2), np.nan), [[1, 2]] * 3, [[1, 2], [np.nan, 0], [np.nan, 0]]])
@pytest.mark.parametrize("positions", [np.zeros((3, 2)), np.arange(6).reshape(3, 2)])
def test_maps_without_extent_or_shared_rows_stay_finite(positions, onto):
    aligned = align(positions, np.array(onto, np.float64))
    assert np.isfinite(aligned).all()
    assert aligned.shape == (3, 2)
    if np.isfinite(onto).any():
        shared = np.isfinite(onto).all(axis=1)
        np.testing.assert_allclose(aligned[shared].mean(axis=0), [1, 2])
