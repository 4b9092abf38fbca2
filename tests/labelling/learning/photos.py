"""Photos of a few breeds as rows, to label and to search."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Photos(NamedTuple):
    """Photos of breeds of different size.

    Attributes:
        rows: ``[photo, component]``.
        truth: ``[photo]``, their true labels.
        audit: ``[photo]``, true for the tenth that is held back.
    """

    rows: NDArray[np.float32]
    truth: NDArray[np.int64]
    audit: NDArray[np.bool_]

    def labels(self, count: int, seed: int = 0) -> NDArray[np.int64]:
        """Return labels of a random number of photos that are not in the audit."""
        labels = np.full(len(self.truth), -1)
        known = np.random.default_rng(seed).permutation(np.flatnonzero(~self.audit))[:count]
        labels[known] = self.truth[known]
        return labels


def drawn_photos(seed: int = 5) -> Photos:
    """Return 300 photos of five breeds."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.repeat(np.arange(5), [140, 80, 40, 25, 15]))
    centres = rng.normal(size=(5, 160))
    rows = (centres[truth] + rng.normal(size=(300, 160)) * 2.0) * np.linspace(1.5, 0.2, 160)
    return Photos(rows.astype(np.float32), truth, rng.random(300) < 0.1)
