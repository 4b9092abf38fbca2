"""Object stores: Amazon S3, other stores with its interface, and Google Cloud Storage."""

import io
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import IO, Any, Final

from bulk.storage.storage import File, PlaceError, UnavailableError, is_shown
from runtime.errors import InstallationError, UserError

PACKAGES: Final = {"s3": "s3fs", "gs": "gcsfs"}
READ_BYTES: Final = 4 << 20  # of a request; why: a store needs 20 to 100 ms to begin an answer of any size
STAMPS: Final = {"s3": "ETag", "gs": "generation"}  # field of a listing that changes with the content
_REMEDIES: Final = {
    "s3": "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, to an account that may read and write it",
    "gs": "set GOOGLE_APPLICATION_CREDENTIALS to the key of an account that may read and write it",
}
_NO_ACCESS: Final = {"NoCredentialsError", "PartialCredentialsError", "ProfileNotFound", "DefaultCredentialsError"}
_EXPIRED: Final = {"ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"}  # status 400
_TEMPORARY: Final = {"NoSuchUpload"}  # status 404: the answer to an upload's end was lost, so it was asked for again


class ObjectStorage:
    """Objects of a store. An object is created by a conditional request, which fails if its name exists already.

    Args:
        scheme: scheme of the addresses.
    """

    def __init__(self, scheme: str) -> None:
        self._scheme = scheme

    @property
    def _system(self) -> Any:
        """The file system of fsspec, which keeps one for each process and thread."""
        # why: gcsfs asks each bucket for its layout by gRPC, for 60 s where only HTTP passes. We need no zonal buckets.
        os.environ.setdefault("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        package = PACKAGES[self._scheme]
        try:
            import_module(package)
            fsspec = import_module("fsspec")
        except ImportError:
            remedy = f"run `pip install 'shopcat[{self._scheme}]'`"
            raise InstallationError(f"{self._scheme}:// needs {package}, which is not installed; {remedy}") from None
        return fsspec.filesystem(self._scheme, use_listings_cache=False)

    def files(self, place: str) -> list[File]:
        """Return a file, or all files below a folder that `is_shown`."""
        with _translated(place, self._scheme):
            found = self._system.find(place, detail=True)
        base = place.split("://", 1)[1].rstrip("/")
        files = [self._file(base, path, details) for path, details in found.items() if not path.endswith("/")]
        return sorted(filter(lambda file: is_shown(file.name), files), key=lambda file: file.name)

    def _file(self, base: str, path: str, details: dict[str, Any]) -> File:
        name = path.rpartition("/")[2] if path == base else path.removeprefix(f"{base}/")
        stamp = str(details[STAMPS[self._scheme]]).strip('"')
        return File(f"{self._scheme}://{path}", name, int(details["size"]), stamp)

    def names(self, folder: str) -> list[str]:
        """Return the names of the objects in a folder, which may not exist yet."""
        with _translated(folder, self._scheme):
            try:
                paths = self._system.ls(folder.rstrip("/"), detail=False)
            except FileNotFoundError:
                return []
        base = folder.split("://", 1)[1].rstrip("/")
        return sorted({path.rstrip("/").removeprefix(f"{base}/") for path in paths} - {base})

    def open(self, place: str) -> IO[bytes]:
        """Open an object to read any part of it; only what is read is downloaded."""
        with _translated(place, self._scheme):
            file = self._system.open(place, "rb", cache_type="none")
        return io.BufferedReader(_Reader(file, place, self._scheme), READ_BYTES)

    def create(self, place: str, write: Callable[[Path], object]) -> bool:
        """Create an object if there is none, whole or not at all."""
        with tempfile.TemporaryDirectory(prefix="shopcat-") as folder:
            content = Path(folder) / "content"
            try:
                write(content)
            except OSError as error:
                raise UnavailableError(f"{folder} can't be written: {error.strerror}") from error
            with _translated(place, self._scheme):
                try:
                    self._system.put_file(str(content), place, mode="create")
                except Exception as error:
                    if _exists(error):
                        return False
                    raise
        return True

    def sweep(self, folder: str) -> None:
        """Do nothing: a store shows no object before it is complete."""


class _Reader(io.RawIOBase):
    """An object that is read by requests for ranges; a store's errors are ours."""

    def __init__(self, file: Any, place: str, scheme: str) -> None:
        self._file, self._place, self._scheme = file, place, scheme

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        position: int = self._file.tell()
        return position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position: int = self._file.seek(offset, whence)
        return position

    def readall(self) -> bytes:
        return self._read(-1)  # why: the method that this one inherits asks for 8 KB at a time

    def readinto(self, buffer: Any) -> int:
        content = self._read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def _read(self, count: int) -> bytes:
        with _translated(self._place, self._scheme):
            content: bytes = self._file.read(count)
        return content


@contextmanager
def _translated(place: str, scheme: str) -> Iterator[None]:
    """Raise our own errors in the place of those of the store's package, which are as different as the packages."""
    try:
        yield
    except (UserError, UnavailableError):
        raise
    except Exception as error:
        status, code = _answer(error)
        if type(error).__name__ == "FileExpired":
            raise PlaceError(f"{place} was changed while it was read; run the command again") from error
        if code in _TEMPORARY:
            raise UnavailableError(f"{place}: {error}") from error
        if status == 404 or isinstance(error, FileNotFoundError):
            raise PlaceError(f"{place} does not exist; check the names of the bucket and of the object") from error
        if (
            status in (401, 403)
            or code in _EXPIRED
            or isinstance(error, PermissionError)
            or type(error).__name__ in _NO_ACCESS
            or str(error).startswith("Forbidden")  # an OSError of gcsfs
        ):
            raise PlaceError(f"{place} refuses access: {_line(error)}; {_REMEDIES[scheme]}") from error
        if status == 301:
            raise PlaceError(f"{place}: the bucket is in another region; set AWS_DEFAULT_REGION to it") from error
        raise UnavailableError(f"{place} fails for now: {_line(error)}") from error


def _exists(error: BaseException | None) -> bool:
    """Return True if an error says that an object of that name exists already."""
    if error is None:
        return False
    return isinstance(error, FileExistsError) or _answer(error)[0] == 412 or _exists(error.__context__)


def _answer(error: BaseException) -> tuple[int | None, str]:
    """Return the status of the store's answer and S3's name of the error, if they are known."""
    response = getattr(error.__cause__, "response", None) or getattr(error, "response", None)
    if isinstance(response, dict):  # of botocore
        status = response.get("ResponseMetadata", {}).get("HTTPStatusCode")
        return status, str(response.get("Error", {}).get("Code", ""))
    status = str(getattr(error, "code", None) or getattr(error, "status", None))  # of gcsfs, of aiohttp
    return (int(status) if status.isdigit() else None), ""


def _line(error: Exception) -> str:
    """Return an error's text in one line."""
    return " ".join(str(error).split()) or type(error).__name__
