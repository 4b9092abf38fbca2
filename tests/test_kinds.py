"""The registry of model kinds, and the part that every layer has of a kind."""

from importlib import import_module
from pathlib import Path

import pytest
import yaml

from cli import main
from cli.kinds import KIND_COMMANDS, kind_commands
from handlers.triton.kinds import TRITON_MODELS
from runtime.bundle import BundleError
from schemas.bundle import BundleManifest
from schemas.kinds import MODEL_KINDS, ModelKind
from serving.archives.archive import SETTINGS
from shopcat.loading import MODELS

KINDS = pytest.mark.parametrize("kind", MODEL_KINDS.values(), ids=lambda kind: kind.name)


def test_every_kind_is_registered_under_its_name() -> None:
    assert {name: kind.name for name, kind in MODEL_KINDS.items()} == {name: name for name in MODEL_KINDS}


@KINDS
def test_the_manifest_of_a_kind_has_its_name(kind: ModelKind) -> None:
    assert issubclass(kind.manifest, BundleManifest)
    assert kind.manifest.model_fields["kind"].default == kind.name


@KINDS
def test_the_handler_of_a_kind_is_defined_in_its_module(kind: ModelKind) -> None:
    """A worker finds it by the kind of its bundle."""
    module = import_module(f"handlers.{kind.name}")
    assert module.HANDLER.__module__ == module.__name__
    assert callable(module.HANDLER.parse)
    assert callable(module.HANDLER.first_request)


def test_the_settings_are_those_of_the_kinds() -> None:
    assert {file.stem for file in SETTINGS.glob("*.yaml")} == {*MODEL_KINDS}


@KINDS
def test_the_settings_of_a_kind_limit_a_batch_and_its_time(kind: ModelKind) -> None:
    settings = yaml.safe_load((SETTINGS / f"{kind.name}.yaml").read_text(encoding="utf-8"))
    assert {"batchSize", "maxBatchDelay", "responseTimeout", "startupTimeout"} <= {*settings}


def test_python_programs_load_registered_kinds_only() -> None:
    assert {*MODELS} <= {*MODEL_KINDS}


def test_triton_loads_registered_kinds_only() -> None:
    assert {*TRITON_MODELS} <= {*MODEL_KINDS}


def test_every_kind_has_its_commands() -> None:
    assert {*KIND_COMMANDS} == {*MODEL_KINDS}
    for name, commands in KIND_COMMANDS.items():
        assert commands.train.name == name
        assert commands.lr_find is None or commands.lr_find.name == name
        for command in (*commands.prepare, *commands.predict):
            assert main.commands[str(command.name)] is command


def test_the_error_of_an_unknown_kind_lists_the_known_ones(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text('{"kind": "dogs"}', encoding="utf-8")
    with pytest.raises(BundleError, match=rf"of the kind 'dogs'; .* knows {', '.join(KIND_COMMANDS)}"):
        kind_commands(tmp_path)


@KINDS
def test_the_paths_of_a_kind_have_its_name(kind: ModelKind) -> None:
    assert (
        {f"/predictions/{kind.name}"} <= {*kind.paths()} <= {f"/predictions/{kind.name}", f"/explanations/{kind.name}"}
    )
