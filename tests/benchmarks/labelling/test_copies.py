"""The benchmark of near duplicates: a half has its copies and pairs alone, and rules count what they should."""

import numpy as np
import pytest
from PIL import Image

from benchmarks.labelling import copies
from benchmarks.labelling.copies import COPIES, Looks, measure


def test_a_half_counts_its_own_copies_and_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "RULES", [(0, 0.9), (1, 0.9), (1, -1.0)])
    rng = np.random.default_rng(0)
    features = rng.normal(size=(40, 30)).astype(np.float32)
    hashes = rng.integers(0, 1 << 63, 40, np.uint64)
    hashes[4] = hashes[2]  # different photos of equal hashes, in the first half
    chosen = np.array([0, 1, 2, 3])
    of_two_kinds = {
        "same": Looks(hashes[chosen], features[chosen]),
        "one bit": Looks(hashes[chosen] ^ np.array([1, 1, 0, 1], np.uint64), features[chosen]),
    }
    album = Looks(hashes, features)
    assert measure(album, chosen, of_two_kinds, 0) == [
        ["0.750", "0.50", "0"],
        ["1.000", "1.00", "0"],
        ["1.000", "1.00", "1"],
    ]
    assert measure(album, chosen, of_two_kinds, 1) == [
        ["0.500", "0.00", "0"],
        ["1.000", "1.00", "0"],
        ["1.000", "1.00", "0"],
    ]


def test_copies_are_as_their_names_say() -> None:
    photo = Image.linear_gradient("L").resize((500, 300)).convert("RGB")
    made = {name: change(photo) for name, (change, _) in COPIES.items()}
    assert {name: copy.size for name, copy in made.items() if copy.size != photo.size} == {
        "400 pixels": (400, 240),
        "250 pixels": (250, 150),
        "250 pixels, quality 60": (250, 150),
        "200 pixels": (200, 120),
        "2 % cropped": (490, 294),
        "5 % cropped": (476, 284),
    }
    light = {name: np.asarray(copy).mean() for name, copy in made.items()}
    assert light["darker"] < np.asarray(photo).mean() < light["brighter"]
