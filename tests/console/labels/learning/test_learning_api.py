"""Search, separation, predictions and suggestions over their addresses. Held-back photos never appear."""

import base64
from typing import Any

import numpy as np
import pytest

from tests.console.labels.conftest import wait_for
from tests.console.labels.learning.conftest import Sample


def post(sample: Sample, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = sample.client.post(f"{sample.base}/{path}", json=body)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def get(sample: Sample, path: str) -> dict[str, Any]:
    answer = sample.client.get(f"{sample.base}/{path}")
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_similar_photos_are_of_the_same_breed(sample: Sample) -> None:
    first, second = sample.seen[0], next(p for p in sample.seen if sample.breed[p] != sample.breed[sample.seen[0]])
    found = post(sample, "similar", {"space": "final-what", "positives": [first], "negatives": [second], "most": 20})
    photos = [photo["sha256"] for photo in found["photos"]]
    assert len(photos) == 20
    assert {sample.breed[photo] for photo in photos} == {sample.breed[first]}
    assert not {first, second} & {*photos}
    scores = [photo["score"] for photo in found["photos"]]
    assert scores == sorted(scores, reverse=True)
    assert found["space"] == "final-what"


def test_similar_photos_with_a_label_are_left_out_if_wanted(sample: Sample) -> None:
    sample.label(sample.seen[1:200])
    body = {"positives": sample.seen[:1], "most": 1000}
    photos = [photo["sha256"] for photo in post(sample, "similar", body)["photos"]]
    assert sorted(photos) == sorted(sample.seen[200:])
    photos = [photo["sha256"] for photo in post(sample, "similar", body | {"leave_labelled": False})["photos"]]
    assert sorted(photos) == sorted(sample.seen[1:])  # all but the held-back ones


def test_photos_that_may_not_be_seen_are_unknown(sample: Sample) -> None:
    held = next(iter(sample.project.audits.current().held))
    for photo in (held, "a" * 64):
        answer = sample.client.post(f"{sample.base}/similar", json={"positives": [photo]})
        assert answer.status_code == 404
        assert (
            answer.json()["detail"]
            == f"positives: {photo} is not on the map; ask for /photos again, and choose from these"
        )


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("similar", {"positives": []}, "positives"),
        ("similar", {"positives": ["x"]}, "positives"),
        ("similar", {"positives": ["a" * 64], "most": 0}, "most"),
        ("similar", {"positives": ["a" * 64], "space": "final-how"}, "space"),
        ("separation", {"labels": [1]}, "labels"),
        ("suggestions", {"count": 0}, "count"),
        ("suggestions", {"counts": 1}, "counts"),
    ],
)
def test_invalid_fields_are_named(sample: Sample, path: str, body: dict[str, Any], field: str) -> None:
    answer = sample.client.post(f"{sample.base}/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert [error["path"].split("/")[1] for error in answer.json()["errors"]] == [field]


def test_labels_are_separated_in_the_space_that_knows_them(sample: Sample) -> None:
    left, right = sample.label_sides(sample.seen[:80])
    found = post(sample, "separation", {"labels": [left, right]})
    assert found["space"] == found["ranking"][0]["space"] == "last-where"
    assert found["score"] > 0.95
    assert (found["warning"], found["p_value"] <= 0.001) == (None, True)
    assert set(found["n_labelled"]) == {str(left), str(right)}
    places = np.frombuffer(base64.b64decode(found["positions"]), "<f4").reshape(-1, 2)
    assert len(places) == len(sample.seen)
    assert np.abs(places).max() == pytest.approx(1)
    side = np.array([sample.side[photo] for photo in sample.seen[80:]])  # those without a label
    assert ((places[80:, 0] > 0) == side).mean() > 0.9
    alone = post(sample, "separation", {"labels": [left, right], "space": "early-what"})
    assert alone["space"] == "early-what"
    assert alone["warning"] is not None


def test_too_few_labels_can_not_be_separated(sample: Sample) -> None:
    sample.label(sample.seen[:1])
    answer = sample.client.post(f"{sample.base}/separation", json={})
    assert answer.status_code == 422
    assert "separating needs two labels with two photos each" in answer.json()["detail"] + str(answer.json()["errors"])


def test_predictions_begin_with_two_labels(sample: Sample) -> None:
    first = get(sample, "predictions")
    assert (first["state"], first["model"], first["labels"]) == ("no labels", None, [])
    breeds = [sample.breed[photo] for photo in sample.seen]
    sample.label([sample.seen[0]])
    assert get(sample, "predictions")["state"] == "one label"
    sample.label(sample.seen[:80])
    found = get(sample, "predictions?space=final-what")
    assert found["state"] == "trained"
    assert found["model"]["labels"] == sorted(sample.labels)
    assert found["rows_version"] == get(sample, "photos")["rows_version"]
    right = np.array(found["labels"]) == np.array(sample.labels)[breeds]
    assert right.mean() > 0.95
    assert len(found["confidence"]) == len(found["margin"]) == len(found["second"]) == len(sample.seen)
    assert all(
        0 <= margin <= confidence <= 1 for margin, confidence in zip(found["margin"], found["confidence"], strict=True)
    )
    assert not (np.array(found["labels"]) == np.array(found["second"])).any()


def test_a_label_makes_a_new_model_and_a_look_does_not(sample: Sample) -> None:
    sample.label(sample.seen[:40])
    first = get(sample, "predictions?space=final-what")["model"]
    assert get(sample, "predictions?space=final-what")["model"] == first
    sample.label(sample.seen[40:41])
    second = get(sample, "predictions?space=final-what")["model"]
    assert second["labels_hash"] != first["labels_hash"]
    sample.project.events.undo("ann")
    assert get(sample, "predictions?space=final-what")["model"] == first


def test_an_archived_project_still_predicts(sample: Sample) -> None:
    sample.label(sample.seen[:40])
    sample.project.archive()
    found = get(sample, "predictions")
    assert found["state"] == "trained"
    assert get(sample, "audit")["figure"] is None


def test_suggestions_go_from_typical_photos_to_groups(sample: Sample) -> None:
    first = post(sample, "suggestions", {"count": 3})
    assert (first["kind"], first["stage"]) == ("typical", {"labelled": 0, "of": 250})
    assert [len(suggestion["photos"]) for suggestion in first["suggestions"]] == [1, 1, 1]
    sample.label(sample.seen[:150])
    group = post(sample, "suggestions", {})
    assert group["kind"] == "group"
    photos = [photo for suggestion in group["suggestions"] for photo in suggestion["photos"]]
    assert {*photos} <= {*sample.seen[150:]}
    assert all("The classifier takes these for" in suggestion["why"] for suggestion in group["suggestions"])
    right = [
        sample.labels[sample.breed[photo]] == suggestion["labels"][0]
        for suggestion in group["suggestions"]
        for photo in suggestion["photos"]
    ]
    assert np.mean(right) > 0.9
    sample.label(sample.seen)
    done = post(sample, "suggestions", {})
    assert (done["kind"], done["suggestions"]) == ("done", [])


def test_a_refused_photo_is_not_suggested_for_that_label_again(sample: Sample) -> None:
    sample.label(sample.seen[:150])
    group = post(sample, "suggestions", {})["suggestions"][0]
    refused = dict.fromkeys(group["photos"][:3], group["labels"][0])
    sample.project.events.label({}, who="ann", how="confirm", refused=refused)
    again = post(sample, "suggestions", {})["suggestions"]
    offered = {
        (photo, label) for suggestion in again for photo in suggestion["photos"] for label in suggestion["labels"]
    }
    assert not offered & {*refused.items()}


@pytest.mark.integration
def test_the_best_space_is_found_without_being_told(sample: Sample) -> None:
    assert get(sample, "spaces/ranking") == {"best": "final-what", "ranking": [], "labelled": 0, "computing": False}
    sample.label_sides(sample.seen[:80])
    assert get(sample, "spaces/ranking")["computing"]
    wait_for(lambda: not get(sample, "spaces/ranking")["computing"])
    found = get(sample, "spaces/ranking")
    assert found["best"] == found["ranking"][0]["space"] == "last-where"
    assert found["labelled"] == 80
    losses = [score["log_loss"] for score in found["ranking"]]
    assert losses == sorted(losses)
    assert len(losses) == 4
    assert get(sample, "predictions")["model"]["space"] == "last-where"
    assert post(sample, "suggestions", {})["space"] == "last-where"
    sample.project.events.undo("ann")
    assert post(sample, "similar", {"positives": sample.seen[:1]})["space"] == "last-where"


@pytest.mark.parametrize("path", ["spaces", "predictions", "maps/final-what/pca-1-2", "audit", "checks", "agreement"])
def test_the_role_label_is_required(sample: Sample, path: str) -> None:
    for roles, status in (("predict,review", 403), ("", 403)):
        answer = sample.client.get(f"{sample.base}/{path}", headers={"x-shopcat-roles": roles})
        assert answer.status_code == status
    assert sample.client.get(f"/labels/nothing/{path}").status_code == 404
