"""console.review.photos: taken in once, delivered to nobody else, deleted in time, and never forgotten."""

import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from console.review import photos, queue
from console.review.photos import DAY_S, PhotoStore, keep_up
from console.storage import Database, StorageError, open_database
from runtime.receipts import sign
from schemas.feedback.claims import PetsClaims
from tests.console.review.cases import ANY, KEY, NOW, claims, fresh, keep_photo, say, take

ROOT = Path(__file__).parents[3]


@pytest.fixture
def store(tmp_path: Path) -> PhotoStore:
    return PhotoStore(tmp_path, KEY, retention_days=30, second_share=0.0)


def incoming(data: Path) -> list[str]:
    return sorted(os.listdir(data / "review" / "incoming"))


def waiting(database: Database) -> int:
    with database.reading() as connection:
        return queue.look(connection, "ann", ANY, NOW).waiting


def counts(store: PhotoStore, database: Database, now: float = NOW) -> tuple[int, int]:
    with database.reading() as connection:
        return store.count(connection, now)


def test_a_photo_is_taken_in_once(store: PhotoStore, database: Database, tmp_path: Path) -> None:
    found = claims()
    content = keep_photo(tmp_path, found).read_bytes()
    assert store.take_in(database, NOW) == 1
    assert store.take_in(database, NOW) == 0
    assert incoming(tmp_path) == []
    photo = store.file(found.id)
    assert content.endswith(photo.read_bytes())
    assert stat.S_IMODE(photo.stat().st_mode) == 0o600
    assert (waiting(database), counts(store, database)) == (1, (1, 0))


def test_a_service_without_kept_photos_has_none_to_take_in(store: PhotoStore, database: Database) -> None:
    assert store.take_in(database, NOW) == 0
    assert store.delete_old(database, NOW) == 0


@pytest.mark.parametrize("reason", [None, "random_check"])
def test_a_photo_for_an_appeal_waits_for_no_review(
    store: PhotoStore, database: Database, tmp_path: Path, reason: str | None
) -> None:
    found = claims(reason, retain="appeal")
    keep_photo(tmp_path, found)
    store.take_in(database, NOW)
    assert (waiting(database), counts(store, database)) == (0, (1, 0))
    with database.reading() as connection:
        assert store.find(connection, found.photo) == store.file(found.id)


def test_the_same_photo_again_is_not_kept_twice(store: PhotoStore, database: Database, tmp_path: Path) -> None:
    first = claims()
    for found in (first, claims(photo=first.photo)):
        keep_photo(tmp_path, found)
        store.take_in(database, NOW)
    assert os.listdir(tmp_path / "review" / "photos") == [f"{first.id}.jpg"]
    assert (waiting(database), counts(store, database)) == (1, (1, 0))


def forged(data: Path) -> Path:
    return keep_photo(data, claims(), key=KEY[::-1])


def renamed(data: Path) -> Path:
    file = keep_photo(data, claims())
    return file.rename(file.with_name("another-receipt.photo"))


def of_sales(data: Path) -> Path:
    file = keep_photo(data, claims())
    receipt = sign({"id": file.stem, "time": int(NOW), "model": "sales", "version": "1"}, KEY)
    file.write_bytes(receipt.encode() + b"\n" + file.read_bytes().partition(b"\n")[2])
    return file


def truncated(data: Path) -> Path:
    file = keep_photo(data, claims())
    file.write_bytes(file.read_bytes()[:30])
    return file


def foreign(data: Path) -> Path:
    file = keep_photo(data, claims()).with_name("notes.txt")
    file.write_text("no photo")
    return file


@pytest.mark.parametrize("make", [forged, renamed, of_sales, truncated, foreign])
def test_a_file_that_is_no_kept_photo_is_deleted_and_logged(
    store: PhotoStore, database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture, make: object
) -> None:
    assert callable(make)
    file = make(tmp_path)
    good = 1 if make is foreign else 0
    assert store.take_in(database, NOW) == good
    assert not file.exists()
    assert "is no kept photo and is deleted" in caplog.text
    assert (waiting(database), counts(store, database)) == (good, (good, 0))


def test_an_unfinished_file_is_left_to_its_writer_for_an_hour(
    store: PhotoStore, database: Database, tmp_path: Path
) -> None:
    folder = keep_photo(tmp_path, claims()).parent
    young, old = folder / ".receipt-1.abc.part", folder / ".receipt-2.abc.part"
    for file, age in ((young, 60), (old, 3_700)):
        file.write_bytes(b"half a photo")
        os.utime(file, (NOW - age, NOW - age))
    store.take_in(database, NOW)
    assert incoming(tmp_path) == [young.name]


def test_photos_are_deleted_when_their_time_is_over(store: PhotoStore, database: Database, tmp_path: Path) -> None:
    old, new = claims(time=int(NOW - 29 * DAY_S)), claims()
    for found in (old, new):
        keep_photo(tmp_path, found)
    store.take_in(database, NOW)
    later = NOW + 2 * DAY_S
    assert counts(store, database, later) == (2, 1)
    assert store.delete_old(database, later) == 1
    assert not store.file(old.id).exists()
    assert store.file(new.id).exists()
    assert counts(store, database, later) == (1, 0)
    with database.reading() as connection:
        assert queue.look(connection, "ann", ANY, NOW).states == {"expired": 1, "first": 1}


