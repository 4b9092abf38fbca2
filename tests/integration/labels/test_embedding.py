"""Embedding behind a running service: its process is killed, and so is the console, and all photos are embedded."""

import os
import signal
from contextlib import suppress
from pathlib import Path

import pytest

from tests.integration.labels.conftest import console_of
from tests.integration.labels.people import Person
from tests.integration.service.shopcat import Running
from tests.integration.waiting import until
from tests.training.pets.drawn import draw_photos

pytestmark = pytest.mark.integration


def test_kills_of_the_embedding_and_of_the_console_cost_no_photo(service: Running, ann: Person, tmp_path: Path) -> None:
    project = ann.create("Killed")
    photos = sorted(draw_photos(tmp_path, photos=20).rglob("*.jpg"))
    for photo in photos:
        assert ann.put(project, photo.read_bytes(), photo.name).status == 201

    def embedded() -> int:
        return int(ann.get(project)["progress"]["embedded"])

    victims = set[int]()
    while len(victims) < 3 and embedded() < len(photos):
        known = embedded()
        assert until(lambda known=known: embedded() > known, 300)
        for process in service.pids("labelling.projects.embedding") - victims:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
            victims.add(process)
    assert victims
    console_of(service).send_signal(signal.SIGKILL)
    assert until(lambda: ann.is_embedded(project), 300), ann.get(project)
    progress = ann.get(project)["progress"]
    assert (progress["photos"], progress["embedded"], progress["broken"]) == (60, 60, 0)
    shown = ann.get(f"{project}/photos")["photos"]
    assert len(shown) == 30
    for photo in shown:
        assert ann.ask("GET", f"{project}/thumbs/64/{photo['sha256']}.webp").status == 200
