"""The usual alternative to TorchServe for photos: FastAPI, Pillow and onnxruntime, one photo a call.

`python -m benchmarks.table photos` measures it. To run it alone:

    SHOPCAT_BUNDLE=model_store/pets SHOPCAT_PLAIN=plain.onnx uvicorn benchmarks.servers.fastapi_pets:app --workers 2

It has the bundle's classes and input, and a network without heatmaps. It is as fast as such a server can be: it uses
uvloop and httptools without an access log, and its endpoint runs on the event loop instead of a thread pool. The photo
is the body instead of a form; numbers have single precision, and the answer is serialised once. It neither calibrates
nor validates: a broken photo is a 500.
"""

import io
import json
import os
from pathlib import Path

import numpy as np
import onnxruntime as ort
from fastapi import FastAPI, Request, Response
from PIL import Image

from pets.bundle import read_manifest

app = FastAPI()
manifest = read_manifest(Path(os.environ["SHOPCAT_BUNDLE"]))
image = manifest.image
std = np.asarray(image.std, np.float32)
scale, shift = np.float32(1 / 255) / std, np.asarray(image.mean, np.float32) / std
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["SHOPCAT_PLAIN"], options, providers=["CPUExecutionProvider"])
classes = {given.name: np.array([-1]) for given in session.get_inputs()[1:]}  # of a graph with heatmaps


@app.post("/predictions/pets")
async def classify(request: Request) -> Response:
    """Return the five most probable breeds."""
    file = Image.open(io.BytesIO(await request.body()))
    shorter = round(image.size / image.crop_pct)
    file.draft("RGB", (shorter, shorter))  # a large JPEG is decoded at 1/2, 1/4 or 1/8 of its size
    photo = file.convert("RGB")
    side = min(photo.size) * image.size / shorter
    left, top = ((length - side) / 2 for length in photo.size)
    box = (left, top, left + side, top + side)
    pixels = np.asarray(photo.resize((image.size, image.size), Image.Resampling.BICUBIC, box)) * scale - shift
    images = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])
    (logits,) = session.run(["logits"], {"images": images, **classes})
    exps = np.exp(logits[0] - logits[0].max())
    best = np.argsort(-exps)[:5]
    top5 = [{"breed": manifest.classes[i].name, "probability": float(exps[i] / exps.sum())} for i in best]
    return Response(json.dumps({"top": top5}), media_type="application/json")
