"""Object stores: S3 as SeaweedFS has it, and Google's as fake-gcs-server has it."""

import multiprocessing
import random
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing.context import BaseContext
from pathlib import Path

import pytest
from click.testing import CliRunner

from bulk.storage.places import storage_of
from bulk.storage.storage import PlaceError, UnavailableError
from bulk.work import again
from cli import main
from runtime.bundle import digest_of
from runtime.errors import InstallationError
from tests.bulk.faulty import Fault, proxy
from tests.bulk.storage.conftest import reach
from tests.bulk.stores import Store

pytestmark = pytest.mark.integration
MB = 1 << 20
DEMO = Path(__file__).parents[3] / "model_store" / "demo"


def put(place: str, content: bytes) -> bool:
    return storage_of(place).create(place, lambda file: file.write_bytes(content))


def content_of(place: str) -> bytes:
    with storage_of(place).open(place) as file:
        return file.read()


def create(place: str, text: str) -> bool:
    return put(place, text.encode())


def test_an_object_is_created_once_and_stays_as_it_is(bucket: str) -> None:
    place = f"{bucket}/out/part-1"
    assert put(place, b"first")
    assert not put(place, b"second")
    assert content_of(place) == b"first"


LARGE = pytest.param(101 * MB, marks=pytest.mark.cluster, id="101 MB, sent in pieces")


@pytest.mark.parametrize("size", [pytest.param(0, id="empty"), pytest.param(9 * MB, id="9 MB"), LARGE])
def test_an_object_of_any_size_is_created_once(bucket: str, size: int) -> None:
    content, place = random.Random(0).randbytes(MB) * (size // MB), f"{bucket}/large"
    assert put(place, content)
    assert not put(place, b"second")
    assert content_of(place) == content


def test_one_of_eight_that_create_at_once_is_the_first(bucket: str) -> None:
    place = f"{bucket}/contested"
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda number: put(place, bytes([number]) * 100_000), range(8)))
    assert sum(created) == 1
    assert content_of(place) == bytes([created.index(True)]) * 100_000


def test_files_are_all_below_a_folder_but_hidden_ones(bucket: str) -> None:
    names = ["_DSC1.jpg", "a.csv", "b c/d ü+%20.csv", ".hidden", "_old/e.csv", "b c/.f"]
    for name in names:
        put(f"{bucket}/in/{name}", name.encode())
    put(f"{bucket}/in-2/other.csv", b"")
    files = storage_of(bucket).files(f"{bucket}/in/")
    assert [(file.name, file.size) for file in files] == [(name, len(name.encode())) for name in names[:3]]
    assert [content_of(file.place) for file in files] == [name.encode() for name in names[:3]]
    assert storage_of(bucket).files(f"{bucket}/in") == files
    assert storage_of(bucket).files(f"{bucket}/in/a.csv") == files[1:2]
    assert storage_of(bucket).files(f"{bucket}/nothing") == []


def test_another_content_of_equal_size_has_another_stamp(bucket: str, store: Store) -> None:
    place = f"{bucket}/in/a.csv"
    put(place, b"one")
    before = storage_of(place).files(place)
    assert storage_of(place).files(place) == before
    store.client().pipe_file(place, b"two")
    (after,) = storage_of(place).files(place)
    assert after.size == before[0].size
    assert after.stamp != before[0].stamp


def test_names_are_those_in_a_folder(bucket: str) -> None:
    storage = storage_of(bucket)
    assert storage.names(f"{bucket}/out") == []
    for name in ("b", "_JOB.json", "c/d"):
        put(f"{bucket}/out/{name}", b"x")
    assert storage.names(f"{bucket}/out") == storage.names(f"{bucket}/out/") == ["_JOB.json", "b", "c"]
    assert storage.names(bucket) == ["out"]


