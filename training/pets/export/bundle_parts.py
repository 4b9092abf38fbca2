"""Parts of a pets bundle that are computed with the trained network: weights, ONNX file and golden pictures."""

from base64 import b64encode
from copy import deepcopy
from io import BytesIO

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from pets.graph import INPUTS, OUTPUTS, Rival, Target
from pets.images import crop, normalise, open_photo
from runtime.bundle import Golden
from schemas.pets.manifest import ImageSpec
from training.export import to_onnx
from training.pets.fit import Fitted
from training.pets.network import ExplainedNet, PetNet

GOLDEN_PICTURES = 4


def rounded_weights(net: PetNet) -> dict[str, NDArray[np.generic]]:
    """Return the weights as the bundle saves them; round matrices and filters to half precision, in the network too."""
    rounded = {}
    with torch.no_grad():
        for name, tensor in net.state_dict().items():
            if tensor.dim() > 1:
                tensor.copy_(tensor.half())
                rounded[name] = tensor.half().cpu().numpy()
            else:
                rounded[name] = tensor.cpu().numpy()
    return rounded


def exported_network(fitted: Fitted) -> bytes:
    """Return the network with its heatmaps and weights as an ONNX file."""
    size, device = fitted.options.served_size, fitted.device
    example = (
        torch.zeros((2, 3, size, size), device=device),
        torch.full((2,), Target.PREDICTED, device=device),
        torch.full((2,), Rival.RUNNER_UP, device=device),
    )
    return to_onnx(ExplainedNet(fitted.net).eval(), example, INPUTS, OUTPUTS)


def golden_pictures(net: PetNet, image: ImageSpec) -> Golden:
    """Return small random pictures with the network's outputs for them.

    The outputs are computed on the CPU, also after training on a GPU: a GPU's convolutions are in TF32, whose error is
    larger than the tolerance of a bundle.
    """
    rng = np.random.default_rng(0)
    explained, golden = ExplainedNet(deepcopy(net).cpu()).eval(), []
    for _ in range(GOLDEN_PICTURES):
        picture = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((96, 72))
        content = BytesIO()
        picture.save(content, "PNG")
        pixels, _box = crop(open_photo(content.getvalue()), image.size, image.crop_pct)
        images = torch.from_numpy(normalise(pixels[None], image.mean, image.std))
        with torch.no_grad():
            one = torch.ones(1, dtype=torch.int64)
            logits, activation, gradcam, _, _ = explained(images, Target.PREDICTED * one, Rival.NONE * one)
        golden.append(
            {
                "png": b64encode(content.getvalue()).decode(),
                "logits": logits[0].tolist(),
                "activation": activation[0].tolist(),
                "gradcam": gradcam[0].tolist(),
            }
        )
    return golden
