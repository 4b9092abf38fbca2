"""Photos whose decoding has ended the process: a crash of the decoder, or more memory than the machine has."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CRASH = "crash"  # kind of such a broken photo
DEADLY = 2  # deaths; why: at the first one, somebody else may have killed the process


class DecodingMarks:
    """Marks of the photos that are being decoded, in a file that outlives the process.

    A mark that a process finds at its start is a death: the photo was being decoded when the last process ended.

    Args:
        file: the file; it need not exist. Its lines are hashes, one for each death.

    Attributes:
        deaths: number of processes that have ended while they decoded a photo, by its hash.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        lines = file.read_text(encoding="ascii", errors="replace").splitlines() if file.exists() else []
        self.deaths = Counter(line for line in lines if len(line) == 64)
        self._decoding: str | None = None

    @contextmanager
    def decoding(self, photo: str) -> Iterator[None]:
        """Mark a photo while it is decoded. An error is no death: the photo's deaths are forgotten then too."""
        self._decoding = photo
        self.deaths[photo] += 1
        self._write()
        try:
            yield
        finally:
            self.forget(photo)
            self._decoding = None

    def stopped(self) -> None:
        """Forget the photo that is being decoded, because the process ends on request."""
        if self._decoding is not None:
            self.forget(self._decoding)

    def forget(self, photo: str) -> None:
        """Forget the deaths of a photo."""
        del self.deaths[photo]
        self._write()

    def _write(self) -> None:
        # Not flushed to the disk: the file has to outlive the process, not the machine.
        self._file.write_text("".join(f"{photo}\n" for photo in self.deaths.elements()), encoding="ascii")
