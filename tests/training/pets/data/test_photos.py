"""Labelled photos: each layout is read, no photo is in both parts, and all problems are reported at once."""

import logging
import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.pets.data.photos import PetData, PhotosError, load_photo, read_pets

ROOT = Path(__file__).parents[4]


def write(file: Path, seed: int) -> Path:
    """Write a small photo that depends on the seed."""
    file.parent.mkdir(parents=True, exist_ok=True)
    formats = {".jpg": "JPEG", ".jpeg": "JPEG", ".tif": "TIFF", ".tiff": "TIFF"}
    suffix = file.suffix.lower()
    pixels = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    Image.fromarray(pixels).save(file, formats.get(suffix, suffix[1:].upper()))
    return file


def named(folder: Path, counts: dict[str, int], seed: int = 0) -> Path:
    """Write photos named breed_number.jpg."""
    for breed, many in counts.items():
        for number in range(many):
            write(folder / f"{breed}_{number + 1}.jpg", seed := seed + 1)
    return folder


def oxford(root: Path, lists: dict[str, Iterable[str]], seed: int = 0) -> Path:
    """Write torchvision's layout, with a photo for each line "name class species breed"."""
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    for part, lines in lists.items():
        (root / "annotations" / f"{part}.txt").write_text("\n".join(lines) + "\n")
        for line in lines:
            write(root / "images" / f"{line.split()[0]}.jpg", seed := seed + 1)
    return root


LISTS = {
    "trainval": ["Sphynx_1 2 1 2", "Sphynx_12 2 1 2", "great_dane_2 1 2 1", "great_dane_3 1 2 1"],
    "test": ["great_dane_9 1 2 1", "Sphynx_7 2 1 2"],
}


def shown(data: PetData) -> dict[str, list[str]]:
    """Return file and breed of each photo."""
    parts = {"train": data.train, "valid": data.valid}
    return {
        name: [f"{file.name} {data.classes[label].name}" for file, label in zip(part.files, part.labels, strict=True)]
        for name, part in parts.items()
    }


