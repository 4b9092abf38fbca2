"""The usual alternative to TorchServe for photos: FastAPI, Pillow and onnxruntime, one photo a call.

`benchmarks.serve_pets` measures it. To run it alone:

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
mean, std = np.asarray(image.mean, np.float32), np.asarray(image.std, np.float32)
options = ort.SessionOptions()
options.intra_op_num_threads = options.inter_op_num_threads = 1
session = ort.InferenceSession(os.environ["SHOPCAT_PLAIN"], options, providers=["CPUExecutionProvider"])


@app.post("/predictions/pets")
async def classify(request: Request) -> Response:
    """Return the five most probable breeds."""
    photo = Image.open(io.BytesIO(await request.body())).convert("RGB")
    scale = round(image.size / image.crop_pct) / min(photo.size)
    photo = photo.resize((round(photo.width * scale), round(photo.height * scale)), Image.Resampling.BICUBIC)
    left, top = (photo.width - image.size) // 2, (photo.height - image.size) // 2
    photo = photo.crop((left, top, left + image.size, top + image.size))
    pixels = (np.asarray(photo, np.float32) / 255 - mean) / std
    (logits,) = session.run(None, {"images": pixels.transpose(2, 0, 1)[None]})
    exps = np.exp(logits[0] - logits[0].max())
    best = np.argsort(-exps)[:5]
    top5 = [{"breed": manifest.classes[i].name, "probability": float(exps[i] / exps.sum())} for i in best]
    return Response(json.dumps({"top": top5}), media_type="application/json")
