"""labelling.features.components: principal components as scikit-learn computes them, up to their signs."""

import numpy as np
import pytest
from sklearn.decomposition import PCA

from labelling.features.components import Components


def photos(n_photos: int, n_columns: int, *, seed: int = 0) -> np.ndarray:
    """Return features with variances that fall, as those of photos do, in turned directions."""
    rng = np.random.default_rng(seed)
    n_factors = min(n_photos, n_columns, 300)
    factors = rng.normal(0, 1, (n_photos, n_factors)) * 10 / (1 + np.arange(n_factors))
    mixed = factors @ rng.normal(0, 1, (n_factors, n_columns)) / np.sqrt(n_factors)
    return np.asarray(mixed + rng.normal(0, 0.005, mixed.shape) + rng.normal(0, 3, n_columns), np.float32)


@pytest.mark.parametrize(
    ("n_photos", "n_columns", "count"),
    [(300, 40, 40), (60, 500, 59), (200, 200, 199), (500, 900, 256), (1500, 1200, 256)],  # the last is randomised
)
def test_components_are_those_of_scikit_learn(n_photos: int, n_columns: int, count: int) -> None:
    features = photos(n_photos, n_columns)
    ours = Components.fit(features)
    theirs = PCA(count, svd_solver="full").fit(features.astype(np.float64))
    assert ours.axes.shape == (count, n_columns)
    np.testing.assert_allclose(
        ours.variances[:100], theirs.explained_variance_[:100], rtol=0.02, atol=2e-6 * ours.variances[0]
    )
    assert ours.variances.sum() > 0.999 * theirs.explained_variance_.sum()
    same = np.abs(np.sum(ours.axes * theirs.components_, axis=1))
    assert same[:15].min() > 0.999
    later = photos(40, n_columns, seed=1)
    signs = np.sign(np.sum(ours.axes * theirs.components_, axis=1))[:15]
    np.testing.assert_allclose(
        ours.project(later)[:, :15] * signs,
        theirs.transform(later)[:, :15],
        atol=2e-2 * np.sqrt(ours.variances[0]),
    )


@pytest.mark.parametrize(("n_photos", "n_columns"), [(100, 30), (30, 100), (1100, 1100)])
def test_axes_are_orthonormal_and_positive_at_their_largest_weight(n_photos: int, n_columns: int) -> None:
    axes = Components.fit(photos(n_photos, n_columns), 20).axes
    np.testing.assert_allclose(axes @ axes.T, np.eye(20), atol=1e-4)
    assert (axes[np.arange(20), np.abs(axes).argmax(axis=1)] > 0).all()


@pytest.mark.parametrize(("n_photos", "n_columns"), [(100, 30), (1100, 1100)])
def test_the_same_photos_give_the_same_components(n_photos: int, n_columns: int) -> None:
    features = photos(n_photos, n_columns)
    one, other = Components.fit(features), Components.fit(features.copy())
    np.testing.assert_array_equal(one.axes, other.axes)
    np.testing.assert_array_equal(one.project(features), other.project(features))


def test_the_projection_keeps_distances_that_the_components_cover() -> None:
    features = photos(200, 60)
    fitted = Components.fit(features)
    projected = fitted.project(features)
    np.testing.assert_allclose(projected.mean(axis=0), 0, atol=1e-3)
    np.testing.assert_allclose(projected.var(axis=0, ddof=1), fitted.variances, rtol=1e-3, atol=1e-6)
    assert np.linalg.norm(projected[0] - projected[1]) == pytest.approx(np.linalg.norm(features[0] - features[1]), 1e-3)


def test_equal_photos_are_at_one_place() -> None:
    features = np.tile(photos(1, 10), (5, 1))
    fitted = Components.fit(features)
    assert np.isfinite(fitted.axes).all()
    np.testing.assert_allclose(fitted.project(features), 0, atol=1e-3)


def test_one_photo_has_no_components() -> None:
    with pytest.raises(ValueError, match="at least 2 photos; there are 1"):
        Components.fit(photos(1, 10))
