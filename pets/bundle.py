"""A pets bundle: the folder that training writes and serving reads. It has JSON, safetensors and ONNX, never a pickle.

- ``bundle.json``: the manifest, with classes, input, temperature, threshold, figures and the hash of every other file.
- ``weights.safetensors``: the network's weights. Matrices and filters are in half precision, as they were evaluated.
- ``model.onnx``: the network with its heatmaps, as a graph that refers to ``weights.safetensors``.
- ``model.int8.onnx``: the same network with convolutions in 8 bits, for CPUs. It refers to the same weights and rounds
  them when it is loaded. Optional.
- ``features.onnx``: pooled feature maps of the backbone, for labelling photos. It refers to the same weights. Optional;
  no answer depends on it, so neither does the bundle's version.
- ``golden.json``: small synthetic pictures and the outputs that training computed for them.
- ``MODEL_CARD.md``: intended use and limits.

`load` raises `runtime.bundle.BundleError` if the folder is no bundle, is damaged, or has an unknown format.
"""

import json
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from runtime import bundle
from runtime.bundle import CARD, GOLDEN, NETWORK, WEIGHTS, BundleError, Golden, check_files
from runtime.folder import new_folder, sha256
from schemas.bundle import FORMAT_VERSION
from schemas.pets.manifest import PetsManifest

FILES = (WEIGHTS, NETWORK, GOLDEN, CARD)
INT8_NETWORK = "model.int8.onnx"
FEATURES = "features.onnx"


@dataclass(frozen=True)
class Bundle:
    """A bundle in memory, its files verified."""

    folder: Path
    manifest: PetsManifest
    golden: Golden


def save(
    folder: Path,
    manifest: Mapping[str, Any],
    *,
    weights: Mapping[str, NDArray[np.generic]],
    network: Callable[[Path], bytes],
    golden: Golden,
    card: str,
    int8_network: Callable[[Path], bytes] | None = None,
    features: Callable[[Path], bytes] | None = None,
    replace: bool = False,
) -> PetsManifest:
    """Write a bundle, atomically.

    Args:
        folder: the new bundle.
        manifest: fields of ``PetsManifest``, except ``version`` and ``files``, which follow from the content.
        weights: the network's state dict.
        network: returns the content of the ONNX file, given the path of the weights that it refers to.
        golden: by golden picture, its ``png`` in base64 and the ``logits``, ``activation`` and ``gradcam`` of training.
        card: text of the model card.
        int8_network: returns the content of the ONNX file with 8 bits, if there is one, as ``network`` does.
        features: returns the content of the features graph, if there is one, as ``network`` does.
        replace: replace an existing bundle.

    Raises:
        FolderError: if ``folder`` exists already and ``replace`` is false.
    """
    with new_folder(folder, replace=replace) as part:
        save_file({name: np.asarray(array, order="C") for name, array in weights.items()}, part / WEIGHTS)
        graphs = {NETWORK: network, INT8_NETWORK: int8_network, FEATURES: features}
        written = {file: graph for file, graph in graphs.items() if graph is not None}
        for file, graph in written.items():
            (part / file).write_bytes(graph(part / WEIGHTS))
        return bundle.finish(
            part,
            PetsManifest,
            manifest,
            [*FILES, *(file for file in written if file not in FILES)],
            golden=golden,
            card=card,
            date=manifest["created"],
            unversioned=(FEATURES,),
        )


def add_features(old: Bundle, features: Callable[[Path], bytes]) -> PetsManifest:
    """Replace a bundle, atomically, by a copy with a features graph; its version stays.

    Args:
        old: the bundle.
        features: returns the content of the features graph, given the path of the weights that it refers to.

    Returns:
        The manifest of the new bundle.
    """
    with new_folder(old.folder, replace=True) as part:
        for file in old.manifest.files:
            shutil.copyfile(old.folder / file, part / file)
        (part / FEATURES).write_bytes(features(part / WEIGHTS))
        files = {**old.manifest.files, FEATURES: sha256(part / FEATURES)}
        manifest = old.manifest.model_copy(update={"files": files})
        bundle.write_manifest(part, manifest)
    return manifest


def load(folder: Path) -> Bundle:
    """Read a bundle and verify its files.

    Raises:
        BundleError: if the folder is no bundle, has an unknown format, or a file is missing, changed or not listed.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, FILES)
    try:
        golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / GOLDEN} can't be read: {error}; export it again") from error
    return Bundle(folder, manifest, golden)


def load_with_features(folder: Path) -> Bundle:
    """Read a bundle that has a features graph, and verify its files.

    Raises:
        BundleError: as `load`, or if there is no features graph.
    """
    found = load(folder)
    if FEATURES not in found.manifest.files:
        raise BundleError(
            f"{folder} has no {FEATURES}, because an older version wrote it; "
            f"run `shopcat add-features {folder}`, which needs the packages of training"
        )
    return found


def read_manifest(folder: Path) -> PetsManifest:
    """Read ``bundle.json`` alone.

    Raises:
        BundleError: if there is no manifest, or this version can't read it.
    """
    return bundle.read_manifest(folder, PetsManifest, kind="pets", format_version=FORMAT_VERSION)
