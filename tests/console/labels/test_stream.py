"""The stream: two people see each other's labels at once, and nobody misses one, whenever the connection breaks."""

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette

from console.__main__ import _Server
from console.labels import stream
from console.labels.opened import hub
from console.settings import Settings
from labelling.projects.store import Project, ProjectStore
from tests.console.labels.conftest import BUNDLE, wait_for
from tests.console.labels.pages import give, page, person
from tests.labelling.projects.pictures import picture

BYTES = {"content-type": "application/octet-stream"}


@pytest.fixture
def server(app: Starlette, settings: Settings) -> Iterator[uvicorn.Server]:
    """The application behind a real server, because the test client waits for the end of an answer."""
    config = uvicorn.Config(app, uds=str(settings.socket), log_config=None, timeout_graceful_shutdown=20)
    server = _Server(config, app)
    thread = threading.Thread(target=server.run)
    thread.start()
    wait_for(lambda: server.started)
    yield server
    server.should_exit = True
    thread.join(30)
    assert not thread.is_alive()


@pytest.fixture
def ann(server: uvicorn.Server, settings: Settings) -> Iterator[httpx.Client]:
    with person(settings, "ann") as client:
        yield client


@pytest.fixture
def bob(server: uvicorn.Server, settings: Settings) -> Iterator[httpx.Client]:
    with person(settings, "bob") as client:
        yield client


@pytest.fixture
def project(ann: httpx.Client, app: Starlette) -> Project:
    """A project with photos and the labels 1 and 2."""
    ann.post("/labels", json={"name": "Cats"})
    for number in range(12):
        ann.post("/labels/cats/photos", content=picture(number), headers=BYTES)
    for name in ("cat", "dog"):
        ann.post("/labels/cats/labels", json={"name": name})
    opened: Project = app.state.labelling.store.open("cats")
    return opened


@pytest.fixture
def seen(project: Project) -> list[str]:
    held = project.audits.current().held
    return [photo.sha256 for photo in project.photos if photo.sha256 not in held]


def test_two_people_see_each_other_and_each_others_labels(
    settings: Settings, ann: httpx.Client, project: Project, seen: list[str]
) -> None:
    with page(settings, "ann") as first:
        assert first.of("people")[-1] == {"people": ["ann"]}
        with page(settings, "bob") as second:
            wait_for(lambda: {"people": ["ann", "bob"]} in first.of("people"))
            assert ann.get("/labels/cats").json()["people"] == ["ann", "bob"]
            batch = give(ann, seen[:2], 1)
            for reader in (first, second):
                wait_for(lambda reader=reader: reader.of("labels"))
                (news,) = reader.of("labels")
                assert news == {
                    "who": "ann",
                    "batch": batch["batch"],
                    "how": "click",
                    "labels": dict.fromkeys(seen[:2], 1),
                    "last_event": batch["last_event"],
                }
                assert reader.last_id == str(batch["last_event"])
            ann.post("/labels/cats/labels", json={"name": "bird"})
            wait_for(lambda: len(second.of("names")[-1]["labels"]) == 3)
            ann.post("/labels/cats/undo")
            wait_for(lambda: second.of("labels")[-1]["labels"] == dict.fromkeys(seen[:2]))
        wait_for(lambda: first.of("people")[-1] == {"people": ["ann"]})


def test_a_blind_answer_is_counted_for_others(settings: Settings, ann: httpx.Client, project: Project) -> None:
    with page(settings, "bob") as reader:
        project.events.label({(photo := project.audits.current().asked[0]): 1}, who="ann", how="audit")
        ann.post("/labels/cats/labels", json={"name": "bird"})  # any change tells the news
        wait_for(lambda: [counts["labelled"] for counts in reader.of("audit")] == [0, 1])
        assert photo not in json.dumps(reader.events)


def test_a_page_that_connects_again_gets_what_it_has_missed(
    settings: Settings, ann: httpx.Client, project: Project, seen: list[str]
) -> None:
    with page(settings, "bob") as before:
        give(ann, seen[:1], 1)
        wait_for(lambda: before.of("labels"))
        known = before.last_id
    give(ann, seen[1:2], 2)
    give(ann, seen[2:3], 0)
    with page(settings, "bob", **{"last-event-id": known}) as after:
        assert [news["labels"] for news in after.of("labels")] == [{seen[1]: 2}, {seen[2]: 0}]
    with page(settings, "bob") as fresh:
        assert fresh.of("labels") == []
        assert int(fresh.last_id) == ann.get("/labels/cats/state").json()["last_event"]


def test_no_label_is_missed_or_sent_twice_while_pages_come_and_go(
    settings: Settings, ann: httpx.Client, project: Project, seen: list[str]
) -> None:
    stopping = threading.Event()

    def label() -> None:
        number = 0
        while not stopping.is_set():
            give(ann, [seen[number % len(seen)]], number % 3)
            number += 1

    writer = threading.Thread(target=label)
    writer.start()
    try:
        got: list[int] = []
        known = "0"
        for _ in range(6):
            with page(settings, "bob", **{"last-event-id": known}) as reader:
                wait_for(lambda: len(reader.of("labels")) > 3)
                news = reader.of("labels")
                got += [entry["last_event"] for entry in news]
                known = str(got[-1])
    finally:
        stopping.set()
        writer.join()
    assert got == list(range(1, got[-1] + 1))