def complaint(folder: Path, **options: object) -> str:
    with pytest.raises(PhotosError) as caught:
        read_pets(folder, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("where", [".", "oxford-iiit-pet"])
def test_the_split_of_oxfords_lists_is_kept(tmp_path: Path, where: str) -> None:
    root = oxford(tmp_path / where, LISTS)
    (root / "images" / "Sphynx_1.mat").write_bytes(b"the dataset has some of these")
    write(root / "images" / "Sphynx_99.jpg", 200)  # in no list
    data = read_pets(tmp_path)
    assert data.layout == "oxford"
    assert data.classes == (("great_dane", "dog"), ("Sphynx", "cat"))  # by class id
    assert {name: sorted(photos) for name, photos in shown(data).items()} == {
        "train": [
            "Sphynx_1.jpg Sphynx",
            "Sphynx_12.jpg Sphynx",
            "great_dane_2.jpg great_dane",
            "great_dane_3.jpg great_dane",
        ],
        "valid": ["Sphynx_7.jpg Sphynx", "great_dane_9.jpg great_dane"],
    }
    assert data.train.labels.dtype == np.int64


def test_listed_photos_that_do_not_exist_are_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    lists = {**LISTS, "trainval": [*LISTS["trainval"], "pug_1 3 2 3"]}
    root = oxford(tmp_path, lists)
    for name in ("pug_1", "Sphynx_12"):
        (root / "images" / f"{name}.jpg").unlink()
    data = read_pets(root)
    assert "2 of the 7 photos in the lists do not exist" in caplog.text
    assert [each.name for each in data.classes] == ["great_dane", "Sphynx"]  # a breed without a photo is none
    assert len(data.train.files) == 3


def test_oxfords_comments_and_upper_case_suffixes_are_read(tmp_path: Path) -> None:
    root = oxford(tmp_path, LISTS)
    (root / "images" / "Sphynx_1.jpg").rename(root / "images" / "Sphynx_1.JPG")
    file = root / "annotations" / "trainval.txt"
    file.write_text("#Image CLASS-ID SPECIES BREED ID\n\n" + file.read_text().replace("\n", "\r\n"))
    assert len(read_pets(root).train.files) == 4


def test_mistakes_in_oxfords_lists_are_all_reported(tmp_path: Path) -> None:
    lists = {
        "trainval": ["Sphynx_1 2 1 2", "beagle_1 2 2 2", "pug_1 3 2 3", "pug_2 4 2 4"],
        "test": ["Sphynx_1 2 1 2", "pug_3 4 2 4"],
    }
    root = oxford(tmp_path, lists)
    with (root / "annotations" / "trainval.txt").open("a") as file:
        file.write("pug_7 3 fish 3\npug.jpg\n")
    text = complaint(root)
    assert "images listed twice (1: Sphynx_1)" in text
    assert "contradict each other (2: 2, pug)" in text
    assert "can't be read (2: trainval.txt line 5, trainval.txt line 6)" in text
    assert "3 problems" in text
    (root / "annotations" / "test.txt").unlink()
    assert "no annotations/test.txt" in complaint(root)


def test_file_names_give_the_breed_as_in_the_lesson(tmp_path: Path) -> None:
    named(tmp_path, {"great_pyrenees": 10, "Birman": 5})
    (tmp_path / "notes.txt").write_text("no photo")
    (tmp_path / ".hidden_1.jpg").write_bytes(b"a Mac's shadow file")
    data = read_pets(tmp_path, seed=3)
    assert data.layout == "names"
    assert data.classes == (("Birman", None), ("great_pyrenees", None))
    assert np.bincount(data.valid.labels).tolist() == [1, 2]  # a fifth of each
    assert np.bincount(data.train.labels).tolist() == [4, 8]
    assert not set(data.train.files) & set(data.valid.files)
    assert all(line.split("_")[0] == line.split()[1].split("_")[0] for part in shown(data).values() for line in part)


def test_the_lessons_images_folder_is_found(tmp_path: Path) -> None:
    named(tmp_path / "images", {"pug": 3, "Birman": 3})
    assert [each.name for each in read_pets(tmp_path).classes] == ["Birman", "pug"]


def test_a_custom_pattern_reads_every_suffix(tmp_path: Path) -> None:
    suffixes = ["jpg", "JPEG", "png", "WebP", "gif", "bmp", "tif", "TIFF"]
    for i, suffix in enumerate(suffixes):
        write(tmp_path / f"{i}-{'cat' if i % 2 else 'dog'}.{suffix}", 20 * i)
    data = read_pets(tmp_path, pattern=r"(?i)\d-(\w+)\.\w+$", valid_pct=0.5)
    assert np.bincount(data.train.labels).tolist() == np.bincount(data.valid.labels).tolist() == [2, 2]


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("([a-z]+_", "is no regular expression"),
        (r"[a-z]+_\d+", "has no group"),
        (r"(\w+)_0\d\.jpg$", r"do not match the pattern '(\\w+)_0\\d\\.jpg$' (9: Birman_1.jpg, Birman_2.jpg, "),
    ],
)
def test_a_pattern_that_does_not_fit_is_an_error(tmp_path: Path, pattern: str, message: str) -> None:
    named(tmp_path, {"pug": 5, "Birman": 4})
    assert message in complaint(tmp_path, pattern=pattern)


def test_folder_names_give_the_breed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for breed in ("Maine Coon", "pug"):
        named(tmp_path / breed / "summer", {"img": 6}, seed=100 if breed == "pug" else 0)
    named(tmp_path / ".thumbnails", {"x": 3})
    write(tmp_path / "pug" / "cover.png", 250)
    data = read_pets(tmp_path)
    assert data.layout == "folders"
    assert data.classes == (("Maine Coon", None), ("pug", None))
    assert np.bincount(data.train.labels).tolist() == [5, 6]
    assert np.bincount(data.valid.labels).tolist() == [1, 1]
    write(tmp_path / "stray.jpg", 251)
    read_pets(tmp_path, labels="folders")
    assert "photos in no breed's folder (1: stray.jpg)" in caplog.text


