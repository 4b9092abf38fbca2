"""A scripted user of the benchmark labels a project as the console suggests, until all photos have a label."""

import numpy as np
import pytest

from benchmarks.labelling.api.user import ApiSession, as_suggested
from benchmarks.labelling.pools import Pool
from labelling.projects.rows import seen_rows
from tests.console.labels.learning.conftest import Sample


@pytest.mark.integration
def test_all_photos_get_their_label_with_fewer_clicks_than_photos(sample: Sample) -> None:
    held = sample.project.audits.current().held
    truth = np.array([sample.breed[photo] for photo in sample.hashes])
    audit = np.array([photo in held for photo in sample.hashes])
    rows = np.zeros((len(truth), 1), np.float32)
    pool = Pool(rows, truth, audit, np.zeros(0, np.int64), rows[:0], truth[:0])
    session = ApiSession(sample.client, sample.base, pool, sample.hashes, seed=0)
    steps = [int(session.open.size) for _ in as_suggested(session)]
    assert steps == sorted(steps, reverse=True)
    assert steps[-1] == 0
    assert session.clicks < 0.7 * len(sample.seen)
    assert (session.labels == truth)[~audit].all()
    stored = seen_rows(sample.project)
    names = {label.id: label.name for label in sample.project.labels.list()}
    assert [names[label] for label in stored.labels.tolist()] == [f"breed {sample.breed[p]}" for p in stored.photos]
    history = sample.project.events.history()
    assert {event.how for event in history} == {"suggestion", "confirm"}
    assert {(sample.hashes[photo], breed) for photo, breed in session.refused} == {
        (photo, int(names[label].rpartition(" ")[2])) for photo, label in sample.project.events.refused()
    }
