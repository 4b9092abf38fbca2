"""Bundles of the served models, read when feedback about them arrives."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel

from runtime.bundle import MANIFEST, read_manifest
from runtime.folder import sha256
from schemas.bundle import FORMAT_VERSION
from schemas.pets.manifest import PetsManifest
from schemas.sales.manifest import FORMAT_VERSION as SALES_FORMAT_VERSION
from schemas.sales.manifest import SalesManifest

Manifest = TypeVar("Manifest", bound=BaseModel)

if TYPE_CHECKING:
    from sales.forecaster import Forecaster


class Bundles:
    """Served bundles by name. A forecaster is loaded when it is first needed, and again when its bundle changes."""

    def __init__(self) -> None:
        self._loading = threading.Lock()
        self._forecasters: dict[str, tuple[str, Forecaster]] = {}
        self._manifests: dict[tuple[Path, str], BaseModel] = {}

    def sales(self, folder: Path) -> SalesManifest:
        """Return the manifest of a sales bundle."""
        return self._manifest(folder, SalesManifest, "sales", SALES_FORMAT_VERSION)

    def pets(self, folder: Path) -> PetsManifest:
        """Return the manifest of a pets bundle."""
        return self._manifest(folder, PetsManifest, "pets", FORMAT_VERSION)

    def _manifest(self, folder: Path, model: type[Manifest], kind: str, format_version: int) -> Manifest:
        key = folder, sha256(folder / MANIFEST)
        found = self._manifests.get(key)
        if found is None:
            found = self._manifests[key] = read_manifest(folder, model, kind=kind, format_version=format_version)
        assert isinstance(found, model)
        return found

    def forecaster(self, folder: Path) -> Forecaster:
        """Return the forecaster of a sales bundle. The first call takes some seconds."""
        from sales.forecaster import Forecaster

        digest, name = sha256(folder / MANIFEST), str(folder)
        with self._loading:
            known = self._forecasters.get(name)
            if known is None or known[0] != digest:
                known = self._forecasters[name] = digest, Forecaster.load(folder)
            return known[1]