@pytest.mark.parametrize("valid", ["valid", "val", "Test"])
def test_train_and_valid_folders_are_the_split(tmp_path: Path, valid: str) -> None:
    for i, part in enumerate(("train", valid)):
        for j, breed in enumerate(("pug", "Birman")):
            named(tmp_path / part / breed, {"a": 3}, seed=20 * (2 * i + j))
    data = read_pets(tmp_path)
    assert all(file.parts[-3] == "train" for file in data.train.files)
    assert all(file.parts[-3] == valid for file in data.valid.files)
    shutil.rmtree(tmp_path / valid)
    assert len(read_pets(tmp_path).valid.files) == 2  # one of each, from train/


def test_the_split_depends_only_on_the_seed_and_the_files_of_the_breed(tmp_path: Path) -> None:
    named(tmp_path, {"pug": 20, "Birman": 30})
    first = read_pets(tmp_path, check=False)
    assert shown(read_pets(tmp_path, check=False)) == shown(first)
    assert shown(read_pets(tmp_path, check=False, seed=1)) != shown(first)
    named(tmp_path, {"beagle": 10}, seed=100)
    more = read_pets(tmp_path, check=False)
    assert {line for line in shown(more)["valid"] if "beagle" not in line} == set(shown(first)["valid"])


def test_pictures_without_the_breeds_are_found_in_sub_folders(tmp_path: Path) -> None:
    photos = named(tmp_path / "photos", {"pug": 5, "Birman": 4})
    others = [
        write(tmp_path / "others" / name, 300 + i) for i, name in enumerate(("a.png", "deep/b.jpg", "deep/c.webp"))
    ]
    (tmp_path / "others" / "notes.txt").write_text("no picture")
    assert [*read_pets(photos, unlike=tmp_path / "others").unlike] == sorted(others)
    assert read_pets(photos).unlike == ()


def test_a_broken_picture_and_a_folder_without_pictures_are_reported(tmp_path: Path) -> None:
    photos = named(tmp_path / "photos", {"pug": 5, "Birman": 4})
    assert "no such folder" in complaint(photos, unlike=tmp_path / "others")
    (tmp_path / "others").mkdir()
    assert "others has no picture" in complaint(photos, unlike=tmp_path / "others")
    (tmp_path / "others" / "broken.jpg").write_bytes(b"no picture")
    assert "broken.jpg" in complaint(photos, unlike=tmp_path / "others")


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    named(tmp_path, {"pug": 5, "Birman": 5, "lonely": 1})
    (tmp_path / "pug_3.jpg").write_bytes(b"")
    (tmp_path / "pug_4.jpg").write_bytes(b"not a photo at all")
    whole = (tmp_path / "Birman_1.jpg").read_bytes()
    (tmp_path / "Birman_1.jpg").write_bytes(whole[: len(whole) // 2])
    write(tmp_path / "cover.jpg", 99)
    text = complaint(tmp_path, valid_pct=1.5)
    assert text.startswith("6 problems with the photos in")
    for part in ("pug_3.jpg", "pug_4.jpg", "Birman_1.jpg", "cover.jpg", "valid_pct is 1.5", "(1: lonely)"):
        assert part in text
    assert str(tmp_path) in text
    # without the check, broken photos come to light when they are used
    for name in ("cover.jpg", "lonely_1.jpg"):
        (tmp_path / name).unlink()
    read_pets(tmp_path, check=False)
    with pytest.raises(PhotosError, match=r"pug_4\.jpg"):
        load_photo(tmp_path / "pug_4.jpg")
    with pytest.raises(PhotosError, match=r"gone\.jpg"):
        load_photo(tmp_path / "gone.jpg")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda folder: folder / "nowhere", "no such folder"),
        (lambda folder: folder, "there is no photo"),
        (lambda folder: named(folder, {"pug": 3}), "all photos are of one breed, pug"),
        (lambda folder: named(folder / "pug", {"a": 3}).parent, "all photos are of one breed, pug"),
        (lambda folder: oxford(folder, {**LISTS, "test": []}), "there is no photo to validate on"),
        (lambda folder: oxford(folder, {**LISTS, "test": [*LISTS["test"], "pug_1 3 2 3"]}), "to train on (1: pug)"),
    ],
)
def test_too_few_photos_or_breeds_are_an_error(tmp_path: Path, make: Callable[[Path], Path], message: str) -> None:
    assert message in complaint(make(tmp_path))


