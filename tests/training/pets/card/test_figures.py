"""Tables and sentences on shift, breeds and unknown photos."""

import re
from typing import Any

import numpy as np
import pytest

from training.pets.calibration import Calibration
from training.pets.card.figures import by_breed, under_shift, unknown_photos
from training.pets.novelty import Novelty, separation
from training.pets.probe.cross_validation import LeftOut
from training.pets.train import left_out_metrics

CLASSES = [("Abyssinian", "cat"), ("beagle", "dog")]
NOVELTY = separation([3.0, 4.0, 5.0], [1.0, 3.5])


def figures(novelty: Novelty | None = NOVELTY) -> dict[str, Any]:
    """Return figures of ten photos, which are right as they are; one of two copies of each is called an Abyssinian."""
    labels = np.repeat([0, 1], [4, 6])
    right, wrong = 5 * np.eye(2)[labels], 5 * np.eye(2)[np.zeros(10, int)]
    judged = LeftOut(labels, right.astype(np.float32), np.stack([right, wrong]).astype(np.float32))
    return left_out_metrics(judged, Calibration(1.0, 0.5, 6.0 if novelty is None else 1.0), CLASSES, novelty)


def rows(text: str) -> dict[str, list[str]]:
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines()[2:]]
    return {first: rest for first, *rest in cells}


def test_figures_count_photos_and_copies() -> None:
    result = figures()
    assert (result["plain"]["photos"], result["plain"]["accuracy"]) == (10, 1.0)
    assert (result["shifted"]["photos"], result["shifted"]["copies"]) == (20, 2)
    assert result["shifted"]["accuracy"] == pytest.approx(14 / 20)
    assert result["unknown_breeds"]["auroc"] == NOVELTY.auroc


def test_the_table_of_shift_has_both_columns() -> None:
    table = rows(under_shift(figures()))
    assert table["Accuracy"][0].startswith("100.0 % (")
    assert table["Accuracy"][1] == "70.0 % (39.7 to 89.2 %)"  # of ten photos, not of twenty copies
    assert table["Accepted"] == ["100.0 %", "100.0 %"]


def test_a_model_that_accepts_nothing_has_no_accuracy_of_accepted_photos() -> None:
    assert rows(under_shift(figures(None)))["Right among the accepted"] == ["none", "none"]


def test_breeds_are_listed_from_the_worst_with_the_intervals_of_their_photos() -> None:
    """Copies of a photo do not make an interval narrower."""
    text = by_breed(figures(), {"Abyssinian": 4, "beagle": 6})
    table = rows(text)
    assert [*table] == ["beagle", "Abyssinian"]
    assert table["beagle"] == ["6", "100.0 % (61.0 to 100.0 %)", "50.0 % (18.8 to 81.2 %)"]


def test_unknown_photos_are_told_of_if_they_were_measured() -> None:
    assert unknown_photos({}) == ""
    assert unknown_photos({"left_out": figures(None)}) == ""
    assert f"AUROC {NOVELTY.auroc:.3f}" in unknown_photos({"left_out": figures()})
    pictures = {
        "pictures": 8,
        "auroc": 0.99,
        "auroc_interval": [0.98, 1.0],
        "noticed": 0.75,
        "noticed_interval": [0.4, 0.9],
    }
    text = unknown_photos({"unlike_pictures": pictures})
    assert re.search(r"Of 8 pictures .* 75\.0 % \(40\.0 to 90\.0 %\) are noticed: AUROC 0\.990", text)
