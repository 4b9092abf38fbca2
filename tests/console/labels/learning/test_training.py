"""console.labels.learning.training: one training at a time, and the labels of then for all who wait."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from console.labels.learning import training
from console.labels.learning.training import FIRST_SPACE, Learner, best_space, some_labelled
from console.labels.opened.hub import Hub
from console.labels.opened.project import OpenProject
from labelling.features.spaces import BY_NAME
from labelling.learning.classifier import SpaceScore, train
from labelling.projects.progress import read_progress
from tests.console.labels.learning.conftest import LAYOUT, Sample


def test_requests_at_once_cost_one_training_each_state_of_the_labels(
    sample: Sample, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def opened() -> OpenProject:
        return OpenProject(sample.project, Hub(), lambda: LAYOUT, read_progress)

    learner = asyncio.run(opened()).part(Learner)
    running, most, trainings, waiting = 0, 0, [], threading.Semaphore(0)

    def slow_train(*arguments: object) -> object:
        nonlocal running, most
        running += 1
        most = max(most, running)
        for _ in range(7):  # until all others wait
            waiting.acquire()
        found = train(*arguments)  # type: ignore[arg-type]
        trainings.append(found)
        running -= 1
        return found

    def ask(_: int) -> training.Trained:
        waiting.release()
        return learner.trained(FIRST_SPACE)

    monkeypatch.setattr(training, "train", slow_train)
    sample.label(sample.seen[:40])
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    assert len(trainings) == most == 1
    assert all(trained is found[0] for trained in found)
    sample.label(sample.seen[40:60])
    with ThreadPoolExecutor(8) as pool:
        again = list(pool.map(ask, range(8)))
    assert len(trainings) == 2
    assert again[0].labels_hash != found[0].labels_hash
    assert (again[0].rows.labels >= 0).sum() == 60


def test_another_space_must_be_surely_better() -> None:
    side = [SpaceScore("last-where", 0.2, 0.0), SpaceScore("final-what", 0.69, 6.0), SpaceScore("low-what", 0.7, 6.5)]
    assert best_space(FIRST_SPACE, side) == BY_NAME["last-where"]
    assert best_space(BY_NAME["last-where"], side) == BY_NAME["last-where"]
    chance = [SpaceScore("early-where", 0.9, 0.0), SpaceScore("final-what", 1.0, 1.2)]
    assert best_space(FIRST_SPACE, chance) == FIRST_SPACE
    assert best_space(FIRST_SPACE, []) == FIRST_SPACE
    assert best_space(FIRST_SPACE, [SpaceScore("low-what", 0.9, 0.0)]) == BY_NAME["low-what"]  # another network


def test_many_labels_are_ranked_by_a_sample_of_them() -> None:
    labels = np.where(np.arange(5000) % 2 == 0, 1, -1)
    photos = some_labelled(labels)
    assert len(photos) == training.RANKED
    assert (labels[photos] == 1).all()
    assert np.array_equal(photos, some_labelled(labels))
    assert some_labelled(labels[:10]).tolist() == [0, 2, 4, 6, 8]
