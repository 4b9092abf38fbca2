"""serving.monitoring.watched: the service is ready by model and by instance, and as a whole by policy."""

import pytest

from handlers.readiness import ReadyWorker
from serving.monitoring.watched import ReadyPolicy, Watched

BOTH = {"sales": 1, "pets": 1}


def worker(model: str, instance: int) -> ReadyWorker:
    """Return a ready worker of an instance."""
    return ReadyWorker(1, 0.0, model, "1", "", "", instance)


@pytest.mark.parametrize(
    ("policy", "missing"), [("any", []), ("all", ["no worker of pets is ready"])], ids=["any", "all"]
)
def test_the_policy_decides_for_a_model_without_workers(policy: ReadyPolicy, missing: list[str]) -> None:
    watched = Watched({}, [], BOTH, alive=True, routed={"sales": {0}, "pets": {0}}, policy=policy)
    ready = [worker("sales", 0)]
    assert watched.missing(ready) == missing
    assert watched.missing_of("sales", ready) == []
    assert watched.missing_of("pets", ready) == ["no worker of pets is ready"]


@pytest.mark.parametrize("policy", ["any", "all"])
def test_without_any_worker_the_service_is_not_ready(policy: ReadyPolicy) -> None:
    watched = Watched({}, [], BOTH, alive=True, routed={"sales": {0}, "pets": {0}}, policy=policy)
    assert watched.missing([]) == ["no worker of sales is ready", "no worker of pets is ready"]


def test_a_ready_worker_and_an_answering_instance_must_belong_together() -> None:
    """Instance 0 hangs and has the only ready worker; instance 1 answers and has none."""
    watched = Watched({}, [], {"sales": 2}, alive=True, routed={"sales": {1}})
    reasons = ["no instance with a ready worker of sales answers"]
    assert watched.missing([worker("sales", 0)]) == reasons
    assert watched.missing_of("sales", [worker("sales", 0)]) == reasons
    assert watched.missing([worker("sales", 0), worker("sales", 1)]) == []


def test_a_stopping_service_is_not_ready_for_any_model() -> None:
    watched = Watched({}, [], {"sales": 1}, alive=True, routed={"sales": {0}}, transition="stopping")
    assert watched.missing_of("sales", [worker("sales", 0)]) == ["the server is stopping"]
