"""Fixtures of the tests of serving.torchserve."""

from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def jar() -> Path:
    """Path of the jar with TorchServe's front end."""
    spec = find_spec("ts")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "frontend" / "model-server.jar"
