"""Maps over their addresses: coordinates of the seen photos, aligned, cached in files that may vanish at any time."""

import shutil
import time

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.linalg import orthogonal_procrustes
from scipy.stats import spearmanr

from console.labels.learning import layouts
from console.labels.learning.maps import MapFiles, quick_map
from labelling.features.arrays import SpaceArrays
from labelling.features.spaces import BY_NAME
from labelling.features.table import FeatureTable
from labelling.neighbours import nearest
from tests.console.labels.learning.conftest import LAYOUT, Sample, add_photos
from tests.console.labels.learning.deaths import end_the_process

QUICK = ("pca-1-2", "pca-3-4", "ica")


def positions(sample: Sample, name: str, version: str | None = None) -> NDArray[np.float32]:
    """Return a map when it is ready."""
    parameters = {} if version is None else {"rows_version": version}
    for _ in range(3000):
        answer = sample.client.get(f"{sample.base}/maps/{name}", params=parameters)
        if answer.status_code == 200:
            assert answer.headers["content-type"] == "application/octet-stream"
            return np.frombuffer(answer.content, "<f4").reshape(-1, 2)
        assert answer.status_code == 202, answer.text
        assert answer.headers["retry-after"] == "1"
        assert 0 <= answer.json()["step"] <= answer.json()["steps"] == 450
        time.sleep(0.1)
    raise AssertionError("the map is never ready")


def version(sample: Sample) -> str:
    return str(sample.client.get(f"{sample.base}/photos").json()["rows_version"])


def test_spaces_and_projections_are_listed(sample: Sample) -> None:
    found = sample.client.get(f"{sample.base}/spaces").json()
    assert [space["name"] for space in found["spaces"]] == ["early-what", "last-where", "final-what", "final-where"]
    assert [projection["name"] for projection in found["projections"]] == ["pca-1-2", "pca-3-4", "pacmap", "ica"]
    assert found["default"] == {"space": "final-what", "projection": "pacmap"}


@pytest.mark.parametrize("projection", QUICK)
def test_a_map_has_two_numbers_for_each_seen_photo(sample: Sample, projection: str) -> None:
    found = positions(sample, f"final-what/{projection}", version(sample))
    assert len(found) == len(sample.seen) == 250
    assert np.abs(found).max() == pytest.approx(1)
    breeds = np.array([sample.breed[photo] for photo in sample.seen])
    same = breeds[nearest(found, found, 5, exclude_self=True).indices] == breeds[:, None]
    assert same.mean() > (0.4 if projection == "pca-1-2" else 0.25)  # the rows are in the photos' order


@pytest.mark.parametrize("name", ["last-where/pca-1-2", "early-what/pca-3-4", "final-what/ica"])
def test_maps_are_turned_to_the_reference(sample: Sample, name: str) -> None:
    found = positions(sample, name)
    reference = MapFiles(sample.project.folder).read("reference", version(sample), sample.seen)
    space, projection = name.split("/")
    table = FeatureTable(sample.project.folder / "features", LAYOUT.key, LAYOUT.width)
    rows = SpaceArrays(sample.project.folder / "components", table, LAYOUT.columns).array(BY_NAME[space], sample.seen)
    plain = quick_map(projection, rows)
    plain = plain - plain.mean(axis=0)
    turn, _ = orthogonal_procrustes(plain, reference - reference.mean(axis=0))
    for axis in (0, 1):  # along which the photos fill the square afterwards
        assert spearmanr(found[:, axis], (plain @ turn)[:, axis]).statistic > 0.9999


def test_a_map_of_other_rows_is_refused(sample: Sample) -> None:
    answer = sample.client.get(f"{sample.base}/maps/final-what/pca-1-2", params={"rows_version": "old"})
    assert answer.status_code == 409
    assert "ask for /photos again" in answer.json()["detail"]
    for name in ("final-how/pca-1-2", "final-what/umap"):
        assert sample.client.get(f"{sample.base}/maps/{name}").status_code == 404


def test_a_map_that_the_page_has_is_not_sent_again(sample: Sample) -> None:
    address = f"{sample.base}/maps/final-what/ica"
    first = sample.client.get(address)
    assert first.headers["cache-control"] == "private, no-cache"
    again = sample.client.get(address, headers={"if-none-match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = sample.client.get(f"{sample.base}/maps/final-what/pca-1-2")
    assert other.headers["etag"] != first.headers["etag"]


def test_labels_do_not_change_a_map(sample: Sample) -> None:
    before = positions(sample, "final-what/ica")
    sample.label(sample.seen[:50])
    assert np.array_equal(positions(sample, "final-what/ica"), before)


def test_a_project_without_photos_has_empty_maps(sample: Sample) -> None:
    other = sample.client.post("/labels", json={"name": "Empty"}).json()["id"]
    answer = sample.client.get(f"/labels/{other}/maps/final-what/pacmap")
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.integration
def test_pacmap_is_made_in_a_worker_and_kept_in_a_file(sample: Sample) -> None:
    made = positions(sample, "final-what/pacmap", version(sample))
    breeds = np.array([sample.breed[photo] for photo in sample.seen])
    same = breeds[nearest(made, made, 5, exclude_self=True).indices] == breeds[:, None]
    assert same.mean() > 0.9
    folder = sample.project.folder / "maps"
    files = sorted(file.name.partition(".")[0] for file in folder.glob("*.map"))
    assert files == ["final-what", "reference"]
    assert not [*folder.glob("*.step")]
    assert np.array_equal(positions(sample, "final-what/pacmap"), made)
    shutil.rmtree(folder)
    assert np.allclose(positions(sample, "final-what/pacmap"), made, atol=1e-4)  # made again, and the same


@pytest.mark.integration
def test_a_map_grows_from_the_earlier_one(sample: Sample) -> None:
    before = positions(sample, "final-what/pacmap")
    place = dict(zip(sample.seen, before, strict=True))
    old = version(sample)
    add_photos(sample.project, 60, first=300)
    assert sample.client.get(f"{sample.base}/maps/final-what/pacmap", params={"rows_version": old}).status_code == 409
    after = positions(sample, "final-what/pacmap", version(sample))
    photos = [photo["sha256"] for photo in sample.client.get(f"{sample.base}/photos").json()["photos"]]
    assert len(after) == len(photos) > len(before)
    kept = [row for row, photo in enumerate(photos) if photo in place]
    moved = after[kept] - np.array([place[photos[row]] for row in kept])
    by_chance = before - np.random.default_rng(0).permutation(before)
    distances = [np.median(np.linalg.norm(difference, axis=1)) for difference in (moved, by_chance)]
    assert distances[0] < 0.6 * distances[1]
    assert len([*(sample.project.folder / "maps").glob("final-what.pacmap.*.map")]) == 1


@pytest.mark.integration
def test_a_worker_that_dies_costs_one_request(sample: Sample, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(layouts, "lay_out_map", end_the_process)
        path = f"{sample.base}/maps/final-what/pacmap"
        for _ in range(3000):
            if (answer := sample.client.get(path)).status_code != 202:
                break
            time.sleep(0.1)
    assert answer.json()["type"].endswith("fatal-request"), answer.text
    assert len(positions(sample, "final-what/pacmap")) == 250
