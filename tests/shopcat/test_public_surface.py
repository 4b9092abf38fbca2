"""Public surface of the package `shopcat`: exported names, signatures, and the cost of its import."""

import inspect
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

import shopcat
import shopcat.errors
from runtime.errors import UserError

ROOT = Path(__file__).parents[2]

EXPORTED = {
    "AsyncClient",
    "BundleError",
    "Classifier",
    "Client",
    "Comparison",
    "DeviceError",
    "Explanation",
    "FieldError",
    "Forecast",
    "Forecaster",
    "ItemComparison",
    "ItemExplanation",
    "ItemForecast",
    "ItemProblem",
    "Prediction",
    "Problem",
    "RequestError",
    "ServiceError",
    "SessionError",
    "UserError",
    "__version__",
    "load",
}
PHOTO_OPTIONS = (
    "class_: 'str | None' = None, versus: 'str | None' = None, look: 'Look' = 'whole', top_k: 'int' = 5, "
    "overlay: 'Overlay' = 'png'"
    ") -> 'Prediction | list[Prediction | Problem]'"
)
CLIENT_PHOTO_OPTIONS = PHOTO_OPTIONS.replace("'Overlay' =", "\"Literal['none', 'png']\" =")
PHOTOS = "(self, photo: 'Photo | Sequence[Photo]', *, heatmap: "
ITEMS = (
    "(self, items: 'FrameT | Iterable[Item] | None' = None, *, store: 'int | str | None' = None, "
    "date: 'Date | None' = None, start: 'Date | None' = None, days: 'int | None' = None"
)
OPTIONS = (
    "levels: 'Sequence[float] | None' = None, quantiles: 'Sequence[float] | None' = None, "
    "objective: 'Objective | None' = None"
)
SIGNATURES = {
    "load": "(path: str | os.PathLike[str], device: str | None = None, *, threads: int = 1) "
    "-> shopcat.forecaster.Forecaster | shopcat.classifier.Classifier",
    "Forecaster.load": "(path: 'str | os.PathLike[str]', device: 'str | None' = None, *, threads: 'int' = 1) "
    "-> 'Forecaster'",
    "Forecaster.forecast": f"{ITEMS}, {OPTIONS}, **facts: 'Any') -> 'Any'",
    "Forecaster.what_if": f"{ITEMS}, facts: 'Item | None' = None, {OPTIONS}, **changes: 'Any') -> 'Any'",
    "Forecaster.explain": f"{ITEMS}, {OPTIONS}, **facts: 'Any') -> 'Any'",
    "Classifier.load": "(path: 'str | os.PathLike[str]', device: 'str | None' = None, *, threads: 'int' = 1, "
    "review_share: 'float | None' = None) -> 'Classifier'",
    "Classifier.classify": f"{PHOTOS}\"Literal['none'] | Method\" = 'none', {PHOTO_OPTIONS}",
    "Classifier.explain": f"{PHOTOS}'Method' = 'gradcam', {PHOTO_OPTIONS}",
    **{
        f"{client}.{name}": signature
        for client in ("Client", "AsyncClient")
        for name, signature in {
            "forecast": f"{ITEMS}, {OPTIONS}, **facts: 'Any') -> 'Any'",
            "what_if": f"{ITEMS}, facts: 'Item | None' = None, {OPTIONS}, **changes: 'Any') -> 'Any'",
            "explain": f"{ITEMS}, {OPTIONS}, **facts: 'Any') -> 'Any'",
            "classify": f"{PHOTOS}'MethodOrNone' = 'none', {CLIENT_PHOTO_OPTIONS}",
            "close": "(self) -> 'None'",
        }.items()
    },
}
ATTRIBUTES = {
    "Forecaster": {"name", "version", "cutoff", "horizon", "first_date", "last_date", "stores"},
    "Classifier": {"name", "version", "classes", "threshold", "known_threshold", "review_share"},
    "Client": set(),
    "AsyncClient": set(),
    "RequestError": {"kind", "errors", "remedy"},
}


def test_the_exported_names_are_fixed() -> None:
    assert set(shopcat.__all__) == EXPORTED
    assert all(hasattr(shopcat, name) for name in EXPORTED)
    assert set(dir(shopcat)) >= EXPORTED


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signatures_are_fixed(name: str) -> None:
    value: Any = shopcat
    for part in name.split("."):
        value = getattr(value, part)
    if inspect.ismethod(value):
        value = value.__func__
        assert str(inspect.signature(value)).replace("(cls, ", "(") == SIGNATURES[name]
    else:
        assert str(inspect.signature(value)) == SIGNATURES[name]


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_the_attributes_are_fixed(name: str) -> None:
    found = {key: value for kind in getattr(shopcat, name).__mro__[-2::-1] for key, value in vars(kind).items()}
    if issubclass(getattr(shopcat, name), Exception):
        found = vars(getattr(shopcat, name))
    assert {key for key, value in found.items() if isinstance(value, property)} == ATTRIBUTES[name]
    methods = {key.removeprefix(f"{name}.") for key in SIGNATURES if key.startswith(f"{name}.")}
    assert {key for key in found if not key.startswith("_")} == ATTRIBUTES[name] | methods


def test_every_public_member_has_a_docstring() -> None:
    for name in EXPORTED - {"__version__"}:
        assert inspect.getdoc(getattr(shopcat, name)), name
    for name in SIGNATURES:
        owner, _, member = name.rpartition(".")
        assert inspect.getdoc(getattr(getattr(shopcat, owner), member) if owner else shopcat.load), name


def test_every_exception_stands_in_the_tree_of_the_errors_module() -> None:
    tree = str(shopcat.errors.__doc__)
    exceptions = {name for name in EXPORTED if name.endswith("Error") and name != "FieldError"}
    assert set(shopcat.errors.__all__) == exceptions
    for name in exceptions:
        assert issubclass(getattr(shopcat, name), UserError)
        assert f"{name}(" in tree if name == "UserError" else f"── {name} " in tree


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'shopcat' has no attribute 'lode'"):
        _ = shopcat.lode


def test_the_version_is_the_distributions() -> None:
    assert shopcat.__version__ == version("shopcat")


def loaded_modules(program: str) -> set[str]:
    """Return the top-level modules that a program has loaded when it ends, but those that Python starts with."""
    script = f"import sys\nbefore = set(sys.modules)\n{program}\nprint(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stdout.splitlines()[-1].split()}


def test_the_import_loads_nothing_but_the_package() -> None:
    assert loaded_modules("import shopcat") <= {"shopcat", *sys.stdlib_module_names}


def test_the_help_loads_no_model_code() -> None:
    loaded = loaded_modules(
        "sys.argv = ['shopcat', '--help']\nfrom cli import main\ntry:\n    main()\nexcept SystemExit:\n    pass"
    )
    assert {"cli", "click"} <= loaded
    heavy = {"numpy", "pandas", "torch", "pydantic", "onnxruntime", "PIL", "prometheus_client", "jinja2"}
    assert not loaded & heavy


def test_the_module_is_the_command_line() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "shopcat", "--help"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Usage: python -m shopcat [OPTIONS] COMMAND" in done.stdout
    assert "\n  serve " in done.stdout


def test_the_package_is_typed() -> None:
    assert (ROOT / "shopcat" / "py.typed").is_file()
