"""Requests that end the workers that compute them are computed twice, then rejected.

A worker writes the digests of the requests that it computes to a file that all workers of the service map into
memory. The other workers read there what a worker had in hand when it ended. Any cause can end a worker, or several at
once, so that a death makes its requests suspects only. A suspect is computed alone, and is no suspect any more once it
was answered. A suspect that ends the worker that computes it is rejected for ten minutes.

The file has a header, a table of suspects, and a slot for each worker. A worker holds the lock of its slot until it
ends, however it ends.
"""

import fcntl
import logging
import mmap
import os
import struct
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from handlers.http import Request

logger = logging.getLogger(__name__)

DEATHS = 2  # workers that a request ends before it is rejected
MEMORY_S = 600  # seconds for which a death counts
_LOOK_S = 0.01  # seconds between two looks at the other workers' slots; why: a look takes 1 us for each busy worker
_SAMPLE = 16_384  # bytes; why: hashing 3 MB takes 3 ms, and three samples and the length identify a photo as well

_DIGEST = 16  # bytes
_HEADER = struct.Struct("=II")  # version of the table, number of slots that were ever taken
_SUSPECT = struct.Struct(f"={_DIGEST}sId")  # digest, number of deaths, time of the last one in monotonic seconds
_SUSPECTS, _SLOTS, _IN_HAND = 128, 512, 32  # suspects and workers in all, and requests in a worker's slot
_TABLE = 16
_FIRST_SLOT = _TABLE + _SUSPECTS * _SUSPECT.size
_SLOT = 8 + _IN_HAND * _DIGEST  # number of digests, 1 if they are a suspect, padded to 8 bytes; and the digests
SIZE = _FIRST_SLOT + _SLOTS * _SLOT


