"""labelling.projects.exchange.predictions: those of another model come in, are shown beside ours, and go out."""

import csv

import pytest

from labelling.projects.errors import ProjectError, UnknownError
from labelling.projects.exchange.decisions import Prediction, decisions
from labelling.projects.exchange.predictions import forget_predictions, import_predictions, imported_predictions
from labelling.projects.exchange.tables import predictions_csv
from labelling.projects.store import Project
from tests.labelling.projects.exchange.test_export import labelled

__all__ = ["labelled"]  # a fixture


def test_predictions_come_in_by_name_or_hash(project: Project, photos: list[str]) -> None:
    names = {photo.sha256: photo.name for photo in project.photos}
    by_name, empty = names[photos[1]], names[photos[2]]
    text = f"sha256,name,label,probability\n{photos[0]},,cat,0.75\n,{by_name},dog,1\n,no.png,dog,1\n,{empty},,\n"
    imported = import_predictions(project, text, model="resnet 7")
    assert imported == ({"resnet 7": 2}, ("no.png",))
    assert imported_predictions(project) == {
        "resnet 7": {
            photos[0]: Prediction("cat", 0.75, "resnet 7"),
            photos[1]: Prediction("dog", 1.0, "resnet 7"),
        }
    }
    assert project.events.history() == []
    assert project.labels.list() == []


def test_a_later_import_replaces_the_model_and_no_other(project: Project, photos: list[str]) -> None:
    import_predictions(project, "name,label,probability\n000.png,cat,1\n001.png,cat,1\n", model="one")
    import_predictions(project, "name,label,probability\n000.png,fox,0\n", model="two")
    import_predictions(project, "name,label,probability\n002.png,dog,0.5\n", model="one")
    found = imported_predictions(project)
    assert [(name, [guess.label for guess in found[name].values()]) for name in found] == [
        ("one", ["dog"]),
        ("two", ["fox"]),
    ]
    forget_predictions(project, "one")
    assert set(imported_predictions(project)) == {"two"}
    with pytest.raises(UnknownError, match="'one'"):
        forget_predictions(project, "one")


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "columns"),
        ("name,label\n000.png,cat\n", "columns"),
        ("name,label,probability\n000.png,cat,1\n001.png,cat,2\n", "probability: line 3"),
        ("name,label,probability\n000.png,cat,nan\n", "probability"),
        ("name,label,probability\n000.png,cat\n", "probability"),
        ("name,label,probability\n000.png,cat,0.5 %\n", "probability"),
        ("name,label,probability,model\n000.png,cat,0.5,a\tb\n", "model"),
        (f"name,label,probability\n000.png,{'x' * 201},0.5\n", "label"),
        (f"name,label,probability\n000.png,{'x' * 200_000},0.5\n", "line 2"),
    ],
)
def test_a_table_that_can_not_be_used_changes_nothing(
    project: Project, photos: list[str], text: str, field: str
) -> None:
    with pytest.raises(ProjectError, match=f"^{field}"):
        import_predictions(project, text)
    assert imported_predictions(project) == {}


def test_both_go_out_side_by_side_and_come_back(project: Project, labelled: dict[str, str]) -> None:
    seen, audited = list(labelled)[:2], list(labelled)[7]
    unanswered, unsure = project.audits.current().asked[6:8]  # nobody can tell of the last one
    project.events.undo("bob")
    project.events.label({audited: 1}, who="bob", how="audit")
    chosen = [*seen, audited, unanswered, unsure]
    guess = Prediction(labelled[seen[0]].upper(), 0.123456789, "ours")
    ours = dict.fromkeys(chosen, guess)
    lines = ["sha256,label,probability", *(f"{photo},'=1+1,0.5" for photo in chosen)]
    import_predictions(project, "\n".join(lines), model="theirs")
    text = "".join(predictions_csv(decisions(project), [ours, imported_predictions(project)["theirs"]]))
    rows = list(csv.DictReader(text.splitlines()))
    assert [row["model"] for row in rows] == ["ours", "theirs"] * 4
    assert unanswered not in {row["sha256"] for row in rows}
    decided = {(row["sha256"], row["model"]): row["decision"] for row in rows}
    assert decided[seen[0], "ours"] == "confirmed"
    assert decided[seen[1], "ours"] == decided[seen[0], "theirs"] == "corrected"
    assert decided[unsure, "ours"] == "can't tell"
    assert {row["label"] for row in rows if row["model"] == "theirs"} == {"'=1+1"}
    import_predictions(project, text)
    found = imported_predictions(project)
    assert found["ours"][seen[0]] == guess
    assert found["theirs"][seen[0]].label == "=1+1"
