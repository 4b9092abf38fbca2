"""The output folder of a job: its owner, its parts, and the mark that it is complete."""

import json
from typing import Any

from bulk.job import Job, part_name
from bulk.storage.places import storage_of
from bulk.storage.storage import below
from bulk.work import again
from runtime.errors import UserError

CLAIM, MANIFEST, SUCCESS = "_JOB.json", "_MANIFEST.json", "_SUCCESS"


# Differences of another job, in words.
_WORDS = {
    "kind": "another kind of bundle",
    "digest": "another bundle",
    "options": "other options",
    "bad_rows": "another --bad-rows",
    "input": "other input",
    "sizes": "other sizes of parts, by another version of Shopcat",
}


class OutputError(UserError):
    """The output folder can't be used for this job."""


class Output:
    """The output of a job.

    Args:
        job: the job.
    """

    def __init__(self, job: Job) -> None:
        self.job, self.storage = job, storage_of(job.out)

    def claim(self) -> None:
        """Make the folder this job's, or see that it is already. Of two jobs at once, one gets it.

        Raises:
            OutputError: if it is another job's, or has other files.
        """
        names = self._names()
        if CLAIM not in names:
            foreign = [name for name in names if not name.startswith(".")]
            if foreign:
                raise OutputError(
                    f"{self.job.out} has other files, such as {foreign[0]}; name an empty folder or a new one"
                )
            self._create(CLAIM, json.dumps(self.job.describe(), indent=1))
        claimed = json.loads(self.read(CLAIM))
        if claimed["job"] != self.job.id:
            changed = self._changed(claimed)
            raise OutputError(
                f"{self.job.out} has the output of another job, with {changed}; name another folder, or remove this one"
            )
        self._sweep()

    def published(self) -> set[int]:
        """Return the numbers of the parts that are there."""
        names = self._names()
        prefix, suffix = "part-", f"-{self.job.id}.parquet"
        found = [name for name in names if name.startswith(prefix) and name.endswith(suffix)]
        return {int(name.removeprefix(prefix).removesuffix(suffix)) for name in found}

    def has(self, name: str) -> bool:
        """Return True if there is a file of this name."""
        return name in self._names()

    def read(self, name: str) -> bytes:
        """Return the content of a file."""

        def read() -> bytes:
            with self.storage.open(below(self.job.out, name)) as file:
                return file.read()

        return again(read)

    def create(self, name: str, content: bytes) -> None:
        """Create a file, unless it is there."""
        place = below(self.job.out, name)
        again(lambda: self.storage.create(place, lambda file: file.write_bytes(content)))

    def part(self, number: int) -> str:
        """Return the name of a part's file."""
        return part_name(self.job.id, number)

    def _create(self, name: str, text: str) -> None:
        self.create(name, text.encode() + b"\n")

    def finish(self, manifest: dict[str, Any]) -> None:
        """Write the manifest, and after it the mark that the output is complete. Killed workers leave nothing."""
        self._sweep()
        self._create(MANIFEST, json.dumps(manifest, indent=1))
        self.create(SUCCESS, b"")

    def _sweep(self) -> None:
        again(lambda: self.storage.sweep(self.job.out))

    def _names(self) -> list[str]:
        return again(lambda: self.storage.names(self.job.out))

    def _changed(self, claimed: dict[str, Any]) -> str:
        """Return what differs between this job and another one, in words."""
        ours = self.job.describe()
        for name, words in _WORDS.items():
            if claimed.get(name) != ours[name]:
                return words
        return "another format, by another version of Shopcat"
