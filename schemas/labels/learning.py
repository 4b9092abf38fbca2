"""Learning from the labels of a project: similar photos, separating maps, predictions and suggestions."""

from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.parts import BODY, MAX_NUMBER, LabelAnswer, LabelRequest, Sha256, answer, item, operation, query

MOST_CHOSEN, MOST_FOUND = 5000, 1000  # photos in a request, and in an answer

SpaceName = Annotated[str, StringConstraints(pattern="^[a-z]+-[a-z]+$", max_length=40)]
PredictionState = Literal["no labels", "one label", "trained"]
SuggestionKind = Literal["typical", "doubtful", "group", "done"]

_ROWS = "Version of the rows. Columns have one value a row, in the order of the project's photos."
_BEST = "the best one for the labels if left out."
SPACE = query("space", {"type": "string", "pattern": "^[a-z]+-[a-z]+$"}, f"Name of a space; {_BEST}")


class SimilarRequest(LabelRequest):
    """Photos to look for similar ones of."""

    positives: list[Sha256] = Field(
        min_length=1, max_length=MOST_CHOSEN, description="Photos that the others should be like."
    )
    negatives: list[Sha256] = Field(
        default=[], max_length=MOST_CHOSEN, description="Photos that the others should not be like."
    )
    space: SpaceName | None = Field(default=None, description=f"Space to search in; {_BEST}", examples=["final-what"])
    most: int = Field(default=200, ge=1, le=MOST_FOUND, description="Number of photos to return at most.")
    leave_labelled: bool = Field(default=True, description="True to leave out photos that have a label.")


class SimilarPhoto(LabelAnswer):
    """A photo that was found."""

    sha256: str = Field(description="SHA-256 of the photo's file.")
    score: float = Field(
        description="Mean of the two highest cosines to positives, less half the highest to a negative."
    )
    near_duplicate: bool = Field(description="True for a near duplicate of a positive.")


class SimilarPhotos(LabelAnswer):
    """Photos like the positives and unlike the negatives."""

    space: str = Field(description="Space of the search.")
    photos: list[SimilarPhoto] = Field(description="Photos, the most similar first.")


class SeparationRequest(LabelRequest):
    """Labels to separate."""

    labels: list[Annotated[int, Field(ge=1, le=MAX_NUMBER)]] | None = Field(
        default=None,
        min_length=2,
        max_length=1000,
        description="Ids of two labels or more; all if left out.",
        examples=[[1, 2]],
    )
    space: SpaceName | None = Field(
        default=None, description="Space to stay in; the best one if left out.", examples=["last-where"]
    )


class SeparationScore(LabelAnswer):
    """A space, and the score of the separation in it."""

    space: str = Field(description="Name of the space.")
    score: float = Field(description="Share of pairs in the right order, cross-validated; 0.5 is chance.")


class LabelSeparation(LabelAnswer):
    """Map on which labels lie apart, as far as the features allow."""

    space: str = Field(description="Space that separates the labels best.")
    text: str = Field(description="Score as a sentence.", examples=["separates 94 of 100 pairs (cross-validated)"])
    score: float = Field(description="Share of pairs of photos with two labels in the right order, cross-validated.")
    p_value: float = Field(description="Share of random labels that lie as far apart.")
    warning: str | None = Field(description="Reason not to trust the map; null if there is none.")
    ranking: list[SeparationScore] = Field(description="Spaces, the best first.")
    n_labelled: dict[int, int] = Field(description="Number of photos that took part, by label.")
    positions: str = Field(
        description="Two float32 numbers a row, little endian, in base64; -1 to 1. Axis 1 separates."
    )
    rows_version: str = Field(description=_ROWS)


class SpaceLoss(LabelAnswer):
    """A space, and how well labels are predicted in it."""

    space: str = Field(description="Name of the space.")
    log_loss: float = Field(description="Cross-validated log loss; lower is better. It is no accuracy.")


class SpaceRanking(LabelAnswer):
    """Spaces by how well a classifier in them predicts labels that it has not seen."""

    best: str = Field(description="Space of predictions and suggestions whose request names none.")
    ranking: list[SpaceLoss] = Field(description="Spaces, the best first; empty with too few labels.")
    labelled: int = Field(description="Number of labels that the ranking knows.")
    computing: bool = Field(description="True while a ranking with more labels is computed.")


