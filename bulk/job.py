"""Jobs: what is read, by which bundle, with which options, and where the results go."""

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from bulk.storage.storage import File

FORMAT = 1  # of the output, and of the rules that cut the input; a job of another format is another job
PARQUET = ".parquet"  # names of Parquet files end so; all other tables are CSV

Kind = Literal["sales", "pets"]
BadRows = Literal["refuse", "keep"]


class Task(NamedTuple):
    """All that a worker needs to know of a job but its parts. It is hashable, and any engine can send it.

    Attributes:
        job: id of the job.
        kind: kind of the bundle.
        bundle: folder of the bundle, on the worker's machine.
        digest: SHA-256 of the bundle's manifest, which the worker's bundle must have.
        out: folder or address of the output.
        options: options of the answers, as JSON.
        bad_rows: what becomes of a row that can't be answered.
        device: device of each worker; None for a GPU if it has one.
    """

    job: str
    kind: Kind
    bundle: str
    digest: str
    out: str
    options: str
    bad_rows: BadRows
    device: str | None


class Part(NamedTuple):
    """A part of the input, which becomes one file of the output.

    Attributes:
        number: number of the part in the job, from 0.
        file: file or address that it is read from.
        first: first byte of a CSV file, or first row group of a Parquet file.
        end: end of these.
        header: end of a CSV file's header, byte.
        line: number of the lines before its first line, or of the rows before its first row.
        photos: the photos; no other field counts then but ``number``.
    """

    number: int
    file: str = ""
    first: int = 0
    end: int = 0
    header: int = 0
    line: int = 0
    photos: tuple[str, ...] = ()


class Done(NamedTuple):
    """The result of a step with a part.

    Attributes:
        part: number of the part.
        rows: number of its rows.
        bad: number of rows that could not be answered.
        notes: number of rows with each kind of warning and each assumed fact.
        content: what a survey found, as bytes; empty for an answer.
        computed: False if another attempt had published the part already.
    """

    part: int
    rows: int
    bad: int = 0
    notes: dict[str, int] = {}  # noqa: RUF012 - never changed
    content: bytes = b""
    computed: bool = True


@dataclass(frozen=True)
class Job:
    """A job.

    Attributes:
        kind: kind of the bundle.
        bundle: folder of the bundle.
        digest: SHA-256 of the bundle's manifest.
        files: files of the input, in order.
        out: folder or address of the output.
        options: options of the answers.
        bad_rows: what becomes of a row that can't be answered.
        version: version of shopcat.
        sizes: sizes that the parts of the input have, as `bulk.cuts.sizes` returns them.
        device: device of each worker; None for a GPU if it has one.
        inputs: places that the files were found in.
    """

    kind: Kind
    bundle: str
    digest: str
    files: tuple[File, ...]
    out: str
    options: dict[str, Any]
    bad_rows: BadRows
    version: str
    sizes: dict[str, int]
    device: str | None = None
    inputs: tuple[str, ...] = ()

    @cached_property
    def id(self) -> str:
        """Id of the job: a hash of its files, of the bundle, of the options and of the sizes of parts."""
        return hashlib.sha256(json.dumps([FORMAT, self._identity], sort_keys=True).encode()).hexdigest()[:16]

    @property
    def _identity(self) -> dict[str, Any]:
        """Return the properties that distinguish one job from another."""
        return {
            "kind": self.kind,
            "digest": self.digest,
            "options": self.options,
            "bad_rows": self.bad_rows,
            "sizes": self.sizes,
            "input": self._input,
        }

    @cached_property
    def _input(self) -> dict[str, Any]:
        """The files in few words; the hash is of all names, sizes and stamps, in order."""
        digest = hashlib.sha256()
        for file in self.files:
            digest.update(json.dumps([file.name, file.size, file.stamp]).encode() + b"\n")
        return {
            "files": len(self.files),
            "bytes": sum(file.size for file in self.files),
            "first": self.files[0].name,
            "last": self.files[-1].name,
            "sha256": digest.hexdigest(),
        }

    @property
    def task(self) -> Task:
        """The job as workers need it."""
        options = json.dumps(self.options, sort_keys=True)
        return Task(
            self.id,
            self.kind,
            self.bundle,
            self.digest,
            self.out,
            options,
            self.bad_rows,
            self.device,
        )

    def describe(self) -> dict[str, Any]:
        """Return the job as JSON, for its output."""
        return {"job": self.id, "format": FORMAT, "version": self.version, "bundle": self.bundle, **self._identity}


def part_name(job: str, number: int) -> str:
    """Return the name of the file that a part becomes. The names are in the order of the parts."""
    return f"part-{number:07d}-{job}.parquet"