def test_a_given_layout_that_does_not_match_is_an_error(tmp_path: Path) -> None:
    named(tmp_path, {"pug": 3, "Birman": 3})
    assert "no annotations/trainval.txt" in complaint(tmp_path, labels="oxford")
    assert "there is no photo" in complaint(tmp_path, labels="folders")


def test_training_gets_no_copy_of_a_validation_photo(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The validation part stays complete, so that its metrics are comparable; training leaves out the copies."""
    root = oxford(tmp_path, LISTS)
    images = root / "images"
    shutil.copy(images / "Sphynx_7.jpg", images / "Sphynx_12.jpg")  # copy of a validation photo
    shutil.copy(images / "great_dane_2.jpg", images / "great_dane_3.jpg")  # of another to train on
    data = read_pets(root)
    assert sorted(file.name for file in data.train.files) == ["Sphynx_1.jpg", "great_dane_2.jpg"]
    assert len(data.valid.files) == 2
    assert (
        "photos that are copies of others (2: Sphynx_12.jpg, great_dane_3.jpg); training leaves them out" in caplog.text
    )


def test_our_split_never_separates_copies(tmp_path: Path) -> None:
    named(tmp_path, {"pug": 6, "Birman": 6})
    for number in range(20, 26):
        shutil.copy(tmp_path / "pug_1.jpg", tmp_path / f"pug_{number}.jpg")
    for seed in range(5):
        data = read_pets(tmp_path, seed=seed, check=False)
        counts = Counter(file.read_bytes() for part in (data.train, data.valid) for file in part.files)
        assert max(counts.values()) == 1
        assert len(counts) == 12


def test_a_photo_under_two_breeds_is_left_out_of_training(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    named(tmp_path, {"pug": 4, "Birman": 4})
    shutil.copy(tmp_path / "pug_1.jpg", tmp_path / "Birman_1.jpg")
    data = read_pets(tmp_path)
    assert "photos that are under two breeds (2: Birman_1.jpg, pug_1.jpg)" in caplog.text
    assert len(data.train.files) + len(data.valid.files) == 6


def test_the_fingerprint_changes_with_photos_labels_and_parts(tmp_path: Path) -> None:
    named(tmp_path / "a", {"pug": 6, "Birman": 6})
    first = read_pets(tmp_path / "a").fingerprint()
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    assert read_pets(tmp_path / "b").fingerprint() == first  # where the photos lie does not matter
    assert read_pets(tmp_path / "b", seed=9).fingerprint() != first
    (tmp_path / "b" / "pug_6.jpg").rename(tmp_path / "b" / "Birman_9.jpg")
    assert read_pets(tmp_path / "b").fingerprint() != first
    Image.new("RGB", (30, 30)).save(tmp_path / "a" / "pug_1.jpg")
    assert read_pets(tmp_path / "a").fingerprint() != first


@pytest.fixture(scope="module")
def oxford_pets() -> Path:
    """The folder of the real photos: without SHOPCAT_DATA skipped, with SHOPCAT_DATA_REQUIRED a failure."""
    folder = os.environ.get("SHOPCAT_DATA")
    if folder:
        return (ROOT / folder / "oxford-iiit-pet").resolve(strict=True)
    if os.environ.get("SHOPCAT_DATA_REQUIRED"):
        pytest.fail("SHOPCAT_DATA is not set, but SHOPCAT_DATA_REQUIRED demands tests with the real photos")
    pytest.skip("SHOPCAT_DATA is not set; it names a folder that has oxford-iiit-pet/ in it")


def test_the_real_photos_are_read_with_their_official_split(
    oxford_pets: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    data = read_pets(oxford_pets.parent, check=False)
    assert (len(data.train.files), len(data.valid.files), len(data.classes)) == (737, 355, 37)
    assert Counter(species for _, species in data.classes) == {"cat": 12, "dog": 25}
    assert all(name[0].isupper() == (species == "cat") for name, species in data.classes)
    for part in (data.train, data.valid):
        assert all(file.stem.rsplit("_", 1)[0] == data.classes[label].name for file, label in zip(*part, strict=True))
    names = read_pets(oxford_pets / "images", check=False)
    assert names.layout == "names"
    assert len(names.train.files) + len(names.valid.files) == 1099
