"""The registry of models for Triton, by kind, and what an exported model consists of; `schemas.kinds` has the kinds."""

from collections.abc import Callable, Mapping
from pathlib import Path

from handlers.triton.pets import PetsModel
from handlers.triton.sales import SalesModel
from handlers.triton.tensors import TritonModel

BUNDLE = "bundle"  # folder of an exported model's bundle, beside model.py
TRITON_MODELS: Mapping[str, Callable[[Path], TritonModel]] = {"sales": SalesModel, "pets": PetsModel}
