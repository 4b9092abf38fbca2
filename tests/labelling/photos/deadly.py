"""The process of the embedding, with a decoder that dies of some photos.

``python -m tests.labelling.photos.deadly SIGNAL PROJECT BUNDLE``: photos whose file ends with ``!`` end the process
by the signal: SIGSEGV as a crash of the decoder does, SIGKILL as the system does if the memory is full.
"""

import os
import signal
import sys
from typing import Any

from labelling.features import embedding as features
from labelling.projects import embedding
from pets.images import Photo, open_photo


def main() -> int:
    """Embed as the real process does."""
    deadly = signal.Signals[sys.argv[1]]

    def decode(content: bytes, *arguments: Any, **options: Any) -> Photo:
        if content.endswith(b"!"):
            os.kill(os.getpid(), deadly)
        return open_photo(content, *arguments, **options)

    features.open_photo = decode  # type: ignore[attr-defined]
    return embedding.main(sys.argv[2:])


if __name__ == "__main__":
    sys.exit(main())
