"""Growth of the costs of photos: pixels of a photo, and photos of a batch."""

import io
from functools import partial
from pathlib import Path

from PIL import Image

from benchmarks.growth.curve import Curve, measure
from benchmarks.load_generator.photos import made_up_photo
from pets.classifier import Classifier
from schemas.pets.request import PetRequest

WIDTHS = (500, 1_000, 2_000, 4_000, 5_600)  # pixels; heights are three quarters
PHOTOS = (1, 2, 4, 8, 16, 32)


def sizes(bundle: Path, rounds: int) -> list[Curve]:
    """Measure the decoding of larger photos, in two formats, and larger batches of the network."""
    classifier = Classifier.load(bundle)
    small = Image.open(io.BytesIO(made_up_photo())).convert("RGB")
    curves = []
    for file_format in ("JPEG", "PNG"):
        calls = []
        for width in WIDTHS:
            file = io.BytesIO()
            small.resize((width, width * 3 // 4), Image.Resampling.BICUBIC).save(file, file_format)
            calls.append((width * width * 0.75e-6, partial(classifier.prepare, PetRequest(image=file.getvalue()))))
        name = f"decoding and cropping a {file_format}, CPU ms"
        curves.append(measure(name, "megapixels", calls, expected=1, rounds=rounds, per=1e-3))
    query = classifier.prepare(PetRequest(image=made_up_photo()))
    batches = [(n_photos, partial(classifier.predict, [query] * n_photos)) for n_photos in PHOTOS]
    return [*curves, measure("the network, CPU ms", "photos of a batch", batches, expected=1, rounds=rounds, per=1e-3)]