class SuggestionRequest(LabelRequest):
    """Request for the photos to label next."""

    count: int = Field(default=1, ge=1, le=100, description="Number of single photos at most.")
    space: SpaceName | None = Field(
        default=None, description=f"Space of the suggestions; {_BEST}", examples=["final-what"]
    )


class LabelSuggestion(LabelAnswer):
    """One photo to label, or a group to confirm."""

    why: str = Field(description="Reason for people.", examples=["The classifier hesitates between cat and dog."])
    photos: list[str] = Field(description="SHA-256 of the photos; of a group, outliers first.")
    labels: list[int] = Field(
        description="Label of a group; the two labels of a doubtful photo; none of a typical one."
    )


class LabelStage(LabelAnswer):
    """Progress of the labelling."""

    labelled: int = Field(description="Number of photos with an answer, without those of the audit.")
    photos: int = Field(serialization_alias="of", description="Number of all photos that can be labelled.")


class LabelSuggestions(LabelAnswer):
    """Photos to label next."""

    kind: SuggestionKind = Field(
        description="`typical`: photos that many are like. `doubtful`: the classifier hesitates. `group`: groups "
        "of one predicted label each, to confirm together. `done`: all photos have an answer."
    )
    space: str = Field(description="Space of the suggestions.")
    stage: LabelStage = Field(description="Number of photos with an answer, and of all.")
    suggestions: list[LabelSuggestion] = Field(description="Suggestions, the most useful first.")


class LabelModel(LabelAnswer):
    """A classifier that was trained on the labels of now."""

    space: str = Field(description="Space of the classifier.")
    labels: list[int] = Field(description="Ids of the labels that it knows.")
    labels_hash: str = Field(description="Hash of the photos and labels that it learnt.")


class LabelPredictions(LabelAnswer):
    """Most probable label of each photo; the columns are empty before there are two labels."""

    state: PredictionState = Field(description="`trained` if there are two labels or more.")
    model: LabelModel | None = Field(description="The classifier; null before it is trained.")
    labels: list[int] = Field(description="Most probable label of each row.")
    confidence: list[float] = Field(description="Probability of that label.")
    margin: list[float] = Field(description="Lead over the probability of the second label.")
    second: list[int] = Field(description="Second label of each row.")
    rows_version: str = Field(description=_ROWS)


COMPONENTS: dict[type, JsonSchemaMode] = {
    **dict.fromkeys((SimilarRequest, SeparationRequest, SuggestionRequest), "validation"),
    **dict.fromkeys(
        (SimilarPhotos, LabelSeparation, SpaceRanking, LabelSuggestions, LabelPredictions), "serialization"
    ),
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels/{project}/similar",
            post=operation(
                "findSimilarPhotos",
                "Search all photos for those like some, and unlike others",
                answer("The photos.", "SimilarPhotos", *BODY),
                body="SimilarRequest",
            ),
        ),
        **item(
            "/labels/{project}/separation",
            post=operation(
                "separateLabels",
                "Return the map on which labels lie apart, with a score that says how far to trust it",
                answer("The map.", "LabelSeparation", *BODY),
                body="SeparationRequest",
            ),
        ),
        **item(
            "/labels/{project}/spaces/ranking",
            get=operation(
                "rankSpaces",
                "Return the spaces by how well their classifiers predict labels that they have not seen",
                answer("The ranking.", "SpaceRanking"),
            ),
        ),
        **item(
            "/labels/{project}/suggestions",
            post=operation(
                "suggestPhotos",
                "Return what to label next, and why",
                answer("The suggestions.", "LabelSuggestions", *BODY),
                body="SuggestionRequest",
            ),
        ),
        **item(
            "/labels/{project}/predictions",
            get=operation(
                "predictLabels",
                "Return the most probable label of each photo, by a classifier that knows the labels of now",
                answer("The predictions.", "LabelPredictions", "invalid-request"),
                parameters=(SPACE,),
            ),
        ),
    }
