"""A sales bundle: the folder that training writes and serving reads. It has JSON, safetensors and ONNX, never a pickle.

- ``bundle.json``: the manifest, with columns, codes, medians, figures and the hash of every other file.
- ``weights.safetensors``: the network's weights.
- ``model.onnx``: the same network, exported.
- ``tables.safetensors``: the panel, with calendar, stores, weather, trend and sales.
- ``golden.json``: requests and the forecasts that training computed for them.
- ``MODEL_CARD.md``: intended use and limits.

`load` raises `runtime.bundle.BundleError` if the folder is no bundle, is damaged, or has an unknown format.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from runtime import bundle
from runtime.bundle import CARD, GOLDEN, NETWORK, WEIGHTS, BundleError, Golden, check_files
from runtime.folder import new_folder
from sales.arrays import AnyArray
from sales.panel import Panel
from sales.preprocess import Preprocessor
from schemas.sales.manifest import FORMAT_VERSION, SalesManifest

TABLES = "tables.safetensors"
FILES = (WEIGHTS, NETWORK, TABLES, GOLDEN, CARD)


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, its files verified."""

    folder: Path
    manifest: SalesManifest
    panel: Panel
    preprocessor: Preprocessor
    golden: Golden


def save(
    folder: Path,
    manifest: Mapping[str, Any],
    *,
    weights: Mapping[str, AnyArray],
    network: bytes,
    panel: Panel,
    golden: Golden,
    card: str,
    replace: bool = False,
) -> SalesManifest:
    """Write a bundle, atomically.

    Args:
        folder: the new bundle.
        manifest: fields of ``SalesManifest``, except ``version`` and ``files``, which follow from the content.
        weights: the network's state dict.
        network: content of the ONNX file.
        panel: source of the network's columns.
        golden: golden rows, with the fields of a request and the forecast ``sales`` that training computed.
        card: text of the model card.
        replace: replace an existing bundle.

    Raises:
        FolderError: if ``folder`` exists already and ``replace`` is false.
    """
    with new_folder(folder, replace=replace) as part:
        save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, part / WEIGHTS)
        save_file({name: np.ascontiguousarray(array) for name, array in panel.arrays().items()}, part / TABLES)
        (part / NETWORK).write_bytes(network)
        return bundle.finish(part, SalesManifest, manifest, FILES, golden=golden, card=card, date=manifest["cutoff"])


def load(folder: Path) -> Bundle:
    """Read a bundle and verify its files.

    Raises:
        BundleError: if the folder is no bundle, has an unknown format, or a file is missing, changed or not listed.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, FILES)
    levels = {name: tuple(values) for name, values in manifest.levels.items()}
    try:
        panel = Panel.of(load_file(folder / TABLES), levels)
        golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
        preprocessor = Preprocessor.of(manifest.preprocess, levels)
    except (SafetensorError, KeyError, ValueError, TypeError) as error:
        raise BundleError(f"{folder} can't be read: {type(error).__name__}: {error}; export it again") from error
    return Bundle(folder, manifest, panel, preprocessor, golden)


def read_manifest(folder: Path) -> SalesManifest:
    """Read ``bundle.json`` alone.

    Raises:
        BundleError: if there is no manifest, or this version can't read it.
    """
    return bundle.read_manifest(folder, SalesManifest, kind="sales", format_version=FORMAT_VERSION)
