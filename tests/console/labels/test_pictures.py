"""Pictures: thumbnails and atlases, decoded outside of the console; hostile files cost themselves alone."""

import io
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from console.labels.opened import working
from console.labels.opened.worker import DeadWorkerError
from console.settings import Settings
from tests.console.labels.conftest import BUNDLE, problem, send, wait_for
from tests.labelling.projects.pictures import picture
from tests.pets.hostile import hostile_inputs

BYTES = {"content-type": "application/octet-stream"}
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(autouse=True)
def _project(ann: TestClient) -> None:
    ann.post("/labels", json={"name": "Cats"})


def upload(client: TestClient, content: bytes) -> str:
    answer = client.post("/labels/cats/photos", content=content, headers=BYTES)
    assert answer.status_code in (200, 201)
    return str(answer.json()["sha256"])


def decoded(content: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(content))
    assert image.format == "WEBP"
    return image.convert("RGBA")


@pytest.mark.parametrize(("size", "expected"), [(64, (64, 43)), (256, (256, 171)), (1024, (1024, 683))])
def test_a_thumbnail_is_small_and_cacheable(ann: TestClient, size: int, expected: tuple[int, int]) -> None:
    photo = upload(ann, picture(1, size=(1500, 1000)))
    answer = ann.get(f"/labels/cats/thumbs/{size}/{photo}.webp")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    assert answer.headers["cache-control"] == "private, max-age=31536000, immutable"
    assert decoded(answer.content).size == expected
    again = ann.get(f"/labels/cats/thumbs/{size}/{photo}.webp", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_a_photo_of_the_audit_has_a_thumbnail(ann: TestClient, app: Starlette, files: list[Path]) -> None:
    for file in files:
        send(ann, "cats", file)
    held = app.state.labelling.store.open("cats").audits.current().held
    assert held
    assert ann.get(f"/labels/cats/thumbs/64/{min(held)}.webp").status_code == 200


@pytest.mark.parametrize("path", ["64/{}.webp", "1024/{}.webp"])
def test_an_unknown_photo_has_no_thumbnail(ann: TestClient, path: str) -> None:
    assert problem(ann.get(f"/labels/cats/thumbs/{path.format('0' * 64)}")) == (404, "not-found")
    assert problem(ann.get(f"/labels/cats/thumbs/{path.format('..%2f..%2fx')}")) == (404, "not-found")
    photo = upload(ann, picture(1))
    assert problem(ann.get(f"/labels/cats/thumbs/65/{photo}.webp")) == (422, "invalid-request")


@pytest.mark.parametrize("content", [SVG, b"\xff\xd8", b"hi"])
def test_a_file_that_is_no_photo_is_a_problem(ann: TestClient, content: bytes) -> None:
    answer = ann.get(f"/labels/cats/thumbs/1024/{upload(ann, content)}.webp")
    assert answer.status_code in (413, 422)
    assert problem(answer)[1] in ("not-an-image", "damaged-image", "image-too-large")


def test_hostile_files_are_problems_and_the_next_photo_is_shown(ann: TestClient) -> None:
    for hostile in hostile_inputs()[::12]:
        if 0 < len(hostile.content) < 2_000_000:
            answer = ann.get(f"/labels/cats/thumbs/256/{upload(ann, hostile.content)}.webp")
            assert problem(answer)[0] in (413, 422), hostile.name
    assert ann.get(f"/labels/cats/thumbs/256/{upload(ann, picture(1))}.webp").status_code == 200


def kill(folder: Path, sha256: str, size: int) -> bytes:
    """End the process, as a fault of a decoder does."""
    if (folder / "photos" / sha256[:2] / sha256).read_bytes() == b"deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    return working.make_thumbnail(folder, sha256, size)


def test_a_photo_that_kills_the_decoder_costs_one_request(ann: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.labels.pictures.make_thumbnail", kill)
    deadly, other = upload(ann, b"deadly"), upload(ann, picture(1))
    assert problem(ann.get(f"/labels/cats/thumbs/1024/{deadly}.webp")) == (422, "fatal-request")
    assert ann.get(f"/labels/cats/thumbs/1024/{other}.webp").status_code == 200
    monkeypatch.setattr("console.labels.pictures.make_thumbnail", None)  # it is not decoded again
    assert problem(ann.get(f"/labels/cats/thumbs/256/{deadly}.webp")) == (422, "fatal-request")
    (broken,) = ann.get("/labels/cats/photos").json()["broken"]
    assert (broken["sha256"], broken["kind"]) == (deadly, "crash")


def kill_once(folder: Path, sha256: str, size: int) -> bytes:
    """End the first process alone, as a system without memory does."""
    mark = folder / "killed"
    if not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    return working.make_thumbnail(folder, sha256, size)


def test_a_photo_whose_process_is_killed_once_is_shown(ann: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("console.labels.pictures.make_thumbnail", kill_once)
    assert ann.get(f"/labels/cats/thumbs/256/{upload(ann, picture(1))}.webp").status_code == 200
    assert ann.get("/labels/cats/photos").json()["broken"] == []


def slow(folder: Path, sha256: str, size: int) -> bytes:
    """Decode one photo for longer than a request may take."""
    if (folder / "photos" / sha256[:2] / sha256).read_bytes() == b"slow":
        with (folder / "tries").open("a") as tries:
            tries.write("x")
        time.sleep(600)
    return working.make_thumbnail(folder, sha256, size)


def test_a_photo_that_takes_too_long_keeps_no_other_one_waiting(
    ann: TestClient, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo, other = upload(ann, b"slow"), upload(ann, picture(1))
    assert ann.get(f"/labels/cats/thumbs/64/{other}.webp").status_code == 200  # the decoder has started
    monkeypatch.setattr("console.labels.pictures.make_thumbnail", slow)
    with monkeypatch.context() as busy:
        busy.setattr(app.state.labelling.decoder, "_limit_s", 5.0)
        answer = ann.get(f"/labels/cats/thumbs/256/{photo}.webp")
    assert problem(answer) == (504, "timeout")
    assert answer.json()["detail"].endswith(
        "takes too long; save a smaller copy with another program and add that one, or try again in 10 minutes"
    )
    for size in (64, 256):
        assert problem(ann.get(f"/labels/cats/thumbs/{size}/{photo}.webp")) == (504, "timeout")
    assert ann.get(f"/labels/cats/thumbs/256/{other}.webp").status_code == 200
    assert (app.state.labelling.store.folder / "cats" / "tries").read_text() == "x"
    assert ann.get("/labels/cats/photos").json()["broken"] == []


def test_a_photo_that_takes_too_long_is_tried_again_later(
    ann: TestClient, app: Starlette, monkeypatch: pytest.MonkeyPatch
) -> None:
    photo = upload(ann, picture(1))
    monkeypatch.setattr("console.labels.pictures._SLOW_S", 0.0)
    with monkeypatch.context() as busy:
        busy.setattr(app.state.labelling.decoder, "_limit_s", 0.001)
        assert problem(ann.get(f"/labels/cats/thumbs/256/{photo}.webp")) == (504, "timeout")
    assert ann.get("/labels/cats/photos").json()["broken"] == []
    assert ann.get(f"/labels/cats/thumbs/256/{photo}.webp").status_code == 200


class TestEmbedded:
    """A project whose photos are embedded by the real network."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"bundles": {"pets": BUNDLE}})

    def test_an_atlas_has_the_rows_as_squares(self, ann: TestClient, app: Starlette) -> None:
        for number in range(24):
            upload(ann, picture(number, size=(120, 80)))
        wait_for(lambda: ann.get("/labels/cats").json()["progress"]["finished"])
        listed = ann.get("/labels/cats/photos").json()
        held = app.state.labelling.store.open("cats").audits.current().held
        photos = [photo["sha256"] for photo in listed["photos"]]
        assert len(photos) == 24 - len(held)
        assert not held & {*photos}
        query = {"rows_version": listed["rows_version"]}
        answer = ann.get("/labels/cats/atlases/0.webp", params=query)
        atlas = decoded(answer.content)
        assert atlas.size == (2048, 2048)
        for row, photo in enumerate(photos):
            left, top = row % 32 * 64, row // 32 * 64
            square = np.asarray(atlas.crop((left, top, left + 64, top + 64)), np.float64)
            small = np.asarray(decoded(ann.get(f"/labels/cats/thumbs/64/{photo}.webp").content), np.float64)
            assert square[:10, :, 3].max() == 0  # a photo of 3:2 has 43 lines in the middle
            assert np.abs(square[10:53, :, :3] - small[:, :, :3]).mean() < 12
            assert (square[11:52, 1:-1, 3] == 255).all()
        again = ann.get("/labels/cats/atlases/0.webp", params=query, headers={"if-none-match": answer.headers["etag"]})
        assert again.status_code == 304
        assert problem(ann.get("/labels/cats/atlases/1.webp", params=query)) == (404, "not-found")
        assert problem(ann.get("/labels/cats/atlases/0.webp", params={"rows_version": "x"})) == (409, "conflict")


def test_a_worker_that_is_killed_is_replaced(app: Starlette) -> None:
    import anyio

    async def run() -> None:
        worker = app.state.labelling.worker
        first = await worker.run(os.getpid)
        assert first != os.getpid()
        with pytest.raises(DeadWorkerError, match="has ended the process"):
            await worker.run(os.kill, first, signal.SIGKILL)
        assert await worker.run(os.getpid) not in (first, os.getpid())
        worker._kill()

    anyio.run(run)
