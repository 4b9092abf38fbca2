"""Decision about a prediction: accept it, or let a person review the photo, and why."""

import hashlib

from schemas.pets.answer import ReviewReason


def review_reason(
    photo: bytes, *, known: bool, probability: float, threshold: float, review_share: float
) -> ReviewReason | None:
    """Return the reason why a person should review a prediction; None if it is accepted.

    If several reasons hold, the answer is the first of: unlike_training, low_probability, random_check.

    Args:
        photo: bytes of the photo's file.
        known: True if the photo is like the training photos.
        probability: calibrated probability of the breed.
        threshold: lowest probability of an accepted prediction.
        review_share: share of the otherwise accepted photos that go to review at random, 0 to 1.
    """
    if not known:
        return "unlike_training"
    if probability < threshold:
        return "low_probability"
    if review_share and is_random_check(photo, review_share):
        return "random_check"
    return None


def is_random_check(photo: bytes, share: float) -> bool:
    """Return True for a random share of all photos, 0 to 1.

    The first 8 bytes of the SHA-256 of the file's bytes, as a big-endian number divided by 2**64, are below the share.
    So every worker, machine and bundle makes the same choice. A photo that is chosen at one share is also chosen at
    every larger share.

    This is no security feature. A client who can choose the bytes can evade the check, for example by adding a comment
    to the file.
    """
    number = int.from_bytes(hashlib.sha256(photo).digest()[:8], "big")
    return number < share * 2**64  # Python compares int and float exactly, so that 0 means none and 1 means all
