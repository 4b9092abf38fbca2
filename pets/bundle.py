"""A pets bundle: the folder that training writes and everything else reads. JSON and safetensors, never a pickle.

bundle.json         the manifest: classes, input, temperature, threshold, figures, and the hash of every other file
weights.safetensors the network's weights; matrices and filters in half precision, which is what was judged
model.onnx          the network with its heatmaps, as a graph whose weights stand in weights.safetensors
golden.json         small made-up pictures and what training computed for them
MODEL_CARD.md       what it is for, and what not

Reading one raises `runtime.bundle.BundleError` if the folder is not a bundle, is damaged, or is of an unknown format.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from runtime import bundle
from runtime.bundle import CARD, GOLDEN, NETWORK, WEIGHTS, BundleError, Golden, check_files
from runtime.folder import new_folder
from schemas.bundle import FORMAT_VERSION
from schemas.pets.manifest import PetsManifest

FILES = (WEIGHTS, NETWORK, GOLDEN, CARD)


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
    replace: bool = False,
) -> PetsManifest:
    """Write a bundle, whole or not at all.

    Args:
        folder: where it is to appear.
        manifest: ``PetsManifest``'s fields but ``version`` and ``files``, which follow from the content.
        weights: the network's state dict.
        network: makes the ONNX file, given the file with the weights that it refers to.
        golden: a PNG in base64 each, and its ``logits``, ``activation`` and ``gradcam`` as training computed them.
        card: the model card's text.
        replace: whether a bundle that is there already may be replaced.

    Raises:
        FolderError: if ``folder`` is there already and may not be replaced.
    """
    with new_folder(folder, replace=replace) as part:
        save_file({name: np.asarray(array, order="C") for name, array in weights.items()}, part / WEIGHTS)
        (part / NETWORK).write_bytes(network(part / WEIGHTS))
        return bundle.finish(part, PetsManifest, manifest, FILES, golden=golden, card=card, date=manifest["created"])


def load(folder: Path) -> Bundle:
    """Read a bundle and verify its files.

    Raises:
        BundleError: if it is not a bundle, a file is missing, changed or there without being listed, or its format
            is not known.
    """
    manifest = read_manifest(folder)
    check_files(folder, manifest, FILES)
    try:
        golden = json.loads((folder / GOLDEN).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{folder / GOLDEN} can't be read: {error}; export it again") from error
    return Bundle(folder, manifest, golden)


def read_manifest(folder: Path) -> PetsManifest:
    """Read ``bundle.json`` alone.

    Raises:
        BundleError: if there is none, or it is not one that this version reads.
    """
    return bundle.read_manifest(folder, PetsManifest, kind="pets", format_version=FORMAT_VERSION)
