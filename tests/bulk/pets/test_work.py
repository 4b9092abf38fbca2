"""bulk.pets.work: a row for each photo, with the classifier's answer or the problem."""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from PIL import Image

from bulk import cuts
from bulk.job import Job
from bulk.pets.work import PhotoError
from pets.classifier import Classifier
from schemas.pets.request import PetRequest
from tests.bulk.conftest import RunJob, rows_of

PETS = Path(__file__).parents[3] / "model_store" / "pets"


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Folder with three photos and a file that is none."""
    folder = tmp_path / "photos"
    folder.mkdir()
    cat = Image.open(PETS.parents[1] / "docs" / "cat.jpg")
    cat.save(folder / "cat.jpg")
    cat.crop((50, 50, 250, 200)).save(folder / "cut.png")
    cat.rotate(180).save(folder / "turned.webp", quality=90)
    (folder / "letter.jpg").write_text("Dear cat")
    return folder


def test_each_photo_has_the_answer_of_the_classifier_or_its_problem(
    job: Callable[..., Job], run: RunJob, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuts, "PHOTOS", 3)
    todo = job(photos, bundle=PETS, bad_rows="keep", top_k=2)
    summary = run(todo)
    assert (summary.rows, summary.bad, summary.parts) == (4, 1, 2)
    classifier = Classifier.load(PETS)
    for row in rows_of(todo).to_dict("records"):
        file = Path(row["photo"])
        if file.name == "letter.jpg":
            assert pd.isna(row["breed"])
            assert "the file is of no known format" in row["problem"]
            continue
        (answer,) = classifier.predict([classifier.prepare(PetRequest(image=file.read_bytes(), top_k=2))])
        assert pd.isna(row["problem"])
        assert (row["breed"], row["decision"]) == (answer.breed, answer.decision)  # type: ignore[union-attr]
        assert row["probability"] == pytest.approx(answer.probability, abs=1e-5)  # type: ignore[union-attr]
        assert len(row["top"]) == 2


def test_a_file_that_is_no_photo_ends_a_job_that_refuses_it(job: Callable[..., Job], run: RunJob, photos: Path) -> None:
    with pytest.raises(PhotoError, match=r"letter\.jpg: .*; the job ends here; remove it, or use --bad-rows keep"):
        run(job(photos, bundle=PETS))
