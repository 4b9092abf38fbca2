"""A process that labels photos until it is killed, and prints each batch that was acknowledged.

``python -m tests.labelling.projects.labeller PROJECT WHO``
"""

import sys
from itertools import count
from pathlib import Path

from labelling.projects.store import Project


def label_for_ever(folder: Path, who: str) -> None:
    """Label the photos again and again; print the number of the last event after each batch, at once."""
    project = Project(folder)
    held = project.audits.current().held
    photos = [photo.sha256 for photo in project.photos if photo.sha256 not in held]
    for number in count():
        batch = project.events.label(dict.fromkeys(photos, number % 2), who=who, how="lasso")
        print(batch.id, batch.last_event, number % 2, flush=True)


if __name__ == "__main__":
    label_for_ever(Path(sys.argv[1]), sys.argv[2])
