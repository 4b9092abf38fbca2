"""Write docs/reference/errors.md, the page about every `UserError`: ``python -m scripts.write_errors``."""

import ast
import inspect
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
FILE = ROOT / "docs" / "reference" / "errors.md"

_HEAD = """# Errors

*Reference. Generated from the exception classes by `python -m scripts.write_errors`.*

Every error that a user can correct is a `UserError`, which is a `ValueError`. Its message names the fault and the
remedy. Commands print the message without a traceback and exit with status 2. Any other exception is a bug; its
traceback is kept.

The package `shopcat` exports the errors of loading and using a model; see the [Python API](python-api.md). The service
answers invalid requests with [problems](problems.md) instead.

| error | based on | module | meaning |
|---|---|---|---|
"""


@dataclass(frozen=True)
class ErrorClass:
    """An exception class as its source defines it.

    Attributes:
        name: name of the class.
        base: name of its base class.
        module: module that defines it.
        meaning: first paragraph of its docstring.
    """

    name: str
    base: str
    module: str
    meaning: str


def error_classes() -> list[ErrorClass]:
    """Return `UserError` and all its subclasses in the project's packages, by module, without importing them."""
    known = {"UserError"}
    classes = [*_classes()]
    while found := {name for name, base, _, _ in classes if base in known} - known:
        known |= found
    errors = [ErrorClass(name, base, module, _meaning(doc)) for name, base, module, doc in classes if name in known]
    return sorted(errors, key=lambda error: (error.name != "UserError", error.module, error.name))


def _classes() -> Iterator[tuple[str, str, str, str]]:
    """Yield name, first base, module and docstring of every class with a base."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for pattern in project["tool"]["setuptools"]["packages"]["find"]["include"]:
        for file in sorted((ROOT / pattern.rstrip("*")).rglob("*.py")):
            module = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.ClassDef) and node.bases:
                    base = ast.unparse(node.bases[0]).rpartition(".")[2]
                    yield node.name, base, module, ast.get_docstring(node) or ""


def _meaning(docstring: str) -> str:
    return " ".join(inspect.cleandoc(docstring).split("\n\n")[0].split())


def as_markdown() -> str:
    """Return the page."""
    rows = [f"| `{error.name}` | `{error.base}` | `{error.module}` | {error.meaning} |" for error in error_classes()]
    return _HEAD + "\n".join([*rows, ""])


if __name__ == "__main__":
    FILE.write_text(as_markdown(), encoding="utf-8")
