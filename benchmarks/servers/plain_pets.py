"""Breeds of a photo by Pillow, numpy and onnxruntime: the work that every server of photos does here.

It has the bundle's classes and input, and a network without heatmaps. It neither calibrates nor validates.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from PIL import Image

from pets.bundle import read_manifest


class PlainClassifier:
    """Five most probable breeds of a photo, one photo a call.

    Args:
        bundle: folder of the bundle.
        network: ONNX file with the input ``images`` and the output ``logits``.
    """

    def __init__(self, bundle: Path, network: Path) -> None:
        manifest = read_manifest(bundle)
        self._breeds = [breed.name for breed in manifest.classes]
        self._image = manifest.image
        std = np.asarray(self._image.std, np.float32)
        self._scale, self._shift = np.float32(1 / 255) / std, np.asarray(self._image.mean, np.float32) / std
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(network, options, providers=["CPUExecutionProvider"])
        # Inputs of a graph with heatmaps, where none is wanted.
        self._no_heatmap = {given.name: np.array([-1]) for given in self._session.get_inputs()[1:]}

    @classmethod
    def of_environment(cls) -> "PlainClassifier":
        """Return the classifier of the bundle in SHOPCAT_BUNDLE and the network in SHOPCAT_PLAIN."""
        return cls(Path(os.environ["SHOPCAT_BUNDLE"]), Path(os.environ["SHOPCAT_PLAIN"]))

    def answer(self, photo: bytes) -> bytes:
        """Return the answer to a photo, as JSON."""
        size = self._image.size
        file = Image.open(io.BytesIO(photo))
        shorter = round(size / self._image.crop_pct)
        file.draft("RGB", (shorter, shorter))  # a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size
        opened = file.convert("RGB")
        side = min(opened.size) * size / shorter
        left, top = ((length - side) / 2 for length in opened.size)
        box = (left, top, left + side, top + side)
        pixels = np.asarray(opened.resize((size, size), Image.Resampling.BICUBIC, box)) * self._scale - self._shift
        images = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
        (logits,) = self._session.run(["logits"], {"images": images, **self._no_heatmap})
        exps = np.exp(logits[0] - logits[0].max())
        top5 = [
            {"breed": self._breeds[breed], "probability": float(exps[breed] / exps.sum())}
            for breed in np.argsort(-exps)[:5]
        ]
        return json.dumps({"top": top5}).encode()
