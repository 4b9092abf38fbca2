"""Two people label the same photos, undo and redo, while the console is killed: nothing acknowledged is lost."""

import random
import signal
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.integration.labels.conftest import console_of
from tests.integration.labels.people import NoReplyError, Person
from tests.integration.service.shopcat import Running
from tests.integration.waiting import until
from tests.training.pets.drawn import draw_photos

pytestmark = pytest.mark.integration


class Worker:
    """A person who labels at random until stopped.

    Attributes:
        acknowledged: answers of the service, in their order: what was asked, and the batch.
        unanswered: number of requests without an answer.
    """

    def __init__(self, person: Person, project: str, photos: list[str], labels: list[int], seed: int) -> None:
        self.person, self.acknowledged, self.unanswered = person, list[tuple[str, dict[str, Any]]](), 0
        self._project, self._photos, self._labels = project, photos, labels
        self._random, self._stopped = random.Random(seed), threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stopped.is_set():
            what = self._random.choice(["events", "events", "undo", "redo"])
            photos = self._random.sample(self._photos, self._random.randrange(1, len(self._photos)))
            label = self._random.choice([*self._labels, 0, None])
            body = {"photos": photos, "label": label, "how": "lasso"} if what == "events" else {}
            try:
                answer = self.person.ask("POST", f"{self._project}/{what}", body)
            except NoReplyError:
                self.unanswered += 1
                self._stopped.wait(0.05)
                continue
            assert answer.status == 200, answer
            if answer.content["batch"] is not None:
                self.acknowledged.append((what, answer.content))
                if what == "events":
                    assert dict.fromkeys(photos, label) == answer.content["labels"]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return sorted(draw_photos(tmp_path_factory.mktemp("photos"), photos=8).rglob("*.jpg"))


def test_no_acknowledged_label_is_lost_and_both_see_the_same_history(
    service: Running, ann: Person, bob: Person, photos: list[Path]
) -> None:
    project = ann.create("Two people")
    for photo in photos:
        assert ann.put(project, photo.read_bytes(), photo.name).status == 201
    assert until(lambda: bob.is_embedded(project), 300)
    shown = [photo["sha256"] for photo in bob.get(f"{project}/photos")["photos"]]
    assert len(shown) == 12  # half of them are held back
    labels = [ann.ask("POST", f"{project}/labels", {"name": name}).content["id"] for name in ("cat", "dog")]

    with ann.looking(project), bob.looking(project):
        workers = [Worker(person, project, shown, labels, seed) for seed, person in enumerate((ann, bob))]
        try:
            for _ in range(4):
                before = [len(worker.acknowledged) for worker in workers]
                assert until(
                    lambda: all(
                        len(worker.acknowledged) > count + 5
                        for worker, count in zip(workers, before, strict=True)  # noqa: B023
                    ),
                    60,
                )
                console_of(service).send_signal(signal.SIGKILL)
        finally:
            for worker in workers:
                worker.stop()
        histories = [person.history(project) for person in (ann, bob)]
        states = [person.get(f"{project}/state") for person in (ann, bob)]
        assert histories[0] == histories[1]
        assert states[0] == states[1]
        # Both pages have followed all, over four reconnections.
        last = states[0]["last_event"]
        assert until(lambda: ann.last_event >= last and bob.last_event >= last, 30), (ann.last_event, last)
        for person in (ann, bob):
            assert {photo: label for photo, label in person.seen.items() if label is not None} == states[0]["labels"]

    assert sum(worker.unanswered for worker in workers) > 0
    batches: dict[int, dict[str, Any]] = {}
    for event in histories[0]:
        batch = batches.setdefault(event["batch"], {"who": event["who"], "how": event["how"], "labels": {}})
        batch["labels"][event["photo"]] = event["label"]
    for worker in workers:
        for what, answer in worker.acknowledged:
            if not answer["labels"]:
                continue  # an undo of labels that the other one has changed since
            how = "lasso" if what == "events" else what
            expected = {"who": worker.person.name, "how": how, "labels": answer["labels"]}
            assert batches[answer["batch"]] == expected
    replayed = {event["photo"]: event["label"] for event in histories[0]}
    assert {photo: label for photo, label in replayed.items() if label is not None} == states[0]["labels"]
    # The file says the same as the API.
    with sqlite3.connect(service.log.parent / "data" / "projects" / "two-people" / "project.sqlite") as database:
        stored = database.execute("SELECT COUNT(*), MAX(id) FROM events").fetchone()
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert stored == (len(histories[0]), histories[0][-1]["id"])


def test_each_undoes_only_what_they_did_themselves(ann: Person, bob: Person, photos: list[Path]) -> None:
    project = ann.create("Undo")
    for photo in photos[:8]:
        ann.put(project, photo.read_bytes(), photo.name)
    assert until(lambda: bob.is_embedded(project), 300)
    first, second = (photo["sha256"] for photo in bob.get(f"{project}/photos")["photos"][:2])
    cat, dog = (ann.ask("POST", f"{project}/labels", {"name": name}).content["id"] for name in ("cat", "dog"))

    def give(person: Person, photo: str, label: int) -> None:
        body = {"photos": [photo], "label": label, "how": "click"}
        assert person.ask("POST", f"{project}/events", body).status == 200

    give(ann, first, cat)
    give(bob, second, dog)
    assert ann.ask("POST", f"{project}/undo", {}).content["labels"] == {first: None}
    assert bob.get(f"{project}/state")["labels"] == {second: dog}
    assert ann.ask("POST", f"{project}/undo", {}).content["batch"] is None
    assert ann.ask("POST", f"{project}/redo", {}).content["labels"] == {first: cat}
    give(bob, first, dog)  # the later one counts
    assert ann.get(f"{project}/state")["labels"] == {first: dog, second: dog}
