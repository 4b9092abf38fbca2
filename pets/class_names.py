"""Names of a model's classes, in any spelling that a client may use."""

import difflib
from collections.abc import Iterable

from schemas.pets.request import class_key
from schemas.problems import FieldError, Problem, ProblemError, abbreviate


class ClassNames:
    """Names of a model's classes.

    Attributes:
        names: the names, in the model's order.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self.names = [*names]
        self._indices = {class_key(name): index for index, name in enumerate(self.names)}

    def index(self, field: str, name: str) -> int:
        """Return the index of a class.

        Args:
            field: field of the request that has the name.
            name: the name; upper and lower case, spaces and underscores make no difference.

        Raises:
            ProblemError: unknown-class, with similar names, if it is not one of the classes.
        """
        index = self._indices.get(class_key(name))
        if index is not None:
            return index
        close = difflib.get_close_matches(class_key(name), self._indices, n=3, cutoff=0.5)
        near = f"; is it {' or '.join(self.names[self._indices[key]] for key in close)}?" if close else ""
        error = FieldError(
            path=f"/{field}", value=abbreviate(name), detail=f"not one of the model's {len(self.names)} classes{near}"
        )
        raise ProblemError(Problem.of("unknown-class", f"{error.path}: {error.detail} (sent: {error.value})", [error]))
