"""labelling.photos.duplicates: groups as a double loop and scipy find them, quickly for many photos."""

import time

import numpy as np
import pytest
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from labelling.photos.duplicates import MAX_DISTANCE, MIN_COSINE, join, near_duplicates


def expected_groups(dhashes: np.ndarray, features: np.ndarray) -> list[int]:
    """Group pairs in a double loop, by Python's integers and scipy's components of a graph."""
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    pairs = [
        (i, j)
        for i in range(len(dhashes))
        for j in range(i)
        if (int(dhashes[i]) ^ int(dhashes[j])).bit_count() <= MAX_DISTANCE and unit[i] @ unit[j] >= MIN_COSINE
    ]
    i, j = np.array(pairs).reshape(-1, 2).T
    _, labels = connected_components(coo_array((np.ones(len(i)), (i, j)), (len(dhashes),) * 2), directed=False)
    return [labels.tolist().index(label) for label in labels]


def photos(n_photos: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return hashes and features of photos, among them chains of copies with flipped bits and turned features."""
    rng = np.random.default_rng(seed)
    dhashes = rng.integers(0, 1 << 63, n_photos, np.uint64)
    features = rng.normal(0, 1, (n_photos, 16)).astype(np.float32)
    for copy in range(max(n_photos // 3, 1), n_photos):
        original = rng.integers(0, copy)
        flipped = rng.integers(0, 64, rng.integers(0, 12)).astype(np.uint64)
        dhashes[copy] = dhashes[original] ^ np.bitwise_xor.reduce(np.uint64(1) << flipped, initial=np.uint64(0))
        features[copy] = features[original] + rng.normal(0, rng.choice([0.3, 3]), 16)
    order = rng.permutation(n_photos)
    return dhashes[order], features[order]


@pytest.mark.parametrize("n_photos", [1, 2, 300, 1030])  # the last is more than one tile
def test_groups_are_those_of_a_double_loop(n_photos: int) -> None:
    dhashes, features = photos(n_photos)
    groups = near_duplicates(dhashes, features)
    assert groups.tolist() == expected_groups(dhashes, features)
    assert n_photos < 3 or 10 < len(np.unique(groups)) < n_photos


def test_both_the_hash_and_the_features_must_be_alike() -> None:
    dhashes = np.array([0, 0b11111111, 0b111111111, 0], np.uint64)
    features = np.array([[1, 0], [1, 0.1], [1, 0], [0, 1]], np.float32)
    assert near_duplicates(dhashes, features).tolist() == [0, 0, 0, 3]  # the third is near the second alone
    assert near_duplicates(dhashes, features, max_distance=7).tolist() == [0, 1, 1, 3]
    assert near_duplicates(dhashes, features, min_cosine=0.9999).tolist() == [0, 1, 2, 3]


def test_features_of_zeros_and_no_photos_are_no_error() -> None:
    assert near_duplicates(np.zeros(2, np.uint64), np.zeros((2, 4), np.float32)).tolist() == [0, 1]
    assert near_duplicates(np.zeros(0, np.uint64), np.zeros((0, 4), np.float32)).tolist() == []


def test_a_long_chain_is_one_group() -> None:
    numbers = np.random.default_rng(0).permutation(5000)
    assert not join(np.arange(5000), numbers[:-1], numbers[1:]).any()


def test_many_plain_photos_take_few_seconds() -> None:
    """Thousands of equal hashes are the worst case: every pair is near."""
    rng = np.random.default_rng(0)
    dhashes = np.concatenate([np.zeros(6000, np.uint64), rng.integers(0, 1 << 63, 6000, np.uint64)])
    features = rng.normal(0, 1, (12000, 128)).astype(np.float32)
    start = time.process_time()
    groups = near_duplicates(dhashes, features)
    plain = time.process_time() - start
    assert len(np.unique(groups)) == 12000
    start = time.process_time()
    near_duplicates(rng.integers(0, 1 << 63, 12000, np.uint64), features)
    assert plain < 60 * (time.process_time() - start)
