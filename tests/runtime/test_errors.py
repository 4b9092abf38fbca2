"""``docs/reference/errors.md`` and the exported errors: complete, and generated from the classes."""

import ast
from importlib import import_module

import shopcat
from runtime.errors import UserError
from scripts.write_errors import FILE, ROOT, as_markdown, error_classes


def test_the_page_is_generated_from_the_classes() -> None:
    assert FILE.read_text(encoding="utf-8") == as_markdown(), "run: python -m scripts.write_errors"


def test_the_page_has_all_real_subclasses() -> None:
    """The page reads sources, so that it needs no import; here every module with an error is imported."""
    errors = error_classes()
    for error in errors:
        found = getattr(import_module(error.module), error.name)
        assert issubclass(found, UserError)
        assert found.__mro__[1].__name__ == error.base
    real = {UserError}
    while more := {subclass for error in real for subclass in error.__subclasses__()} - real:
        real |= more
    ours = {error for error in real if not error.__module__.startswith("tests.")}
    assert {(error.__name__, error.__module__) for error in ours} == {(error.name, error.module) for error in errors}


def test_every_error_has_a_meaning() -> None:
    for error in error_classes():
        assert error.meaning.endswith("."), error


def test_the_base_module_names_no_upper_layer() -> None:
    source = (ROOT / "runtime" / "errors.py").read_text(encoding="utf-8")
    classes = [node.name for node in ast.walk(ast.parse(source)) if isinstance(node, ast.ClassDef)]
    assert classes == ["UserError", "InstallationError", "SessionError"]


def test_the_package_exports_the_errors_of_loading_and_using_a_model() -> None:
    modules = {"runtime.bundle", "runtime.device", "runtime.errors", "runtime.session", "shopcat.errors"}
    expected = {error.name for error in error_classes() if error.module in modules} - {"InstallationError"}
    assert {name for name in shopcat.__all__ if name.endswith("Error")} - {"FieldError"} == expected
