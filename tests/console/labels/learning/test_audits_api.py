"""The audit over its addresses: blind answers, and the only figure that is called accuracy."""

import math
import re
from typing import Any

import pytest

from console.labels.api import routes
from runtime.shares import wilson
from tests.console.labels.learning.conftest import Sample


def audit(sample: Sample) -> dict[str, Any]:
    answer = sample.client.post(f"{sample.base}/audit/figure", params={"space": "final-what"}, json={})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def post(sample: Sample, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = sample.client.post(f"{sample.base}/audit{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def answer(sample: Sample, count: int, *, wrong: int = 0) -> None:
    """Answer the next photos, some of them with another breed."""
    for number in range(count):
        photo = post(sample, "/next", {})["photo"]["sha256"]
        breed = (sample.breed[photo] + (number < wrong)) % 4
        post(sample, "", {"photo": photo, "label": sample.labels[breed]})


def test_the_next_photo_is_blind_and_held_back(sample: Sample) -> None:
    found = post(sample, "/next", {})
    assert found == {"photo": {"sha256": sample.project.audits.current().asked[0]}, "waiting": 50}
    assert found["photo"]["sha256"] not in sample.seen


def test_photos_are_asked_in_the_order_of_the_draw_whatever_the_answers_are(sample: Sample) -> None:
    order, asked = sample.project.audits.current().asked, []
    for number in range(12):
        asked.append(post(sample, "/next", {})["photo"]["sha256"])
        post(sample, "", {"photo": asked[-1], "label": [*sample.labels, 0][number % 5]})
        sample.label(sample.seen[10 * number : 10 * number + 10])
    assert tuple(asked) == order[:12]


def test_counts_are_the_same_at_each_address_and_blind_answers_are_labels(sample: Sample) -> None:
    sample.label(sample.seen[:20])
    sample.project.events.label({sample.seen[20]: 0}, who="ann", how="click")
    answer(sample, 3)
    asked = sample.project.audits.current().asked
    post(sample, "", {"photo": asked[3], "label": 0})
    sample.project.events.label({asked[10]: sample.labels[0]}, who="ann", how="import")
    (listed,) = sample.client.get("/labels").json()["projects"]
    project = sample.client.get(sample.base).json()
    assert listed["labelled"] == project["labelled"] == sample.project.summary.labelled == 26
    assert project["audit"] == {"asked": 50, "answered": 4, "draw": 1, "held": 50, "labelled": 5}
    state = sample.client.get(f"{sample.base}/state").json()["labels"]
    assert len(state) + project["audit"]["labelled"] == project["labelled"]
    counts = audit(sample)
    assert {name: counts[name] for name in project["audit"]} == project["audit"]


def test_the_figure_is_not_yet_known_below_30_answers(sample: Sample) -> None:
    assert audit(sample)["text"] == "The accuracy is not yet known: give photos two labels first."
    sample.label(sample.seen[:100])
    answer(sample, 29)
    found = audit(sample)
    assert (found["figure"], found["looks"]) == (None, 0)
    assert found["text"] == "The accuracy is not yet known: answer 1 more audit photo."
    assert (found["asked"], found["answered"], found["open"], found["draw"]) == (50, 29, 21, 1)


def test_the_figure_has_the_interval_of_wilson(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    answer(sample, 40, wrong=8)
    found = audit(sample)
    figure = found["figure"]
    low, high = wilson(figure["right"], 40)
    share = f"{figure['right']} of 40 right: {math.floor(figure['right'] / 0.4 + 1e-9)} % accuracy"
    bounds = f"between {math.floor(100 * low)} % and {math.ceil(100 * high)} %"
    assert found["text"] == f"{share}, and with 95 % confidence {bounds}."
    assert figure["of"] == 40
    assert 28 <= figure["right"] <= 34
    assert figure["share"] == pytest.approx(figure["right"] / 40)
    assert (figure["low"], figure["high"]) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))
    assert sum(label["of"] for label in figure["by_label"]) == 40
    assert sum(label["right"] for label in figure["by_label"]) == figure["right"]
    for label in figure["by_label"]:
        assert (label["share"] is None) == (label["low"] is None) == (label["of"] < 10)


def test_looks_count_the_models_whose_figure_was_seen(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    answer(sample, 30)
    assert audit(sample)["looks"] == 1
    assert audit(sample)["looks"] == 1
    for photo in sample.seen[100:104]:
        sample.label([photo])
        sample.client.get(f"{sample.base}/predictions")
    assert audit(sample)["looks"] == 2


def test_a_get_shows_no_figure_that_nobody_has_looked_at(sample: Sample) -> None:
    def got() -> dict[str, Any]:
        return dict(sample.client.get(f"{sample.base}/audit", params={"space": "final-what"}).json())

    sample.label(sample.seen[:100])
    answer(sample, 30)
    hidden = got()
    assert (hidden["figure"], hidden["looks"], hidden["answered"]) == (None, 0, 30)
    assert "POST /audit/figure returns it" in hidden["text"]
    assert got() == hidden
    shown = audit(sample)
    assert (shown["figure"]["of"], shown["looks"]) == (30, 1)
    assert got() == shown
    sample.label(sample.seen[100:101])
    assert (got()["figure"], got()["looks"]) == (None, 1)


def test_no_get_changes_what_the_project_has_stored(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    answer(sample, 30)
    values = {"project": sample.project.id, "space": "final-what", "projection": "ica", "size": "64"}
    values |= {"sha256": sample.seen[0], "number": "0", "label": "1"}

    def stored() -> list[str]:
        with sample.project.database.reading() as connection:
            return [*connection.iterdump()]

    before, asked = stored(), 0
    for route in routes():
        if "GET" in (route.methods or ()) and not route.path.endswith("/stream"):
            sample.client.get(re.sub(r"{(\w+)(:int)?}", lambda found: values[found[1]], route.path))
            asked += 1
            assert stored() == before, route.path
    assert asked > 20


def test_an_archived_project_shows_its_figure_and_counts_no_look(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    answer(sample, 30)
    assert audit(sample)["looks"] == 1
    sample.label(sample.seen[100:110])
    sample.project.archive()
    for found in (audit(sample), sample.client.get(f"{sample.base}/audit").json()):
        assert found["figure"]["of"] == 30
        assert found["looks"] == 1


def test_audit_photos_are_due_after_each_20_labels(sample: Sample) -> None:
    assert (audit(sample)["due"], audit(sample)["due_photos"]) == (False, 0)
    sample.label(sample.seen[:19])
    assert not audit(sample)["due"]
    sample.label(sample.seen[19:20])
    assert (audit(sample)["due"], audit(sample)["due_photos"]) == (True, 5)
    answer(sample, 3)
    assert audit(sample)["due_photos"] == 2
    answer(sample, 2)
    assert not audit(sample)["due"]
    sample.label(sample.seen)
    assert audit(sample)["due_photos"] == 45


def test_photos_nobody_can_tell_count_neither_way(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    answer(sample, 30)
    before = audit(sample)["figure"]
    photo = post(sample, "/next", {})["photo"]["sha256"]
    found = post(sample, "", {"photo": photo, "label": 0})
    assert (found["cant_tell"], found["answered"]) == (1, 31)
    assert audit(sample)["figure"] == before


def test_only_photos_of_the_audit_are_answered(sample: Sample) -> None:
    for photo in (sample.seen[0], "a" * 64):
        found = sample.client.post(f"{sample.base}/audit", json={"photo": photo, "label": 0})
        assert found.status_code == 422
        assert "the audit does not ask about" in str(found.json())
    asked = sample.project.audits.current().asked[0]
    assert sample.client.post(f"{sample.base}/audit", json={"photo": asked, "label": 99}).status_code == 404


@pytest.mark.integration
def test_no_other_address_tells_of_a_held_back_photo(sample: Sample) -> None:
    held = sample.project.audits.current().held
    asked = sample.project.audits.current().asked
    sample.label(sample.seen[:120])
    sample.project.events.label(dict.fromkeys(asked[:5], sample.labels[0]), who="bob", how="import")
    sample.project.events.label({asked[1]: sample.labels[1]}, who="eve", how="import")
    answer(sample, 10)
    gets = ["", "/photos", "/spaces", "/spaces/ranking", "/state", "/events", "/predictions", "/checks", "/agreement"]
    texts = [sample.client.get(f"{sample.base}{path}").text for path in gets]
    some, label = sample.seen[:3], sample.labels[:2]
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/similar", {"positives": some, "most": 1000, "leave_labelled": False}),
        ("/separation", {"labels": label}),
        ("/suggestions", {"count": 100}),
        ("/second-opinions", {}),
        ("/events", {"photos": some, "label": label[0], "how": "click", "since": 0}),
        ("/undo", {}),
    ]
    for path, body in bodies:
        found = sample.client.post(f"{sample.base}{path}", json=body, headers={"x-shopcat-client": "bob"})
        assert found.status_code == 200, found.text
        texts.append(found.text)
    assert len(texts) == 15
    assert not [(photo, text[:100]) for text in texts for photo in held if photo in text]


def test_answers_change_neither_labels_nor_predictions(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    before = sample.client.get(f"{sample.base}/predictions").json()
    answer(sample, 20, wrong=20)
    after = sample.client.get(f"{sample.base}/predictions").json()
    assert after == before


def test_a_fresh_draw_begins_again(sample: Sample) -> None:
    sample.label(sample.seen[:100])
    old = sample.project.audits.current().asked
    answer(sample, 30)
    assert audit(sample)["looks"] == 1
    found = post(sample, "/draw", {})
    assert (found["draw"], found["answered"], found["looks"], found["figure"]) == (2, 0, 0, None)
    photos = [photo["sha256"] for photo in sample.client.get(f"{sample.base}/photos").json()["photos"]]
    assert {*old} <= {*photos}
    assert not {*photos} & sample.project.audits.current().held
