"""Input that can't be read, and will never be."""

from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from bulk.storage.storage import UnavailableError
from runtime.errors import UserError


class InputError(UserError):
    """The input of a job can't be read as a whole; the message names the file and the remedy."""


@contextmanager
def readable(place: str) -> Iterator[None]:
    """Raise errors about the content of a Parquet file as ours. Those of its storage are ours already.

    Raises:
        InputError: if it is damaged.
        UnavailableError: if there is not enough memory for it.
    """
    try:
        yield
    except pa.ArrowMemoryError as error:
        raise UnavailableError(f"{place}: there is not enough memory ({error}); use fewer --processes") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:  # an OSError of pyarrow, as of a damaged page
        cause = str(error).splitlines()[0].rstrip(".")
        raise InputError(f"{place}: not Parquet, or damaged: {cause}; write it again as Parquet or CSV") from error
