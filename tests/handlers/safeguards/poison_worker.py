"""A worker that answers a batch, begins another one, and is killed while it computes it.

Arguments: the file that the workers share, the model's name, and the bodies of the second batch.
"""

import signal
import sys
from pathlib import Path

from handlers.http import Request
from handlers.safeguards.poison import DEATHS, PoisonGuard


def batch(*bodies: str, explain: bool = False) -> list[Request]:
    """Return some requests."""
    return [Request({"body": body.encode()}, explain=explain) for body in bodies]


if __name__ == "__main__":
    guard = PoisonGuard(Path(sys.argv[1]))
    guard.set_model(sys.argv[2])
    for _ in guard.in_turn(batch("answered")):
        pass
    bodies = sys.argv[3:]
    for indices, deaths in guard.in_turn(batch(*bodies)):
        if deaths < DEATHS and any(bodies[index].startswith("fatal") for index in indices):
            print("computing", flush=True)
            signal.pause()
    print("done", flush=True)
