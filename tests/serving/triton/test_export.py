"""serving.triton: an exported model is complete, or nothing is left of it."""

import json
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import grimp
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pets.classifier import Classifier
from runtime.bundle import MANIFEST, BundleError
from runtime.folder import FolderError, sha256
from serving.triton.export import CONFIG, REQUIREMENTS, config, export
from tests.serving.triton.text_format import parse

STORE = Path(__file__).parents[3] / "model_store"
DEMO, PETS = STORE / "demo", STORE / "pets"
TEXT = ("TYPE_STRING", [1], False, "")


def hashes(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256(path) for path in folder.rglob("*") if path.is_file()}


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with both models, which a test must not change."""
    folder = tmp_path_factory.mktemp("export") / "new" / "repository"
    export(DEMO, folder, instances=2, environment="/srv/triton env")
    export(PETS, folder)
    return folder


def test_a_repository_has_a_folder_for_each_model(repository: Path) -> None:
    assert names(repository) == ["pets", "sales"]
    assert names(repository / "sales") == ["1", CONFIG, REQUIREMENTS.name]
    assert names(repository / "pets") == ["1", CONFIG, "probabilities.txt", REQUIREMENTS.name]
    assert hashes(repository / "sales" / "1" / "bundle") == hashes(DEMO)
    assert hashes(repository / "pets" / "1" / "bundle") == hashes(PETS)
    assert (repository / "sales" / REQUIREMENTS.name).read_bytes() == REQUIREMENTS.read_bytes()


def test_the_configuration_of_a_sales_model(repository: Path) -> None:
    flag, fact = ("TYPE_INT8", [1], True, ""), ("TYPE_STRING", [1], True, "")
    facts = dict.fromkeys(("open", "promo", "school_holiday"), flag)
    facts |= dict.fromkeys(("state_holiday", "weather", "columns"), fact)
    assert parse((repository / "sales" / CONFIG).read_text(encoding="utf-8")) == {
        "name": "sales",
        "backend": "python",
        "max_batch_size": 1000,
        "inputs": {"store": ("TYPE_INT64", [1], False, ""), "date": TEXT, **facts},
        "outputs": {
            "sales": ("TYPE_FP64", [1], False, ""),
            **dict.fromkeys(("assumed", "warnings", "problem"), TEXT),
        },
        "instances": [("KIND_CPU", 2)],
        "batches": True,
        "parameters": {
            "EXECUTION_ENV_PATH": "/srv/triton env",
            "bundle_version": json.loads((DEMO / MANIFEST).read_bytes())["version"],
        },
    }


def test_the_configuration_of_a_pets_model(repository: Path) -> None:
    parsed = parse((repository / "pets" / CONFIG).read_text(encoding="utf-8"))
    outputs: Any = parsed.pop("outputs")
    assert parsed == {
        "name": "pets",
        "backend": "python",
        "max_batch_size": 16,
        "inputs": {"image": TEXT},
        "instances": [("KIND_CPU", 1)],
        "batches": False,
        "parameters": {"bundle_version": json.loads((PETS / MANIFEST).read_bytes())["version"]},
    }
    classes = Classifier.load(PETS).classes
    assert outputs["probabilities"] == ("TYPE_FP32", [len(classes)], False, "probabilities.txt")
    assert (repository / "pets" / "probabilities.txt").read_text(encoding="utf-8").splitlines() == classes
    assert outputs["heatmap"] == ("TYPE_FP32", [9, 9], False, "")
    assert {name for name, tensor in outputs.items() if tensor == TEXT} == {
        *("breed", "species", "decision", "review_reason", "warnings", "problem")
    }


def test_the_model_file_imports_the_installed_package(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.handlers.triton import fake_backend

    monkeypatch.setitem(sys.modules, "triton_python_backend_utils", fake_backend)
    variables: dict[str, Any] = {}
    exec((repository / "sales" / "1" / "model.py").read_text(encoding="utf-8"), variables)
    model = variables["TritonPythonModel"]()
    model.initialize({"model_repository": str(repository / "sales"), "model_version": "1"})
    request = fake_backend.Request({"store": [1], "date": [b"2015-08-01"]})
    assert model.execute([request])[0].arrays()["sales"].item() == 9695.153


def test_the_environments_packages_are_those_that_the_model_imports() -> None:
    graph = grimp.build_graph(
        *("handlers", "pets", "runtime", "sales", "schemas"),
        include_external_packages=True,
        exclude_type_checking_imports=True,
        cache_dir=None,
    )
    reached = {*graph.find_upstream_modules("handlers.triton", as_package=True)}
    packages = {module.split(".")[0] for module in reached} - sys.stdlib_module_names
    packages -= {"handlers", "pets", "runtime", "sales", "schemas"}
    packages -= {"triton_python_backend_utils", "onnx"}  # Triton's own, and that of the extra gpu
    distributions = packages_distributions()
    imported = {canonicalize_name(name).removesuffix("-gpu") for package in packages for name in distributions[package]}
    lines = [line.partition("#")[0].strip() for line in REQUIREMENTS.read_text(encoding="utf-8").splitlines()]
    required = {canonicalize_name(Requirement(line).name) for line in lines if line}
    assert required == imported - {"pydantic-core"}  # a part of pydantic


def test_a_model_is_replaced_only_when_asked(tmp_path: Path) -> None:
    model = export(DEMO, tmp_path)
    (model / "1" / "model.py").write_text("changed")
    with pytest.raises(FolderError, match=r"sales is there already and not empty; .*, or replace it with --force"):
        export(DEMO, tmp_path)
    assert (model / "1" / "model.py").read_text() == "changed"
    export(DEMO, tmp_path, instances=3, replace=True)
    assert "TritonPythonModel" in (model / "1" / "model.py").read_text()
    assert parse((model / CONFIG).read_text())["instances"] == [("KIND_CPU", 3)]
    assert names(tmp_path) == ["sales"]


@pytest.mark.parametrize("content", [None, 'name: "sales"\nbackend: "onnxruntime"\n', b"\xff"])
def test_nothing_but_an_export_is_replaced(tmp_path: Path, content: str | bytes | None) -> None:
    other = tmp_path / "sales"
    other.mkdir()
    (other / "1").mkdir()
    if content is not None:
        (other / CONFIG).write_bytes(content if isinstance(content, bytes) else content.encode())
    before = hashes(tmp_path)
    with pytest.raises(FolderError, match="sales is not a model that `shopcat export triton` has written"):
        export(DEMO, tmp_path, replace=True)
    assert hashes(tmp_path) == before


def test_a_bundle_is_no_repository(tmp_path: Path) -> None:
    copy = shutil.copytree(DEMO, tmp_path / "bundle")
    with pytest.raises(FolderError, match="bundle is a bundle; name a folder for models of Triton"):
        export(DEMO, copy)
    assert hashes(copy) == hashes(DEMO)


def test_a_model_is_no_repository(tmp_path: Path) -> None:
    model = export(DEMO, tmp_path)
    with pytest.raises(FolderError, match=f"is a model of Triton; name the folder of all models, such as {tmp_path}"):
        export(DEMO, model)


def test_a_file_is_no_repository(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(FolderError, match="can't be written"):
        export(DEMO, tmp_path / "file")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "model.onnx").write_bytes(b"damaged"), "changed since: model.onnx"),
        (lambda folder: (folder / "model.onnx").unlink(), "missing: model.onnx"),
        (lambda folder: (folder / MANIFEST).unlink(), f"has no {MANIFEST}"),
        (
            lambda folder: (folder / MANIFEST).write_text('{"kind": "dogs"}'),
            "is a bundle of the kind 'dogs'; this version of shopcat exports sales, pets to Triton",
        ),
    ],
)
def test_a_bad_bundle_leaves_nothing(tmp_path: Path, spoil: Callable[[Path], object], message: str) -> None:
    copy = shutil.copytree(DEMO, tmp_path / "bundle")
    spoil(copy)
    with pytest.raises(BundleError, match=message):
        export(copy, tmp_path / "repository")
    assert names(tmp_path) == ["bundle"]


def test_an_interrupted_export_leaves_the_old_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = hashes(export(DEMO, tmp_path))
    monkeypatch.setattr("serving.triton.export.config", _interrupted)
    with pytest.raises(KeyboardInterrupt):
        export(DEMO, tmp_path, instances=2, replace=True)
    assert names(tmp_path) == ["sales"]
    assert hashes(tmp_path / "sales") == before
    with pytest.raises(KeyboardInterrupt):
        export(PETS, tmp_path)
    assert names(tmp_path) == ["sales"]


def test_triton_never_sees_an_incomplete_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []

    def look(*arguments: object, **options: object) -> str:
        seen.append(names(tmp_path / "models"))
        return "text"

    monkeypatch.setattr("serving.triton.export.config", look)
    export(DEMO, tmp_path / "models")
    assert seen == [[]]
    assert names(tmp_path) == ["models"]


def test_a_repository_in_a_folder_of_others_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may be written beside it, as beside a volume of a container."""
    monkeypatch.setattr("os.access", lambda path, mode: Path(path) != tmp_path)
    before = names(tmp_path)
    export(DEMO, tmp_path / "models")
    assert names(tmp_path / "models") == ["sales"]
    assert names(tmp_path) == [*before, "models"]


def _interrupted(*arguments: object, **options: object) -> str:
    raise KeyboardInterrupt


def test_a_path_with_quotes_is_quoted() -> None:
    from types import SimpleNamespace

    model: Any = SimpleNamespace(inputs=(), outputs=(), max_items=1, batches=False)
    path = '/srv/"Köln"\\env\n'
    assert parse(config(model, "sales", "1", environment=path))["parameters"] == {
        "bundle_version": "1",
        "EXECUTION_ENV_PATH": path,
    }
