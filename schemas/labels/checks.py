"""Second looks at the labels of a project: doubtful labels, odd photos, near duplicates, and opinions of others."""

from typing import Any

from pydantic import Field, model_validator
from pydantic.json_schema import JsonSchemaMode

from schemas.labels.learning import SPACE
from schemas.labels.parts import BODY, MAX_NUMBER, LabelAnswer, LabelRequest, Sha256, answer, item, operation


class DoubtfulLabel(LabelAnswer):
    """A label that a classifier doubts, which has not seen it."""

    sha256: str = Field(description="SHA-256 of the photo's file.")
    label: int = Field(description="Label that the photo has.")
    probability: float = Field(description="Probability of this label.")


class OddPhoto(LabelAnswer):
    """A photo that is unlike all others."""

    sha256: str = Field(description="SHA-256 of the photo's file.")
    typicality: float = Field(description="Mean cosine to the nearest photos.")


class Disagreement(LabelAnswer):
    """A photo to which people have given different labels."""

    sha256: str = Field(description="SHA-256 of the photo's file.")
    labels: dict[str, int] = Field(description="Last label by person.")


class LabelChecks(LabelAnswer):
    """Photos and labels that deserve a second look."""

    space: str = Field(description="Space of the checks.")
    rows_version: str = Field(description="Version of the rows.")
    noise: list[DoubtfulLabel] = Field(description="Doubtful labels, the least probable first.")
    odd: list[OddPhoto] = Field(description="Odd photos, the oddest first.")
    duplicates: list[list[str]] = Field(description="Groups of near duplicates.")
    disagreements: list[Disagreement] = Field(description="Photos with different labels.")


class LabelAgreement(LabelAnswer):
    """Agreement of people about photos that two of them have labelled, the second without seeing the first label."""

    photos: int = Field(description="Number of photos with two labels.")
    agreed: int = Field(description="Number of photos with two equal labels.")
    kappa: float | None = Field(description="Cohen's kappa, agreement beyond chance; null if undefined.")
    interval: list[float] | None = Field(
        description="Ends of the approximate 95 % interval of kappa; null if undefined."
    )
    waiting: int = Field(description="Number of photos that wait for this client's second opinion.")


class SecondOpinion(LabelRequest):
    """Second opinion about a photo; without one, the request asks for the next photo alone."""

    photo: Sha256 | None = Field(default=None, description="SHA-256 of the photo's file.")
    label: int | None = Field(
        default=None, ge=0, le=MAX_NUMBER, description="Id of the label; 0 if the person can't tell."
    )

    @model_validator(mode="after")
    def _is_whole(self) -> "SecondOpinion":
        """Reject a photo without a label, and a label without a photo."""
        if (self.photo is None) != (self.label is None):
            raise ValueError("the fields photo and label belong together; send both, or neither")
        return self


class BlindPhoto(LabelAnswer):
    """A photo to label without a look at predictions or other people's labels."""

    sha256: str = Field(description="SHA-256 of the photo's file.")


class NextPhoto(LabelAnswer):
    """Next photo of a blind queue."""

    photo: BlindPhoto | None = Field(description="The photo; null if none waits.")
    waiting: int = Field(description="Number of photos that wait, with this one.")


COMPONENTS: dict[type, JsonSchemaMode] = {
    SecondOpinion: "validation",
    **dict.fromkeys((LabelChecks, LabelAgreement, NextPhoto), "serialization"),
}


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {
        **item(
            "/labels/{project}/checks",
            get=operation(
                "checkLabels",
                "Return doubtful labels, odd photos, near duplicates and disagreements",
                answer("All that deserves a second look.", "LabelChecks", "invalid-request"),
                parameters=(SPACE,),
            ),
        ),
        **item(
            "/labels/{project}/agreement",
            get=operation(
                "getAgreement",
                "Return the agreement of people about photos that two of them have labelled",
                answer("The agreement.", "LabelAgreement"),
            ),
        ),
        **item(
            "/labels/{project}/second-opinions",
            post=operation(
                "giveSecondOpinion",
                "Store a second opinion if the request has one, and return the next photo for this client",
                answer("The next photo, without its label.", "NextPhoto", *BODY),
                body="SecondOpinion",
            ),
        ),
    }
