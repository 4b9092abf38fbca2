"""News of a project for its streams: labels, names, progress, rows and counts of the audit.

They have what another process has changed, too.
"""

import logging
import threading
from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from console.labels.opened.hub import Hub, StreamEvent
from console.labels.opened.rows import SeenTable
from labelling.projects.events import Event
from labelling.projects.labels import Label
from labelling.projects.progress import Progress
from labelling.projects.rows import audit_counts
from labelling.projects.store import Project

logger = logging.getLogger(__name__)

_PAGE = 1000  # events that are read at once


class News:
    """Publishes what has changed since the last time.

    Args:
        project: the project.
        hub: its hub.
        rows: returns the rows of now.
        progress: returns the progress of the embedding.
    """

    def __init__(
        self, project: Project, hub: Hub, rows: Callable[[], SeenTable], progress: Callable[[], Progress]
    ) -> None:
        self._project, self._hub, self._rows, self._progress = project, hub, rows, progress
        self._lock = threading.Lock()
        self._event = last_event(project)
        self._published: dict[str, dict[str, Any]] = {"names": self._names()}

    def publish(self) -> None:
        """Publish all that has changed, if somebody looks at the project. It blocks: call it in a thread."""
        if not self._hub.is_watched:
            return
        with self._lock:
            last = last_event(self._project)
            for batch in batches(self._project, after=self._event):
                self._hub.publish("labels", batch)
                last = max(last, batch["last_event"])
            self._event = last
            for kind, data in self._now().items():
                if self._published.get(kind) != data:
                    self._published[kind] = data
                    self._hub.publish(kind, data)

    def publish_saved(self) -> None:
        """Publish a change that is saved already. An error is logged, and the next news has the change too."""
        try:
            self.publish()
        except Exception:
            logger.exception("project %s: a change is saved, but its news can't be sent yet", self._project.id)

    def state(self, last_event: int) -> list[StreamEvent]:
        """Return the events that tell a page the names, progress, rows and counts of now. It blocks.

        Args:
            last_event: number of the last event, which becomes the id, so that a page that has just come knows it.
        """
        found = {**self._now(), "people": {"people": self._hub.people()}}
        return [StreamEvent.of(kind, data, last_event) for kind, data in found.items()]

    def _now(self) -> dict[str, dict[str, Any]]:
        return {
            "names": self._names(),
            "progress": dict(self._progress()._asdict()),
            "rows": {"rows_version": self._rows().version},
            "audit": asdict(audit_counts(self._project)),
        }

    def _names(self) -> dict[str, Any]:
        return {"labels": [label_of(label) for label in self._project.labels.list(retired=True)]}


def label_of(label: Label) -> dict[str, Any]:
    """Return a label as JSON has it."""
    return {"id": label.id, "name": label.name, "colour": label.colour, "retired": label.retired}


def last_event(project: Project) -> int:
    """Return the number of the last event; 0 before the first."""
    with project.database.reading() as connection:
        return int(connection.execute("SELECT IFNULL(MAX(id), 0) FROM events").fetchone()[0])


def batches(project: Project, *, after: int) -> list[dict[str, Any]]:
    """Return the labels that photos got in later batches, without what the audit hides, oldest first."""
    found: list[dict[str, Any]] = []
    for event in shown(project, project.events.history(after=after)):
        if not found or found[-1]["batch"] != event.batch:
            found.append({"who": event.who, "batch": event.batch, "how": event.how, "labels": {}})
        found[-1]["labels"][event.photo] = event.label
        found[-1]["last_event"] = event.id
    return found


def shown(project: Project, events: Iterable[Event]) -> list[Event]:
    """Return the events that people may see: no answers of the audit, and nothing of photos that are held back."""
    held = project.audits.current().held
    return [event for event in events if event.how != "audit" and event.photo not in held]


def shown_history(project: Project, *, photo: str | None = None, after: int = 0, most: int) -> list[Event]:
    """Return the first events that people may see, and read no more of the history than these need.

    Args:
        project: the project.
        photo: hash of a photo, for its events alone.
        after: return events with larger numbers only.
        most: number of events at most.
    """
    found: list[Event] = []
    page = max(most, _PAGE)
    while len(found) < most:
        events = project.events.history(photo=photo, after=after, most=page)
        found += shown(project, events)
        if len(events) < page:
            break
        after = events[-1].id
    return found[:most]
