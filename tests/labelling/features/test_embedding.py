"""labelling.features.embedding: photos get features, broken ones get errors of their own, and a stop loses nothing."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from labelling.features import embedding
from labelling.features.embedding import embed
from labelling.features.network import FeatureNetwork
from labelling.features.table import FeatureTable
from labelling.photos.files import BrokenFile, list_photos
from labelling.photos.looks import dhash
from pets.images import open_photo
from tests.pets.fake_classifier import BUNDLE
from tests.pets.hostile import hostile_inputs
from tests.training.pets.drawn import draw_photos


@pytest.fixture(scope="module")
def network() -> FeatureNetwork:
    return FeatureNetwork.load(BUNDLE)


@pytest.fixture
def table(network: FeatureNetwork, tmp_path: Path) -> FeatureTable:
    return FeatureTable(tmp_path / "cache", network.key, network.width)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn photos of three breeds. Do not write to it."""
    return draw_photos(tmp_path_factory.mktemp("photos"), photos=4)


def test_each_photo_has_the_features_of_its_crop(network: FeatureNetwork, table: FeatureTable, folder: Path) -> None:
    photos = list_photos(folder).photos
    steps = list(embed(network, table, photos, batch=5))
    assert [len(step.photos) for step in steps] == [5, 5, 2]
    assert [sha256 for step in steps for sha256 in step.photos] == [photo.sha256 for photo in photos]
    assert not any(step.broken for step in steps)
    for photo in photos:
        content = photo.path.read_bytes()
        assert photo.sha256 == hashlib.sha256(content).hexdigest()
        opened = open_photo(content)
        (number,) = table.numbers([photo.sha256])
        assert table.facts[number][1:] == (opened.width, opened.height, dhash(opened.image))
        expected = network.features(network.crop(opened)[None])
        stored = table.read(np.array([number]), slice(0, network.width))
        np.testing.assert_allclose(stored, expected, rtol=2e-3, atol=2e-3 * np.abs(expected).max())


def test_a_stopped_embedding_continues_where_it_stopped(
    network: FeatureNetwork, table: FeatureTable, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = list_photos(folder).photos
    next(embed(network, table, photos, batch=5))
    decoded = []

    def record(content: bytes, max_pixels: int) -> object:
        decoded.append(hashlib.sha256(content).hexdigest())
        return open_photo(content, max_pixels)

    monkeypatch.setattr(embedding, "open_photo", record)
    steps = list(embed(network, table, photos))
    assert decoded == [photo.sha256 for photo in photos[5:]]
    assert sum(len(step.photos) for step in steps) == len(photos) == len(table)
    assert len(list(embed(network, table, photos))) == 2
    assert len(decoded) == len(photos) - 5


def test_hostile_files_get_errors_and_photos_among_them_get_features(
    network: FeatureNetwork, table: FeatureTable, tmp_path: Path
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    contents = {}
    for number, hostile in enumerate(hostile_inputs()):
        if hostile.content and len(hostile.content) < 4_000_000:
            contents[folder / f"{number:04d}.jpg"] = hostile.content
    for path, content in contents.items():
        path.write_bytes(content)
    for name in ("0000a.jpg", "9999.png"):
        Image.effect_noise((90, 80), 60 + len(name)).convert("RGB").save(folder / name)
    listed = list_photos(folder)
    broken: list[BrokenFile] = []
    embedded: list[str] = []
    for step in embed(network, table, listed.photos):
        broken += step.broken
        embedded += step.photos
    good = [photo.sha256 for photo in listed.photos if photo.path.name in ("0000a.jpg", "9999.png")]
    assert embedded == good
    assert len(broken) > 200
    assert {file.kind for file in broken} == {"not-an-image", "damaged-image", "image-too-large"}
    assert all(file.reason and file.path in contents for file in broken)


def test_files_that_change_or_vanish_after_the_list_are_reported(
    network: FeatureNetwork, table: FeatureTable, tmp_path: Path
) -> None:
    folder = draw_photos(tmp_path / "photos", photos=1)
    first, second, third = list_photos(folder).photos
    first.path.unlink()
    second.path.write_bytes(third.path.read_bytes())
    content = bytearray(third.path.read_bytes())
    content[-1] ^= 1
    third.path.write_bytes(content)
    (step,) = embed(network, table, [first, second, third])
    assert step.photos == ()
    assert [file.path for file in step.broken] == [first.path, second.path, third.path]
    assert {file.kind for file in step.broken} == {"unreadable"}
    assert "No such file" in step.broken[0].reason
    assert "changed since the folder was listed" in step.broken[2].reason
    assert len(table) == 0


def test_a_table_of_another_network_is_rejected(network: FeatureNetwork, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="belongs to another network"):
        next(embed(network, FeatureTable(tmp_path, "a" * 64, network.width), []))
