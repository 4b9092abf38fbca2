"""Tasks of Label Studio: labelled photos of a project, and its labelling interface."""

from collections.abc import Iterable, Mapping
from xml.sax.saxutils import quoteattr

from labelling.projects.exchange.decisions import Prediction, decisions
from labelling.projects.exchange.tables import iso_time
from labelling.projects.store import Project


def label_studio_tasks(project: Project, *, predictions: Mapping[str, Prediction] | None = None) -> list[object]:
    """Return the labelled photos as tasks of Label Studio, to be written as JSON; see `label_studio_config`."""
    tasks: list[object] = []
    for row in decisions(project, predictions):
        if row.state != "label":
            continue
        task: dict[str, object] = {
            "data": {"image": row.photo.name, "sha256": row.photo.sha256, "who": row.who, "how": row.how},
            "annotations": [{"created_at": iso_time(row.time or 0), "result": [_choice(row.label)]}],
        }
        if row.prediction is not None:
            model, score = row.prediction.model, row.prediction.probability
            guess = {"model_version": model, "score": score, "result": [_choice(row.prediction.label)]}
            task["predictions"] = [guess]
        tasks.append(task)
    return tasks


def label_studio_config(labels: Iterable[str]) -> str:
    """Return the labelling interface of Label Studio for these labels, XML."""
    choices = "".join(f"<Choice value={quoteattr(label)}/>" for label in labels)
    return (
        '<View><Image name="image" value="$image"/>'
        f'<Choices name="label" toName="image" choice="single">{choices}</Choices></View>'
    )


def _choice(label: str) -> dict[str, object]:
    return {"from_name": "label", "to_name": "image", "type": "choices", "value": {"choices": [label]}}
