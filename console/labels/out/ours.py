"""Predictions of the project's own classifier, as an export has them."""

import numpy as np

from console.labels.learning.training import Learner
from console.labels.service import OpenProject
from labelling.projects.exchange.decisions import Prediction
from labelling.projects.rows import audit_rows


def our_predictions(opened: OpenProject) -> dict[str, Prediction]:
    """Return the predictions by hash: of the seen photos, and of those of the audit that are answered.

    There are none before photos have two labels. The classifier is trained now if the labels have changed.
    """
    learner = opened.part(Learner)
    trained = learner.trained(learner.best)
    if trained.classifier.state != "trained":
        return {}
    model = f"classifier {(trained.labels_hash or '')[:8]}"
    names = {label.id: label.name for label in opened.project.labels.list(retired=True)}
    audit = audit_rows(opened.project)
    open_photos = set(audit.open)
    answered = [photo for photo in audit.photos if photo not in open_photos]
    known, components = trained.rows.held_back(trained.space, answered)
    found = {}
    judged = trained.classifier.predict(components)
    places = [answered[place] for place in np.flatnonzero(known).tolist()]
    for photos, predictions in ((trained.rows.photos, trained.predictions), (places, judged)):
        labels, confidences = predictions.labels.tolist(), predictions.confidence.tolist()
        for photo, label, confidence in zip(photos, labels, confidences, strict=True):
            if label in names:
                found[photo] = Prediction(names[label], round(confidence, 6), model)
    return found
