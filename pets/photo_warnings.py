"""Warnings in an answer: reasons to be careful with the breed of a photo."""

from pets.images import Box, Photo
from schemas.pets.answer import PetWarning
from schemas.pets.manifest import ImageSpec

ASPECT = 3.0  # longer side by shorter side; beyond it the answer has a warning
_UNLIKE_TRAINING = (
    "the photo is unlike all training photos: it may show no pet, another animal or another breed; "
    "the breed is the closest one, not an answer"
)
_SMALL_SUBJECT = (
    "the evidence for the breed lies in a small part of the photo; crop the photo to the animal, or send look=closer"
)


def photo_warnings(
    photo: Photo, image: ImageSpec, *, known: bool, small_subject: bool, closer: Box | None
) -> list[PetWarning]:
    """Return the warnings of an answer, the most important first.

    Args:
        photo: the decoded photo.
        image: the network's input.
        known: True if the photo is like the training photos.
        small_subject: True if the network saw the animal small.
        closer: the part of the photo that the network saw in a closer look; None without one.
    """
    warnings = [] if known else [PetWarning("unlike_training", _UNLIKE_TRAINING)]
    if small_subject:
        warnings.append(PetWarning("small_subject", _SMALL_SUBJECT))
    short, long = sorted((photo.width, photo.height))
    hard = f"below {image.size // 2} breeds are hard to recognise"
    if 2 * short < image.size:
        detail = f"the photo has {photo.width} x {photo.height} pixels; {hard}"
        warnings.append(PetWarning("small_image", detail))
    elif closer is not None and 2 * (closer.right - closer.left) < image.size:
        side = round(closer.right - closer.left)
        warnings.append(PetWarning("small_image", f"the animal's part of the photo has {side} x {side} pixels; {hard}"))
    if long > ASPECT * short:
        share = short / long * image.crop_pct
        detail = f"the network sees only the middle of the photo, {share:.0%} of its longer side; crop it closer"
        warnings.append(PetWarning("unusual_aspect", detail))
    return warnings
