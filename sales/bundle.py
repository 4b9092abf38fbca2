"""A sales bundle: the folder that training writes and everything else reads. JSON and safetensors, never a pickle.

bundle.json         the manifest: columns, codes, medians, figures, and the hash of every other file
weights.safetensors the network's weights
model.onnx          the same network, exported
tables.safetensors  the panel: calendar, stores, weather, trend, sales
golden.json         requests and the forecasts that training computed for them
MODEL_CARD.md       what it is for, and what not

Reading one raises `runtime.bundle.BundleError` if the folder is not a bundle, is damaged, or is of an unknown format.
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
from schemas.bundle import FORMAT_VERSION
from schemas.sales.manifest import SalesManifest

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
    """Write a bundle, whole or not at all.

    Args:
        folder: where it is to appear.
        manifest: ``SalesManifest``'s fields but ``version`` and ``files``, which follow from the content.
        weights: the network's state dict.
        network: the network as an ONNX file.
        panel: what the network's columns are looked up in.
        golden: one store's day each: the request's fields, and the forecast ``sales`` that training computed.
        card: the model card's text.
        replace: whether a bundle that is there already may be replaced.

    Raises:
        FolderError: if ``folder`` is there already and may not be replaced.
    """
    with new_folder(folder, replace=replace) as part:
        save_file({name: np.ascontiguousarray(array) for name, array in weights.items()}, part / WEIGHTS)
        save_file({name: np.ascontiguousarray(array) for name, array in panel.arrays().items()}, part / TABLES)
        (part / NETWORK).write_bytes(network)
        return bundle.finish(part, SalesManifest, manifest, FILES, golden=golden, card=card, date=manifest["cutoff"])


def load(folder: Path) -> Bundle:
    """Read a bundle and verify its files.

    Raises:
        BundleError: if it is not a bundle, a file is missing, changed or there without being listed, or its format
            is not known.
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
        BundleError: if there is none, or it is not one that this version reads.
    """
    return bundle.read_manifest(folder, SalesManifest, kind="sales", format_version=FORMAT_VERSION)
