"""Principal components of features: the directions in which photos differ most, and photos along them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

COMPONENTS = 256
_EXACT = 1024  # photos or columns up to which all components are computed; above, a random projection comes first
_SPARE, _ROUNDS = 16, 2  # further directions of the projection, and how often it is refined


@dataclass(frozen=True)
class Components:
    """Principal components, fitted on some photos.

    Attributes:
        mean: mean of the features, ``[column]``.
        axes: directions of length 1, from the largest variance to the smallest, ``[component, column]``. The largest
            weight of each is positive.
        variances: variance of the photos along each axis, ``[component]``.
    """

    mean: NDArray[np.float32]
    axes: NDArray[np.float32]
    variances: NDArray[np.float32]

    @classmethod
    def fit(cls, features: NDArray[np.float32], components: int = COMPONENTS, *, seed: int = 0) -> "Components":
        """Fit components on photos.

        Where both the photos and the columns are many, the components come from a randomised projection (N. Halko et
        al., "Finding structure with randomness", 2011). The result depends only on the arguments.

        Args:
            features: ``[photo, column]``, at least two photos.
            components: number of components, at most one less than the photos, and at most the columns.
            seed: seed of the projection.

        Raises:
            ValueError: if there are fewer than two photos.
        """
        n_photos, n_columns = features.shape
        if n_photos < 2:
            raise ValueError(f"components need at least 2 photos; there are {n_photos}")
        count = min(components, n_photos - 1, n_columns)
        mean = features.mean(axis=0, dtype=np.float64).astype(np.float32)
        centred = features - mean
        if min(n_photos, n_columns) > _EXACT:
            basis = _range(centred, count + _SPARE, np.random.default_rng(seed))
            variances, axes = _directions(basis.T @ centred, count)
        else:
            variances, axes = _directions(centred, count)
        signs = np.sign(axes[np.arange(count), np.abs(axes).argmax(axis=1)])
        return cls(mean, axes * signs[:, None], variances / (n_photos - 1))

    def project(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return photos along the axes, ``[photo, component]``.

        Args:
            features: ``[photo, column]``, of any photos.
        """
        return np.asarray(features @ self.axes.T - self.axes @ self.mean)


def _directions(rows: NDArray[np.float32], count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the largest squared singular values of a matrix and its right singular vectors, ``[count, column]``.

    They are those of the smaller of its two products with itself.
    """
    few_rows = rows.shape[0] < rows.shape[1]
    product = rows @ rows.T if few_rows else rows.T @ rows
    values, vectors = np.linalg.eigh(product.astype(np.float64))
    values, vectors = values[::-1][:count].clip(0), vectors[:, ::-1][:, :count]
    if not few_rows:
        return values.astype(np.float32), np.ascontiguousarray(vectors.T, np.float32)
    axes = vectors.T.astype(np.float32) @ rows
    lengths = np.linalg.norm(axes, axis=1, keepdims=True)
    return values.astype(np.float32), axes / np.maximum(lengths, np.finfo(np.float32).tiny)


def _range(matrix: NDArray[np.float32], count: int, rng: np.random.Generator) -> NDArray[np.float32]:
    """Return an orthonormal basis, ``[row, count]``, of most of what the columns of a matrix span."""
    count = min(count, *matrix.shape)
    basis, _ = np.linalg.qr(matrix @ rng.standard_normal((matrix.shape[1], count), np.float32))
    for _ in range(_ROUNDS):
        other, _ = np.linalg.qr(matrix.T @ basis)
        basis, _ = np.linalg.qr(matrix @ other)
    return np.asarray(basis)
