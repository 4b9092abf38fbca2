"""The command that classifies photos with a pets bundle."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli import bulk
from cli.common import DEVICE, FOLDER, REVIEW_SHARE, command

if TYPE_CHECKING:  # --help should not wait for their imports
    from bulk.job import BadRows
    from pets.classifier import Classifier
    from schemas.pets.answer import Prediction
    from schemas.problems import Problem


@click.command()
@click.argument("bundle", type=FOLDER)
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--heatmap",
    type=click.Choice(["activation", "gradcam", "contrast"]),
    help="Draw where the network looked; needs --out.",
)
@click.option("--class", "class_", help="Breed that the heatmap explains.  [default: the predicted one]")
@click.option("--versus", help="Breed that a contrast heatmap compares with.  [default: the next best]")
@click.option(
    "--look",
    type=click.Choice(["whole", "closer"]),
    default="whole",
    show_default=True,
    help="Part of the photo to classify; closer is the part with the animal, if the animal is small.",
)
@click.option(
    "--out",
    help="Folder for the photos with their heatmaps. Without --heatmap, a folder that ends in /, or an address, for "
    "Parquet files with the breeds.",
)
@click.option(
    "--top",
    "top_k",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="Number of breeds to print for a photo.",
)
@REVIEW_SHARE
@bulk.job_options
@DEVICE
@command
def classify(
    bundle: Path,
    images: tuple[str, ...],
    heatmap: str | None,
    class_: str | None,
    versus: str | None,
    look: str,
    out: str | None,
    top_k: int,
    review_share: float | None,
    bad_rows: "BadRows",
    processes: int | None,
    runner: str,
    device: str | None,
) -> None:
    """Name the breeds of pets in photos.

    Print a line for each of IMAGES: the breed with its probability, the next best breeds, and "review" with the reason
    if a person should look. "unknown" marks a photo that is unlike all training photos, and "closer look" a breed that
    comes from the part of the photo with the animal.
    With --heatmap, write each photo with its heatmap to --out, as NAME.METHOD.png.

    If --out is a folder or an address and there is no --heatmap, this is a job: IMAGES are photos, folders and
    addresses, and the output is a folder of Parquet files with a row for each photo. The same command
    continues a job that was stopped. The exit code is 0 at the
    end, 75 if another try continues, 2 if none can, and 1 for a fault of Shopcat.
    """
    from base64 import b64decode

    from pets.classifier import Classifier
    from runtime.device import pick_device
    from runtime.folder import write_file
    from schemas.problems import Problem

    if heatmap is None and bulk.is_job(out):
        assert out is not None  # it is a job
        if class_ is not None or versus is not None:
            raise click.UsageError("--class and --versus are about a heatmap; a job has none")
        chosen = {"look": look, "top_k": top_k} | ({} if review_share is None else {"review_share": review_share})
        bulk.run(
            "pets", bundle, images, out, chosen, bad_rows=bad_rows, runner=runner, processes=processes, device=device
        )
        return
    photos = [_photo(image) for image in images]
    if (heatmap is None) != (out is None):
        raise click.UsageError("--heatmap and --out go together: one says what to draw, the other where to write it")
    classifier = Classifier.load(bundle, device=pick_device(device), threads=0, review_share=review_share)
    given = {"heatmap": heatmap, "class": class_, "versus": versus, "look": look, "top_k": top_k}
    fields = {name: value for name, value in given.items() if value is not None}
    failed, width = False, max(len(str(image)) for image in photos)
    for image in photos:
        answer = _predict(classifier, image, fields)
        if isinstance(answer, Problem):
            failed = True
            click.echo(f"{image!s:<{width}}  {answer.detail}", err=True)
            continue
        click.echo(f"{image!s:<{width}}  {_summary(answer)}")
        for warning in answer.warnings:
            click.echo(f"{'':<{width}}  {warning.detail}")
        if out is not None and answer.heatmap is not None and answer.heatmap.overlay is not None:
            write_file(Path(out) / f"{image.stem}.{heatmap}.png", b64decode(answer.heatmap.overlay))
    if failed:
        raise SystemExit(2)


def _photo(image: str) -> Path:
    """Return the file of a photo.

    Raises:
        BadParameter: if it does not exist, or is a folder or an address.
    """
    if "://" in image or Path(image).is_dir():
        raise click.UsageError(f"{image} is no file; for many photos, end --out with / for a folder of Parquet files")
    if not Path(image).exists():
        raise click.BadParameter(f"File {image!r} does not exist.", param_hint="'IMAGES...'")
    return Path(image)


def _predict(classifier: "Classifier", image: Path, fields: dict[str, Any]) -> "Prediction | Problem":
    """Return the prediction for a photo, or the problem with it.

    Args:
        classifier: the bundle's classifier.
        image: file of the photo.
        fields: the request's other fields.
    """
    from pydantic import ValidationError

    from schemas.pets.request import PetRequest
    from schemas.problems import ProblemError, validation_problem

    try:
        request = PetRequest.model_validate({**fields, "image": image.read_bytes()})
        (answer,) = classifier.predict([classifier.prepare(request)])
    except ValidationError as error:
        return validation_problem(error)
    except ProblemError as error:
        return error.problem
    return answer


def _summary(prediction: "Prediction") -> str:
    """Return the breed with its probability, the next best breeds, a closer look, and the reason for a review."""
    others = ", ".join(f"{breed.breed} {breed.probability:.1%}" for breed in prediction.top[1:])
    reason = prediction.review_reason
    parts = [
        "unknown" * (not prediction.known),
        f"{prediction.breed} {prediction.probability:.1%}",
        f"({others})" * bool(others),
        "closer look" * (prediction.look == "closer"),
        f"review: {reason.replace('_', ' ')}" if reason else "",
    ]
    return "  ".join(filter(None, parts))
