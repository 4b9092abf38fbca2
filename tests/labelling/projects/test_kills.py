"""Killed processes: an acknowledged event stays, and a batch is saved whole or not at all."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from labelling.projects.store import Project, ProjectStore

ROOT = Path(__file__).parents[3]

pytestmark = pytest.mark.integration


def start_labeller(project: Project, who: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.labelling.projects.labeller", str(project.folder), who]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)


@pytest.mark.parametrize("batches", [1, 7, 20])
def test_a_kill_loses_no_acknowledged_event(
    store: ProjectStore, project: Project, photos: list[str], batches: int
) -> None:
    project.labels.create("cat")
    acknowledged: dict[str, list[list[int]]] = {}
    processes = {who: start_labeller(project, who) for who in ("ann", "bob")}
    try:
        for who, process in processes.items():
            assert process.stdout is not None
            acknowledged[who] = [[int(word) for word in process.stdout.readline().split()] for _ in range(batches)]
    finally:
        for process in processes.values():
            os.kill(process.pid, signal.SIGKILL)
    for who, process in processes.items():
        rest, _ = process.communicate()
        lines = [line for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        acknowledged[who] += [[int(word) for word in line.split()] for line in lines]
        assert process.returncode == -signal.SIGKILL
    # Another process sees the same history, and people go on.
    history = store.open(project.id).events.history()
    assert history == project.events.history()
    saved = {(event.batch, event.id, event.label, event.who) for event in history}
    for who, lines in acknowledged.items():
        assert len(lines) >= batches
        assert {(batch, event, label, who) for batch, event, label in lines} <= saved
    assert set(Counter(event.batch for event in history).values()) == {len(photos)}
    project.events.label({photos[0]: 1}, who="carl", how="click")
    assert project.events.history(after=history[-1].id)[0].who == "carl"


def test_a_project_is_created_whole_or_not_at_all(store: ProjectStore) -> None:
    code = (
        "import sys, pathlib; from labelling.projects.store import ProjectStore\n"
        "store = ProjectStore(pathlib.Path(sys.argv[1]))\n"
        "for _ in range(10_000): store.create('Cats'); print('created', flush=True)"
    )
    command = [sys.executable, "-c", code, str(store.folder)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline() == "created\n"
    process.kill()
    rest, _ = process.communicate()
    listed = store.list()
    assert len(listed) in (5 + rest.count("created\n"), 6 + rest.count("created\n"))
    assert [summary.error for summary in listed if summary.error] == []
