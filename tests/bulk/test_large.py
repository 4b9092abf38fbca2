"""Drivers of jobs with many files and parts, by counts of what they do. Their engine is a fake."""

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from bulk import cuts
from bulk.cuts import sizes
from bulk.driver import run_job
from bulk.inputs import find_files
from bulk.job import Done, Job, Part, Task, part_name
from bulk.storage.places import storage_of
from bulk.storage.storage import below
from bulk.work import Step


class Fake:
    """A runner that publishes empty parts at once."""

    name = "fake"

    def run(self, task: Task, step: Step, parts: Sequence[Part]) -> Iterator[Done]:
        """Run a step with all parts."""
        for part in parts:
            if step == "answer":
                place = below(task.out, part_name(task.job, part.number))
                storage_of(place).create(place, lambda file: None)
            yield Done(part.number, len(part.photos))


def photo_job(folder: Path, count: int) -> Job:
    """Return a job of empty files. Its bundle does not exist."""
    photos = folder / "photos"
    photos.mkdir()
    for number in range(count):
        (photos / f"{number:07}.jpg").touch()
    places, out = (str(photos),), str(folder / "out")
    files = find_files("pets", places, out)
    return Job("pets", str(folder / "no bundle"), "0", files, out, {}, "refuse", "1", sizes("pets"), inputs=places)


def test_the_driver_of_photos_loads_no_bundle(tmp_path: Path) -> None:
    assert run_job(photo_job(tmp_path, 1000), Fake(), lambda progress: None).rows == 1000


def test_the_output_is_listed_as_often_for_few_parts_as_for_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The workers create their files in the same process."""
    monkeypatch.setattr(cuts, "PHOTOS", 1)
    listed = []
    for name in ("listdir", "scandir"):
        lister = getattr(os, name)
        monkeypatch.setattr(os, name, lambda path=".", lister=lister: (listed.append(str(path)), lister(path))[1])
    counts = []
    for count in (2, 200):
        folder = tmp_path / str(count)
        folder.mkdir()
        job = photo_job(folder, count)
        listed.clear()
        assert run_job(job, Fake(), lambda progress: None).parts == count
        counts.append(listed.count(job.out))
    assert 0 < counts[0] == counts[1] < 10


def test_the_description_of_a_job_does_not_grow_with_its_files_and_the_manifest_names_two_photos_of_each_part(
    tmp_path: Path,
) -> None:
    job = photo_job(tmp_path, 1000)
    run_job(job, Fake(), lambda progress: None)
    assert (Path(job.out) / "_JOB.json").stat().st_size < 1000
    manifest = json.loads((Path(job.out) / "_MANIFEST.json").read_text())
    assert manifest["input"].pop("sha256")
    assert manifest["input"] == {"files": 1000, "bytes": 0, "first": "0000000.jpg", "last": "0000999.jpg"}
    numbers = [
        (int(Path(part["first"]).stem), int(Path(part["last"]).stem), part["rows"]) for part in manifest["parts"]
    ]
    assert numbers == [(first, min(first + 127, 999), min(128, 1000 - first)) for first in range(0, 1000, 128)]


def test_names_of_parts_are_in_the_order_of_their_numbers() -> None:
    numbers = [0, 9, 10, 99_999, 100_000, 7_800_000]
    names = [part_name("0f", number) for number in numbers]
    assert names == sorted(names)