def test_an_answer_outlives_its_photo(store: PhotoStore, database: Database, tmp_path: Path) -> None:
    keep_photo(tmp_path, found := claims())
    store.take_in(database, NOW)
    take(database, "ann")
    say(database, found.id, "ann")
    store.delete_old(database, NOW + 31 * DAY_S)
    with database.reading() as connection:
        assert queue.look(connection, "ann", ANY, NOW).states == {"settled": 1}
        assert store.find(connection, found.photo) is None


def test_a_shorter_retention_counts_for_photos_that_are_kept_already(database: Database, tmp_path: Path) -> None:
    keep_photo(tmp_path, claims(time=int(NOW - 5 * DAY_S)))
    PhotoStore(tmp_path, KEY, retention_days=30, second_share=0.0).take_in(database, NOW)
    assert PhotoStore(tmp_path, KEY, retention_days=3, second_share=0.0).delete_old(database, NOW) == 1


def test_a_photo_that_waited_too_long_is_not_taken_in(store: PhotoStore, database: Database, tmp_path: Path) -> None:
    keep_photo(tmp_path, claims(time=int(NOW - 31 * DAY_S)))
    store.take_in(database, NOW)
    assert incoming(tmp_path) == []
    assert (waiting(database), counts(store, database)) == (0, (0, 0))


def test_a_photo_is_erased_on_request_wherever_it_is(store: PhotoStore, database: Database, tmp_path: Path) -> None:
    taken, still_waiting = claims(), claims()
    keep_photo(tmp_path, taken)
    store.take_in(database, NOW)
    keep_photo(tmp_path, still_waiting)
    (tmp_path / "review" / "secret.photo").write_bytes(b"")
    with database.transaction() as connection:
        assert store.erase(connection, taken.id, NOW)
        assert store.erase(connection, still_waiting.id, NOW)
        assert not store.erase(connection, taken.id, NOW)
        assert not store.erase(connection, "../secret", NOW)
    assert not store.file(taken.id).exists()
    assert incoming(tmp_path) == []
    assert (tmp_path / "review" / "secret.photo").exists()


class KilledError(Exception):
    """Stands for SIGKILL: nothing after it runs."""


@pytest.mark.parametrize("place", ["photo written", "row written"])
def test_a_console_that_dies_anywhere_takes_the_photo_in_later(
    store: PhotoStore, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    keep_photo(tmp_path, found := claims())

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        if place == "photo written":
            patch.setattr(queue, "receive", die)
        else:
            patch.setattr(Path, "unlink", die)
        with pytest.raises(KilledError):
            store.take_in(database, NOW)
    store.take_in(database, NOW)
    assert (waiting(database), counts(store, database)) == (1, (1, 0))
    assert store.file(found.id).exists()
    assert incoming(tmp_path) == []


@pytest.mark.integration
def test_a_killed_console_loses_no_photo(store: PhotoStore, tmp_path: Path, database_address: str) -> None:
    """SIGKILL the process that takes photos in, again and again at other moments, until all are in."""
    script = """
import sys, time
from pathlib import Path
from console.review.photos import PhotoStore
from console.storage import open_database
data = Path(sys.argv[1])
store = PhotoStore(data, bytes(range(32)), retention_days=30, second_share=0.0)
database = open_database(data, sys.argv[3])
print("begins", flush=True)
while True:
    store.take_in(database, float(sys.argv[2]))
"""
    found = [claims() for _ in range(60)]
    for one in found:
        keep_photo(tmp_path, one)
    for delay in (0.0, 0.01, 0.03, 0.05, 0.08, 0.1):
        with subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path), str(NOW), database_address], cwd=ROOT, stdout=subprocess.PIPE
        ) as process:
            assert process.stdout
            process.stdout.readline()
            time.sleep(delay)  # the moment of death is meant to be arbitrary
            process.kill()
    database = open_database(tmp_path, database_address)
    store.take_in(database, NOW)
    assert waiting(database) == len(found)
    assert {path.stem for path in (tmp_path / "review" / "photos").glob("*.jpg")} == {one.id for one in found}
    database.close()


def test_the_loop_goes_on_after_errors(
    store: PhotoStore, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_photo(tmp_path, fresh())
    take_in, pauses, failures = PhotoStore.take_in, list[float](), [OSError("disk"), StorageError("database")]

    def fail_twice(self: PhotoStore, database: Database, now: float) -> int:
        if failures:
            raise failures.pop()
        return take_in(self, database, now)

    def wait(seconds: float) -> bool:
        pauses.append(seconds)
        return len(pauses) == 3

    monkeypatch.setattr(photos.PhotoStore, "take_in", fail_twice)
    keep_up(store, database, wait, every=10.0, most=15.0)
    assert pauses == [15.0, 15.0, 10.0]
    assert waiting(database) == 1


def test_an_old_receipt_has_no_photo_hash() -> None:
    content = claims().model_dump(mode="json", exclude={"photo", "retain"})
    assert PetsClaims.model_validate(content).retain == "none"