class PoisonGuard:
    """The part of a worker that marks requests as in hand, and rejects those that ended a worker as suspects."""

    def __init__(self, file: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Take a slot of the file; the process keeps it until it ends.

        Args:
            file: file that the workers of a service share; created if it does not exist.
            clock: seconds of a clock that all processes share.

        Raises:
            OSError: if the file can't be made, or if all slots are taken.
        """
        self._clock = clock
        self._descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o600)
        os.posix_fallocate(self._descriptor, 0, SIZE)  # a write to a page without disk space would kill the process
        self._map = mmap.mmap(self._descriptor, SIZE)
        self._version, self._suspects = -1, dict[bytes, int]()
        self._looked = self._read = clock()
        slot = next((slot for slot in range(_SLOTS) if self._take(slot)), None)
        if slot is None:
            raise OSError(f"{file} has no slot left for a worker; {_SLOTS} workers run")
        self._start = _FIRST_SLOT + slot * _SLOT
        with _locked(self._descriptor, 0):
            version, taken = _HEADER.unpack_from(self._map)
            _HEADER.pack_into(self._map, 0, version, max(taken, slot + 1))

    def set_model(self, name: str) -> None:
        """Set the name of the model, so that equal requests to another model differ; `in_turn` needs it."""
        self._predictions, self._explanations = (
            blake2b(f"{path}/{name}\n".encode(), digest_size=_DIGEST) for path in ("predictions", "explanations")
        )

    def in_turn(self, requests: Sequence[Request]) -> Iterator[tuple[Sequence[int], int]]:
        """Yield the indices of the requests to compute together, and mark them as in hand meanwhile.

        Args:
            requests: the requests of a batch.

        Yields:
            The indices, and the number of workers that these requests have ended; they must be rejected if it is
            `DEATHS`. Suspects come last and one by one, so that they end no other request.
        """
        digests = [
            _digest(request.fields, self._explanations if request.explain else self._predictions)
            for request in requests
        ]
        self._look()
        if self._suspects.keys().isdisjoint(digests):  # nearly always
            self._mark(digests)
            yield range(len(requests)), 0
            self._map[self._start] = 0
            return
        deaths = [self._suspects.get(digest, 0) for digest in digests]
        if unsuspected := [index for index, count in enumerate(deaths) if not count]:
            self._mark([digests[index] for index in unsuspected])
            yield unsuspected, 0
        for index, count in enumerate(deaths):
            if count:
                rejected = count >= DEATHS
                self._mark([] if rejected else [digests[index]], is_suspect=True)
                yield [index], min(count, DEATHS)
                if not rejected:
                    self._forget(digests[index])
        self._map[self._start] = 0

    def _mark(self, digests: Sequence[bytes], *, is_suspect: bool = False) -> None:
        """Write the digests of the requests in hand; their number last, because the worker may end at any time."""
        digests = digests[:_IN_HAND]
        first = self._start + 8
        self._map[self._start], self._map[self._start + 1] = 0, is_suspect
        self._map[first : first + _DIGEST * len(digests)] = b"".join(digests)
        self._map[self._start] = len(digests)

    def _look(self) -> None:
        """Find the workers that ended with requests in hand, and read the table if another worker has changed it."""
        now = self._clock()
        if now - self._looked >= _LOOK_S:
            self._looked = now
            _, taken = _HEADER.unpack_from(self._map)
            for start in range(_FIRST_SLOT, _FIRST_SLOT + taken * _SLOT, _SLOT):
                if self._map[start] and start != self._start and _try_lock(self._descriptor, start):
                    self._record_death(start)
                    fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, start)
        (version, _) = _HEADER.unpack_from(self._map)
        if version != self._version or (self._suspects and now - self._read >= 1):
            self._read, self._version = now, version
            self._suspects = {digest: deaths for digest, deaths, at in self._table() if deaths and now - at < MEMORY_S}

    def _take(self, slot: int) -> bool:
        """Take a slot if no process has it."""
        start = _FIRST_SLOT + slot * _SLOT
        if not _try_lock(self._descriptor, start):
            return False
        self._record_death(start)
        return True

    def _record_death(self, start: int) -> None:
        """Enter the requests that an ended worker had in hand into the table; its slot must be locked."""
        count = min(self._map[start], _IN_HAND)
        digests = {self._map[at : at + _DIGEST] for at in range(start + 8, start + 8 + count * _DIGEST, _DIGEST)}
        was_suspect = bool(self._map[start + 1])
        self._map[start] = 0
        if not digests:
            return
        now = self._clock()
        with _locked(self._descriptor, 0):
            entries = list(self._table())
            for digest in digests:
                index = next((index for index, entry in enumerate(entries) if entry[0] == digest), None)
                if index is None:  # the oldest
                    index = min(range(_SUSPECTS), key=lambda place: entries[place][2] if entries[place][1] else -1)
                    entries[index] = (digest, 0, now)
                _, deaths, at = entries[index]
                before = deaths if now - at < MEMORY_S else 0
                entries[index] = (digest, before + 1 if was_suspect else max(before, 1), now)
                self._write(index, entries[index])
        most = max(deaths for digest, deaths, _ in entries if digest in digests)
        effect = "one more death of a worker and it is rejected" if most < DEATHS else "it is rejected from now on"
        logger.warning("a worker ended with %d requests in hand; %s", len(digests), effect)

    def _forget(self, digest: bytes) -> None:
        """Remove a request from the table, because it was answered."""
        with _locked(self._descriptor, 0):
            for index, entry in enumerate(self._table()):
                if entry[0] == digest:
                    self._write(index, (bytes(_DIGEST), 0, 0))

    def _table(self) -> Iterator[tuple[bytes, int, float]]:
        return _SUSPECT.iter_unpack(self._map[_TABLE:_FIRST_SLOT])

    def _write(self, index: int, entry: tuple[bytes, int, float]) -> None:
        """Write an entry of the table, whose lock must be held."""
        _SUSPECT.pack_into(self._map, _TABLE + index * _SUSPECT.size, *entry)
        version, taken = _HEADER.unpack_from(self._map)
        _HEADER.pack_into(self._map, 0, (version + 1) % 2**32, taken)


def _digest(fields: Mapping[str, bytes], address: blake2b) -> bytes:
    """Return the digest of a request's address and fields; of a large field only its length and samples count."""
    hashed = address.copy()  # why: a copy takes 0.25 us, and a new hash 0.36 us (timeit)
    for content in fields.values():
        if len(content) > 3 * _SAMPLE:
            middle = len(content) // 2
            hashed.update(b"%d" % len(content))
            hashed.update(content[:_SAMPLE] + content[middle : middle + _SAMPLE] + content[-_SAMPLE:])
        else:
            hashed.update(content)
    return hashed.digest()


def _try_lock(descriptor: int, start: int) -> bool:
    try:
        fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, start)
    except OSError:
        return False
    return True


class _locked:  # noqa: N801 - a context manager; a generator would take three times as long
    """Hold the lock of a byte of a file."""

    def __init__(self, descriptor: int, start: int) -> None:
        self._descriptor, self._start = descriptor, start

    def __enter__(self) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX, 1, self._start)

    def __exit__(self, *_: object) -> None:
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, self._start)
