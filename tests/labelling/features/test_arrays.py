"""labelling.features.arrays: components of photos in every space, also for photos that come later, and kept on disk."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from sklearn.decomposition import PCA

from labelling.features import arrays as module
from labelling.features.arrays import SpaceArrays
from labelling.features.spaces import Space
from labelling.features.table import FeatureTable, PhotoFacts

WHAT, WHERE = Space("final", "what"), Space("final", "where")
COLUMNS = {WHAT: slice(0, 20), WHERE: slice(20, 200)}
KEY = "a" * 64
PHOTOS = [hashlib.sha256(bytes([number])).hexdigest() for number in range(120)]


def features() -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.asarray(rng.normal(0, 1, (120, 30)) @ rng.normal(0, 1, (30, 200)), np.float32)


@pytest.fixture
def table(tmp_path: Path) -> FeatureTable:
    table = FeatureTable(tmp_path / "cache", KEY, 200)
    table.append([PhotoFacts(photo, 9, 9, 0) for photo in PHOTOS], features())
    return table


@pytest.fixture
def arrays(table: FeatureTable, tmp_path: Path) -> SpaceArrays:
    return SpaceArrays(tmp_path / "project", table, COLUMNS)


def test_each_space_has_its_components(arrays: SpaceArrays) -> None:
    arrays.fit(PHOTOS)
    assert arrays.fitted_on == 120
    found = arrays.arrays(PHOTOS[::-1])
    assert {space: array.shape for space, array in found.items()} == {WHAT: (120, 20), WHERE: (120, 119)}
    for space, array in found.items():
        assert array.dtype == np.float32
        expected = PCA(10).fit_transform(features()[::-1, COLUMNS[space]])
        signs = np.sign(np.sum(array[:, :10] * expected, axis=0))
        np.testing.assert_allclose(array[:, :10] * signs, expected, atol=0.01 * np.abs(expected).max())


def test_later_photos_are_along_the_same_axes(arrays: SpaceArrays, table: FeatureTable, tmp_path: Path) -> None:
    arrays.fit(PHOTOS[:70])
    before = arrays.array(WHERE, PHOTOS[:70])
    with pytest.raises(KeyError, match=r"and 49 other photos have no features"):
        arrays.array(WHERE, PHOTOS)
    arrays.add(PHOTOS)
    again = SpaceArrays(tmp_path / "project", table, COLUMNS)
    assert again.fitted_on == 70
    np.testing.assert_array_equal(again.array(WHERE, PHOTOS[:70]), before)
    fitted = PCA(10).fit(features()[:70, COLUMNS[WHERE]])
    expected = fitted.transform(features()[:, COLUMNS[WHERE]])
    found = again.array(WHERE, PHOTOS)[:, :10]
    np.testing.assert_allclose(
        found * np.sign(np.sum(found * expected, axis=0)), expected, atol=0.01 * np.abs(expected).max()
    )


def test_the_sample_is_random_and_the_same_each_time(arrays: SpaceArrays, table: FeatureTable, tmp_path: Path) -> None:
    arrays.fit(PHOTOS, sample=40)
    other = SpaceArrays(tmp_path / "other", table, COLUMNS)
    other.fit(PHOTOS[::-1], sample=40)
    assert other.fitted_on == 40
    np.testing.assert_allclose(other.array(WHAT, PHOTOS), arrays.array(WHAT, PHOTOS), rtol=2e-3, atol=1e-3)


def test_a_new_fit_replaces_the_old_one(arrays: SpaceArrays, tmp_path: Path) -> None:
    arrays.fit(PHOTOS[:60])
    arrays.fit(PHOTOS, components=5)
    assert arrays.array(WHERE, PHOTOS).shape == (120, 5)
    assert sorted(path.is_dir() for path in (tmp_path / "project").iterdir()) == [False, True]
    arrays.fit(PHOTOS, components=5)
    assert arrays.array(WHERE, PHOTOS).shape == (120, 5)


def test_a_reader_sees_what_another_process_has_fitted_and_added(
    arrays: SpaceArrays, table: FeatureTable, tmp_path: Path
) -> None:
    reader = SpaceArrays(tmp_path / "project", FeatureTable(tmp_path / "cache", KEY, 200), COLUMNS)
    assert not reader.refresh()
    arrays.fit(PHOTOS[:60])
    assert reader.refresh()
    arrays.add(PHOTOS)
    assert not reader.refresh()
    np.testing.assert_array_equal(reader.array(WHERE, PHOTOS), arrays.array(WHERE, PHOTOS))
    arrays.fit(PHOTOS)
    assert reader.array(WHAT, PHOTOS).shape == (120, 20)  # of the old fit, whose files are gone
    assert reader.refresh()
    assert reader.fitted_on == 120


def test_a_killed_fit_leaves_the_old_one(
    arrays: SpaceArrays, table: FeatureTable, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays.fit(PHOTOS[:60])
    before = arrays.array(WHERE, PHOTOS[:60])

    def die(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "write_file", die)
    with pytest.raises(KeyboardInterrupt):
        arrays.fit(PHOTOS)
    monkeypatch.undo()
    again = SpaceArrays(tmp_path / "project", table, COLUMNS)
    assert again.fitted_on == 60
    np.testing.assert_array_equal(again.array(WHERE, PHOTOS[:60]), before)
    again.fit(PHOTOS)
    np.testing.assert_array_equal(arrays.array(WHERE, PHOTOS[:60]), before)  # as long as somebody has it open
    arrays.refresh()
    again.remove_others()
    assert sorted(path.is_dir() for path in (tmp_path / "project").iterdir()) == [False, True]


def test_components_of_another_network_do_not_count(arrays: SpaceArrays, table: FeatureTable, tmp_path: Path) -> None:
    arrays.fit(PHOTOS)
    other = FeatureTable(tmp_path / "cache", "b" * 64, 200)
    other.append(table.facts, -features())
    changed = SpaceArrays(tmp_path / "project", other, COLUMNS)
    assert changed.fitted_on == 0
    with pytest.raises(RuntimeError, match="not fitted yet"):
        changed.array(WHAT, PHOTOS)
    with pytest.raises(RuntimeError, match="not fitted yet"):
        changed.add(PHOTOS)


def test_a_photo_without_features_can_not_be_fitted_on(arrays: SpaceArrays) -> None:
    with pytest.raises(KeyError, match=f"{'c' * 64} and 0 other photos"):
        arrays.fit([*PHOTOS, "c" * 64])
