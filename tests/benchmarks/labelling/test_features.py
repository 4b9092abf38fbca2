"""benchmarks.labelling.features: the truth about heads, and the scores of spaces."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from benchmarks.labelling.features import accuracy, area, of_length_1, side_of_head


@pytest.mark.parametrize(
    ("head", "side"), [((20, 40), "left"), ((0, 66), "left"), ((50, 90), None), ((85, 99), "right"), (None, None)]
)
def test_the_side_of_a_head_is_its_place_along_the_animal(
    tmp_path: Path, head: tuple[int, int] | None, side: str | None
) -> None:
    """The animal is from column 20 to 120; its outline and the background do not count."""
    (tmp_path / "annotations" / "xmls").mkdir(parents=True)
    (tmp_path / "annotations" / "trimaps").mkdir()
    trimap = np.full((50, 200), 2, np.uint8)
    trimap[10:30, 12:130] = 3
    trimap[12:28, 20:121] = 1
    Image.fromarray(trimap).save(tmp_path / "annotations" / "trimaps" / "cat_1.png")
    if head is not None:
        box = f"<bndbox><xmin>{head[0]}</xmin><ymin>1</ymin><xmax>{head[1]}</xmax><ymax>9</ymax></bndbox>"
        (tmp_path / "annotations" / "xmls" / "cat_1.xml").write_text(f"<annotation><object>{box}</object></annotation>")
    assert side_of_head(tmp_path, "cat_1") == side


def test_the_area_is_that_of_scikit_learn_and_chance_is_a_half() -> None:
    rng = np.random.default_rng(0)
    labels = rng.random(400) < 0.5
    known = np.asarray(rng.normal(0, 1, (400, 3)) + labels[:, None] * (1.0, 0, 0), np.float32)
    found = area(LogisticRegression(), known, labels)
    assert found == pytest.approx(roc_auc_score(labels, known[:, 0]), abs=0.03)
    assert area(LogisticRegression(), known, rng.permutation(labels)) == pytest.approx(0.5, abs=0.1)
    assert accuracy(LogisticRegression(), known * 9, labels) > 0.6


def test_photos_have_length_1() -> None:
    rows = of_length_1(np.random.default_rng(0).normal(0, 5, (4, 200)).astype(np.float32))
    assert rows.shape == (4, 128)
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, rtol=1e-5)
    assert not of_length_1(np.zeros((1, 3), np.float32)).any()
