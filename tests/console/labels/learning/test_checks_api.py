"""Second looks over their addresses: doubtful labels, odd photos, near duplicates, and opinions of others."""

from typing import Any

import pytest
from sklearn.metrics import cohen_kappa_score

from labelling.projects.rows import second_opinions
from tests.console.labels.learning.conftest import Sample


@pytest.mark.integration
def test_wrong_labels_are_found(sample: Sample) -> None:
    sample.label(sample.seen)
    wrong = sample.seen[5:200:40]
    for photo in wrong:
        other = sample.labels[(sample.breed[photo] + 1) % 4]
        sample.project.events.label({photo: other}, who="ann", how="lasso")
    found = sample.client.get(f"{sample.base}/checks", params={"space": "final-what"}).json()
    assert {*wrong} <= {doubt["sha256"] for doubt in found["noise"][: len(wrong) + 3]}
    assert all(doubt["probability"] < 0.5 for doubt in found["noise"])
    assert found["disagreements"] == []
    typicality = [photo["typicality"] for photo in found["odd"]]
    assert typicality == sorted(typicality)
    assert len(typicality) == 24


@pytest.mark.integration
def test_duplicates_and_disagreements_are_found_but_nothing_of_the_audit(sample: Sample) -> None:
    one, two, three, held = *sample.seen[:3], sample.project.audits.current().asked[0]
    sample.project.photos.group({one: one, two: one})
    for who, how in (("ann", "audit"), ("bob", "audit")):
        label = sample.labels[0 if who == "ann" else 1]
        sample.project.events.label({held: label}, who=who, how=how)
    sample.label([three])
    sample.project.events.label({three: 0}, who="bob", how="click")
    found = sample.client.get(f"{sample.base}/checks").json()
    assert found["duplicates"] == [[one, two]]
    assert found["disagreements"] == [
        {"sha256": three, "labels": {"ann": sample.labels[sample.breed[three]], "bob": 0}}
    ]
    assert not {photo["sha256"] for photo in found["odd"]} & sample.project.audits.current().held


def ask(sample: Sample, who: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = sample.client.post(f"{sample.base}/second-opinions", json=body, headers={"x-shopcat-client": who})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def agreement(sample: Sample, who: str = "ann") -> dict[str, Any]:
    return dict(sample.client.get(f"{sample.base}/agreement", headers={"x-shopcat-client": who}).json())


def test_two_people_agree_as_scikit_learn_says(sample: Sample) -> None:
    sample.label(sample.seen)
    nothing = {"photos": 0, "agreed": 0, "kappa": None, "interval": None}
    waiting = len(second_opinions(sample.project, "bob").waiting)
    assert agreement(sample) == nothing | {"waiting": 0}
    assert agreement(sample, "bob") == nothing | {"waiting": waiting}
    assert ask(sample, "ann", {}) == {"photo": None, "waiting": 0}
    found = ask(sample, "bob", {})
    assert set(found["photo"]) == {"sha256"}  # blind
    pairs = []
    while found["photo"]:
        photo = found["photo"]["sha256"]
        truth = sample.labels[sample.breed[photo]]
        answer = sample.labels[0] if len(pairs) % 5 == 0 else truth
        pairs.append((truth, answer))
        found = ask(sample, "bob", {"photo": photo, "label": answer})
    assert len(pairs) == waiting > 10
    found = agreement(sample)
    first, second = zip(*pairs, strict=True)
    assert found["photos"] == len(pairs)
    assert found["agreed"] == sum(a == b for a, b in pairs)
    assert found["kappa"] == pytest.approx(cohen_kappa_score(first, second), abs=1e-4)
    assert found["interval"][0] < found["kappa"] < found["interval"][1] <= 1
    history = sample.project.events.history()[-waiting:]
    assert {(event.who, event.how) for event in history} == {("bob", "second")}


def test_only_waiting_photos_take_a_second_opinion(sample: Sample) -> None:
    sample.label(sample.seen)
    waiting = ask(sample, "bob", {})["photo"]["sha256"]
    other = next(photo for photo in sample.seen if photo not in second_opinions(sample.project, "bob").waiting)
    address = f"{sample.base}/second-opinions"
    for photo, who in ((other, "bob"), (waiting, "ann"), (sample.project.audits.current().asked[0], "bob")):
        answer = sample.client.post(address, json={"photo": photo, "label": 0}, headers={"x-shopcat-client": who})
        assert answer.status_code == 422
        assert "does not wait for your second opinion" in str(answer.json())
    answer = sample.client.post(address, json={"photo": waiting}, headers={"x-shopcat-client": "bob"})
    assert answer.status_code == 422
