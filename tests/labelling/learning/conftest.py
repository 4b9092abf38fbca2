import pytest

from tests.labelling.learning.photos import Photos, drawn_photos


@pytest.fixture(scope="session")
def photos() -> Photos:
    return drawn_photos()