def test_labels_of_another_process_are_sent_too(
    settings: Settings, ann: httpx.Client, project: Project, seen: list[str]
) -> None:
    with page(settings, "ann") as reader:
        project.events.label({seen[0]: 2}, who="a program", how="import")
        wait_for(lambda: reader.of("labels"))
        assert reader.of("labels")[0]["who"] == "a program"


def test_the_audit_stays_out_of_the_stream(
    settings: Settings, ann: httpx.Client, project: Project, seen: list[str]
) -> None:
    asked = project.audits.current().asked[0]
    with page(settings, "bob") as reader:
        project.events.label({asked: 2}, who="ann", how="audit")
        ann.post("/labels/cats/undo")
        give(ann, seen[:1], 1)
        wait_for(lambda: reader.of("labels"))
        assert [news["labels"] for news in reader.of("labels")] == [{seen[0]: 1}]
    with page(settings, "bob", **{"last-event-id": "0"}) as reader:
        assert [news["labels"] for news in reader.of("labels")] == [{seen[0]: 1}]


def test_a_silent_stream_says_that_it_lives(
    settings: Settings, ann: httpx.Client, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stream.QUIET_S == 15
    monkeypatch.setattr(stream, "QUIET_S", 0.1)
    with page(settings, "ann") as reader:
        wait_for(lambda: reader.comments > 2)


def test_a_stream_ends_within_a_minute_so_that_the_gateway_checks_the_key_again(
    settings: Settings, ann: httpx.Client, project: Project, seen: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert stream.OPEN_S == 60
    monkeypatch.setattr(hub, "_RETURN_S", 60.0)
    with page(settings, "ann") as reader:
        monkeypatch.setattr(stream, "OPEN_S", 0.2)
        known: dict[str, str] = {}
        for turn in range(3):
            before = len(reader.of("people"))
            with page(settings, "bob", **known) as other:
                assert other.ended.wait(30)
                known = {"last-event-id": other.last_id}
            give(ann, [seen[turn]], 1)
            wait_for(lambda: {"people": ["ann", "bob"]} in reader.of("people"))
            if turn:  # what came while the stream was closed
                assert other.of("labels")[0]["labels"] == {seen[turn - 1]: 1}
                assert len(reader.of("people")) == before  # nobody sees a change of streams


def test_the_stream_of_a_deleted_project_ends(settings: Settings, ann: httpx.Client, project: Project) -> None:
    with page(settings, "bob") as reader:
        assert ann.delete("/labels/cats").status_code == 204
        assert reader.ended.wait(30)
        assert ann.get("/labels/cats/stream").status_code == 404


def test_the_stream_ends_when_another_process_deletes_the_project(
    settings: Settings, ann: httpx.Client, project: Project, app: Starlette
) -> None:
    with page(settings, "bob") as reader:
        ProjectStore(app.state.labelling.store.folder).delete("cats")
        assert reader.ended.wait(30)


def test_a_stop_of_the_server_does_not_wait_for_streams(
    settings: Settings, server: uvicorn.Server, project: Project
) -> None:
    with page(settings, "bob") as reader:
        server.should_exit = True
        assert reader.ended.wait(10)


@pytest.mark.parametrize("known", ["x", "-1", "9" * 30])
def test_an_id_that_is_none_is_rejected(ann: httpx.Client, project: Project, known: str) -> None:
    assert ann.get("/labels/cats/stream", headers={"last-event-id": known}).status_code == 422


class TestEmbedded:
    """A project whose photos are embedded by the real network."""

    @pytest.fixture
    def settings(self, settings: Settings) -> Settings:
        return settings.model_copy(update={"bundles": {"pets": BUNDLE}})

    def test_progress_and_rows_arrive_while_photos_are_embedded(
        self, settings: Settings, ann: httpx.Client, project: Project, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(stream, "OPEN_S", 600.0)  # this page connects once
        with page(settings, "ann") as reader:
            wait_for(lambda: reader.of("progress")[-1]["finished"])
            wait_for(
                lambda: reader.of("rows")[-1]["rows_version"] == ann.get("/labels/cats/photos").json()["rows_version"]
            )
            before = reader.of("rows")[-1]
            ann.post("/labels/cats/photos", content=Path(__file__).read_bytes(), headers=BYTES)  # no photo
            wait_for(lambda: reader.of("progress")[-1]["broken"] == 1)
            for number in range(20, 30):
                ann.post("/labels/cats/photos", content=picture(number), headers=BYTES)
            wait_for(lambda: reader.of("progress")[-1]["embedded"] == 22)
            wait_for(lambda: reader.of("rows")[-1] != before)
        assert ann.get("/labels/cats/photos").json()["waiting"] == 0


def test_a_look_at_the_headers_of_the_stream_ends(ann: httpx.Client, project: Project) -> None:
    answer = ann.head("/labels/cats/stream")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/event-stream; charset=utf-8")


def test_an_upload_that_its_page_abandons_leaves_no_part_and_no_error(
    settings: Settings, ann: httpx.Client, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    head = (
        "POST /labels/cats/photos HTTP/1.1\r\nhost: 127.0.0.1:8080\r\nx-shopcat-client: ann\r\n"
        "x-shopcat-roles: label\r\ncontent-type: image/png\r\ncontent-length: 5000\r\n\r\n"
    )
    incoming = project.folder / "photos" / "incoming"
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(settings.socket))
        connection.sendall(head.encode() + b"x" * 100)
        wait_for(lambda: list(incoming.iterdir()))
    wait_for(lambda: not list(incoming.iterdir()))
    assert ann.get("/labels/cats").json()["photos"] == 12
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []
