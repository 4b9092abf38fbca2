"""Uploads of a running service: hostile files, wrong hashes, names with markup, and who may do what."""

import hashlib
import io
from pathlib import Path
from urllib.parse import quote

import pytest
from PIL import Image

from tests.integration.labels.conftest import console_of
from tests.integration.labels.people import Person
from tests.integration.service.shopcat import Running
from tests.integration.waiting import until
from tests.pets.hostile import hostile_inputs
from tests.training.pets.drawn import draw_photo, draw_photos

pytestmark = pytest.mark.integration

NAMES = (
    "../../../etc/passwd",
    "<img src=x onerror=alert(1)>.jpg",
    "C:\\photos\\cat.jpg",
    '猫 & "cat"\'.jpg',
    ".hidden",
)


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    draw_photo("Birman", seed).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def project(ann: Person, request: pytest.FixtureRequest) -> str:
    return ann.create(request.node.name[:60])


def test_hostile_files_harm_nobody_and_get_a_reason(
    service: Running, ann: Person, project: str, tmp_path: Path
) -> None:
    before = console_of(service).pid
    photos = sorted(draw_photos(tmp_path / "photos", photos=8).rglob("*.jpg"))
    sent = {file.name: file.read_bytes() for file in photos}
    hostile = {f"{number} {file.name}": file.content for number, file in enumerate(hostile_inputs())}
    stored: dict[str, str] = {}
    for name, content in (sent | hostile).items():
        answer = ann.put(project, content, name)
        if not content:
            assert answer.problem == (422, "invalid-request")
            continue
        assert answer.status in (200, 201), (name, answer)
        stored[hashlib.sha256(content).hexdigest()] = name
    assert until(lambda: ann.is_embedded(project), 240)
    found = ann.get(f"{project}/photos")
    broken = {photo["sha256"]: photo for photo in found["broken"]}
    good = {hashlib.sha256(content).hexdigest() for content in sent.values()}
    assert broken.keys() == stored.keys() - good
    assert {photo["sha256"] for photo in found["photos"]} <= good
    for photo in found["broken"]:
        assert photo["kind"] in ("not-an-image", "damaged-image", "image-too-large", "malformed-request"), photo
        assert photo["reason"]
        assert "/" not in photo["reason"], photo  # no path of the server
    victim = next(iter(broken))
    assert ann.ask("GET", f"{project}/thumbs/1024/{victim}.webp").status in (404, 422)
    assert console_of(service).pid == before
    assert "Traceback" not in service.output()
    assert ann.ask("POST", "/predictions/pets", photos[0].read_bytes()).status == 200


def test_a_wrong_hash_stores_nothing_and_a_right_one_once(ann: Person, project: str) -> None:
    content = picture(1)
    right, wrong = hashlib.sha256(content).hexdigest(), "0" * 64
    assert ann.ask("HEAD", f"{project}/photos/{right}").status == 404
    assert ann.ask("PUT", f"{project}/photos/{wrong}?name=cat.jpg", content).problem == (422, "invalid-request")
    assert ann.ask("PUT", f"{project}/photos/cat?name=cat.jpg", content).status == 422
    assert ann.get(project)["photos"] == 0
    assert [ann.put(project, content, "cat.jpg").status for _ in range(2)] == [201, 200]
    assert ann.ask("HEAD", f"{project}/photos/{right}").status == 200
    posted = ann.ask("POST", f"{project}/photos?name=dog.jpg", content)
    assert (posted.status, posted.content["sha256"]) == (200, right)
    assert ann.get(project)["photos"] == 1


def test_names_are_text_and_no_paths(service: Running, ann: Person, project: str) -> None:
    data = service.log.parent / "data"
    for number, name in enumerate(NAMES):
        assert ann.put(project, picture(10 + number), name).status == 201
        assert ann.put(project, b"no photo %d" % number, name).status == 201
    assert until(lambda: ann.is_embedded(project), 300)
    found = ann.get(f"{project}/photos")
    assert sorted(photo["name"] for photo in found["broken"]) == sorted(NAMES)
    assert {photo["name"] for photo in found["photos"]} <= set(NAMES)
    uploaded = data / "projects" / project.rpartition("/")[2] / "photos"
    names = {path.name for path in uploaded.rglob("*") if path.is_file()}
    assert names == {hashlib.sha256(picture(10 + n)).hexdigest() for n in range(5)} | {
        hashlib.sha256(b"no photo %d" % n).hexdigest() for n in range(5)
    }


def test_delivered_pictures_are_made_anew_without_places(ann: Person, project: str) -> None:
    photo = draw_photo("Pug", 5)
    exif = Image.Exif()
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 12.0)}  # place
    exif[0x010F] = "SecretCameraMaker"
    file = io.BytesIO()
    photo.save(file, "JPEG", exif=exif)
    sha256 = hashlib.sha256(file.getvalue()).hexdigest()
    ann.put(project, file.getvalue(), "home.jpg")
    for number in range(20, 24):
        ann.put(project, picture(number), f"{number}.jpg")
    assert until(lambda: ann.is_embedded(project), 300)
    for size in (64, 256, 1024):
        answer = ann.ask("GET", f"{project}/thumbs/{size}/{sha256}.webp")
        assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert "private" in answer.headers["cache-control"]
        assert b"SecretCameraMaker" not in answer.body
        with Image.open(io.BytesIO(answer.body)) as image:
            assert max(image.size) <= size
            assert not image.getexif()


def test_a_key_without_the_role_may_not_even_look(service: Running, ann: Person, project: str) -> None:
    content = picture(2)
    sha256 = hashlib.sha256(content).hexdigest()
    ann.put(project, content, "cat.jpg")
    eve = Person(service.port, "eve")
    asked = [
        ("GET", "/labels", None),
        ("GET", project, None),
        ("DELETE", project, None),
        ("GET", f"{project}/stream", None),
        ("GET", f"{project}/thumbs/64/{sha256}.webp", None),
        ("PUT", f"{project}/photos/{sha256}?name=cat.jpg", content),
        ("POST", f"{project}/events", {"photos": [sha256], "label": None, "how": "click"}),
    ]
    for method, path, body in asked:
        assert eve.ask(method, path, body).problem == (403, "forbidden"), path  # type: ignore[arg-type]
    assert ann.get(project)["photos"] == 1


def test_no_get_changes_anything(ann: Person, project: str) -> None:
    for path in ("undo", "redo", "copy"):
        assert ann.ask("GET", f"{project}/{path}").problem == (405, "method-not-allowed"), path
    assert ann.ask("GET", f"{project}/photos/{'0' * 64}?name={quote('a.jpg')}").status in (404, 405)
