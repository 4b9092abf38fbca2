"""Golden pictures: a machine must compute the outputs that training computed for them."""

from base64 import b64decode
from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from pets.bundle import Bundle
from pets.images import Box, Photo, open_photo
from pets.network import Output, Precision
from runtime.bundle import BundleError

# Largest error as a share of the largest logit or map value. In single precision, another CPU or a GPU differs by less.
# Half precision gives up to 0.004 on photos. In 8 bits, rounding gives up to 0.16 in single cells of a map.
TOLERANCES: dict[Precision, float] = {"single": 2e-3, "half": 1e-2, "int8": 0.3}


class Network(Protocol):
    """Part of `pets.classifier.Classifier` that runs the network."""

    precision: Precision

    def crop(self, photo: Photo, /) -> tuple[NDArray[np.uint8], Box]:
        """Return the network's input from a photo, and its place on the photo."""
        ...

    def run_network(self, pixels: Sequence[NDArray[np.uint8]], target: Sequence[int], /) -> Output:
        """Run the network, and explain a class of each photo."""
        ...


def verify(classifier: Network, bundle: Bundle) -> None:
    """Run a classifier's network on its bundle's golden pictures, and compare with the outputs of training.

    Raises:
        BundleError: if an output differs.
    """
    names = ("logits", "activation", "gradcam")
    tolerance = TOLERANCES[classifier.precision]
    # over all pictures, because a Grad-CAM that is all zero in training may have a trace of rounding here
    largest = {name: max(np.abs(row[name]).max() for row in bundle.golden) for name in names}
    for number, row in enumerate(bundle.golden):
        # the class is given, because of two close logits the other may be larger on this machine
        pixels, _ = classifier.crop(open_photo(b64decode(row["png"])))
        output = classifier.run_network([pixels], [int(np.argmax(row["logits"]))])
        for name in names:
            was, now = np.asarray(row[name]), getattr(output, name)[0]
            if was.shape != now.shape or not np.abs(now - was).max() <= tolerance * largest[name]:
                raise BundleError(
                    f"{bundle.folder}: the {name} of golden picture {number} are not what training computed; "
                    "do not serve it, export it again"
                )
