"""Ask Triton with its own client, in Triton's environment: ``python client.py http|grpc ADDRESS PHOTO``."""

import json
import sys
from importlib import import_module
from pathlib import Path

import numpy as np


def main(protocol: str, address: str, photo: str) -> None:
    """Print the forecasts of two items, and the breed of a photo, as JSON."""
    library = import_module(f"tritonclient.{protocol}")
    client = library.InferenceServerClient(address)
    assert client.is_server_ready()

    def ask(model: str, output: str, **columns: np.ndarray) -> np.ndarray:
        inputs = []
        for name, values in columns.items():
            data_type = {"i": f"INT{8 * values.itemsize}", "O": "BYTES"}[values.dtype.kind]
            inputs.append(library.InferInput(name, values.shape, data_type))
            inputs[-1].set_data_from_numpy(values)
        return client.infer(model, inputs).as_numpy(output)

    stores, flags = np.array([[1], [2]], np.int64), np.array([[1], [-1]], np.int8)
    dates = np.array([[b"2015-08-07"], [b"2015-08-07"]], np.object_)
    sales = ask("sales", "sales", store=stores, date=dates, promo=flags)
    breeds = ask("pets", "breed", image=np.array([[Path(photo).read_bytes()]], np.object_))
    print(json.dumps({"sales": sales[:, 0].tolist(), "breed": breeds[0, 0].decode()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
