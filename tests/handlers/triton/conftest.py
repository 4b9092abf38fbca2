"""The model that Triton loads, with a stand-in for Triton's own module."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from handlers.triton.model import TritonPythonModel
from tests.handlers.triton import fake_backend

STORE = Path(__file__).parents[3] / "model_store"


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Any]]:
    """Load a bundle of the project as Triton does."""

    def initialized(name: str) -> TritonPythonModel:
        repository = tmp_path_factory.mktemp("repository")
        (repository / "1").mkdir()
        (repository / "1" / "bundle").symlink_to(STORE / name)
        model = TritonPythonModel()
        model.initialize({"model_repository": str(repository), "model_version": "1"})
        return model

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(sys.modules, "triton_python_backend_utils", fake_backend)
        yield initialized
