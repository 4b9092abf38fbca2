"""The usual alternative to TorchServe for photos: FastAPI, Pillow and onnxruntime, one photo a call.

`python -m benchmarks.table photos` measures it. To run it alone:

    SHOPCAT_BUNDLE=model_store/pets SHOPCAT_PLAIN=plain.onnx uvicorn benchmarks.servers.fastapi_pets:app --workers 2

It is as fast as such a server can be: it uses uvloop and httptools without an access log, and its endpoint runs on the
event loop instead of a thread pool. The photo is the body instead of a form; numbers have single precision, and the
answer is serialised once. A broken photo is a 500.
"""

from fastapi import FastAPI, Request, Response

from benchmarks.servers.plain_pets import PlainClassifier

app = FastAPI()
classifier = PlainClassifier.of_environment()


@app.post("/predictions/pets")
async def classify(request: Request) -> Response:
    """Return the five most probable breeds."""
    return Response(classifier.answer(await request.body()), media_type="application/json")