def test_only_what_is_read_is_downloaded(bucket: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    content = random.Random(1).randbytes(MB) * 24
    put(f"{bucket}/large", content)
    with proxy(store.url) as watched:
        reach(store, watched.url, monkeypatch)
        with storage_of(bucket).open(f"{bucket}/large") as file:
            file.seek(-10, 2)
            assert file.read() == content[-10:]
            file.seek(12 * MB + 5)
            assert file.read(3) == content[5:8]
    assert watched.sent < 6 * MB


def test_a_whole_object_is_a_handful_of_requests(bucket: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    put(f"{bucket}/large", bytes(20 * MB))
    with proxy(store.url) as watched:
        reach(store, watched.url, monkeypatch)
        assert content_of(f"{bucket}/large") == bytes(20 * MB)
    assert watched.requests < 8


def test_a_bundle_is_fetched_from_a_store_and_verified(bucket: str, tmp_path: Path) -> None:
    content = {file.name: file.read_bytes() for file in DEMO.iterdir()}
    damaged = bytearray(content["model.onnx"])
    damaged[1000] ^= 1
    for folder, files in (("demo", content), ("damaged", content | {"model.onnx": bytes(damaged)})):
        for name, file in files.items():
            put(f"{bucket}/{folder}/{name}", file)

    def fetch(name: str) -> tuple[int, str]:
        command = ["fetch", f"{bucket}/{name}", str(tmp_path / name), "--digest", digest_of(DEMO)]
        result = CliRunner().invoke(main, command)
        return result.exit_code, result.output

    for name, code, words in (
        ("demo", 0, "copied from"),
        ("demo", 0, "there already"),
        ("damaged", 2, "changed since: model.onnx"),
        ("absent", 2, f"{bucket}/absent/bundle.json does not exist"),
    ):
        found = fetch(name)
        assert (found[0], words in found[1]) == (code, True), found
    assert {file.name: file.read_bytes() for file in (tmp_path / "demo").iterdir()} == content
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_missing_bucket_or_object_is_named(bucket: str) -> None:
    with pytest.raises(PlaceError, match=f"{bucket}/no.csv does not exist; check the names"):
        storage_of(bucket).open(f"{bucket}/no.csv")
    with pytest.raises(PlaceError, match="no-such-bucket/a does not exist; check the names of the bucket"):
        put(f"{bucket.partition('://')[0]}://no-such-bucket/a", b"x")


def test_a_wrong_key_is_said_with_a_remedy(bucket: str, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    if store.scheme == "gs":
        pytest.skip("fake-gcs-server has no accounts")
    place = f"{bucket}/a"
    put(place, b"x")
    for name, value in {"AWS_SECRET_ACCESS_KEY": "wrong", "AWS_ACCESS_KEY_ID": "nobody"}.items():
        with monkeypatch.context() as changed:
            reach(store, store.url, changed)
            changed.setenv(name, value)
            for use in (content_of, storage_of(place).files, storage_of(place).names, lambda at: put(at, b"y")):
                with pytest.raises(PlaceError, match=f"{place} refuses access: .*; set AWS_ACCESS_KEY_ID"):
                    use(place)


@pytest.mark.cluster
@pytest.mark.parametrize("fault", ["busy", "cut before", "cut after", "slow"])
def test_a_store_that_fails_now_and_then_loses_nothing(
    bucket: str, store: Store, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    contents = {f"{bucket}/out/{number}": bytes([number]) * 1000 for number in range(6)}
    with proxy(store.url, lambda number: fault if number % 3 == 0 else "") as failing:
        reach(store, failing.url, monkeypatch)
        for place, content in contents.items():
            again(lambda place=place, content=content: put(place, content))
        assert len(again(lambda: storage_of(bucket).files(f"{bucket}/out"))) == len(contents)
        for place, content in contents.items():
            assert again(lambda place=place: content_of(place)) == content
    assert failing.faults > 4


@pytest.mark.cluster
def test_a_store_that_is_gone_is_a_failure_that_may_pass(
    bucket: str, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    with proxy(store.url) as gone:
        pass
    reach(store, gone.url, monkeypatch)
    with pytest.raises(UnavailableError, match=f"{bucket}/a"):
        put(f"{bucket}/a", b"x")


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_other_processes_reach_a_store_that_this_one_has_reached(bucket: str, method: str) -> None:
    context: BaseContext = multiprocessing.get_context(method)
    put(f"{bucket}/parent", b"x")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        assert list(pool.map(create, [f"{bucket}/{number}" for number in range(4)], "abcd")) == [True] * 4
    assert [content_of(f"{bucket}/{number}") for number in range(4)] == [b"a", b"b", b"c", b"d"]


@pytest.mark.parametrize(("scheme", "package"), [("s3", "s3fs"), ("gs", "gcsfs")])
def test_a_missing_package_is_said_with_its_command(scheme: str, package: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(InstallationError, match=rf"needs {package}.*pip install 'shopcat\[{scheme}\]'"):
        storage_of(f"{scheme}://bucket/a").names(f"{scheme}://bucket")


def test_a_full_disk_of_this_machine_is_a_failure_that_may_pass(tmp_path: Path) -> None:
    def write(file: Path) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(UnavailableError, match="No space left"):
        storage_of("s3://bucket/a").create("s3://bucket/a", write)
