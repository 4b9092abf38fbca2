"""Settings that `shopcat serve` passes to workers in environment variables.

A worker that has no use for a variable ignores it.
"""

INSTANCE = "SHOPCAT_INSTANCE"  # number of the TorchServe instance that started the worker
REVIEW_SHARE = "SHOPCAT_REVIEW_SHARE"  # pets: share of the accepted photos that go to review at random


def worker_environment(*, review_share: float | None = None) -> dict[str, str]:
    """Return the environment variables of the settings; None leaves a setting to the bundle."""
    return {} if review_share is None else {REVIEW_SHARE: str(review_share)}
