"""The registry of model kinds: one entry for each kind of model that the project can train and serve.

The OpenAPI document and the page of problems follow from it. Modules here may not import the upper layers, so these
register their part of a kind under the same name. tests/test_kinds.py compares:

- handlers/NAME.py: the handler of a worker
- serving/archives/settings/NAME.yaml: settings of its workers and of the gateway
- cli.kinds.KIND_COMMANDS[NAME]: the commands
- shopcat.loading.MODELS[NAME]: the class for Python programs, if it has one
- handlers.triton.kinds.TRITON_MODELS[NAME]: the class that Triton loads, if it has one

docs/guides/add-a-model.md lists all steps.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic.json_schema import JsonSchemaMode

from schemas.bundle import BundleManifest
from schemas.pets import paths as pets
from schemas.pets.manifest import PetsManifest
from schemas.problem_kinds import ProblemName
from schemas.sales import paths as sales
from schemas.sales.manifest import SalesManifest


@dataclass(frozen=True)
class ModelKind:
    """A kind of model.

    Attributes:
        name: name of the kind in manifests (``kind``); its modules in all layers have the same name.
        manifest: type of its ``bundle.json``.
        problems: names of the problems that its models return; the gateway's problems are not among them.
        components: types of requests and answers in the OpenAPI document, each with pydantic's schema mode: validation
            for requests, serialization for answers.
        paths: function that returns the OpenAPI path items of its addresses.
        shared_types: types that several fields have, each with a description, by their names in the OpenAPI document.
            A client that is generated from it then has one type for all of the fields.
    """

    name: str
    manifest: type[BundleManifest]
    problems: tuple[ProblemName, ...]
    components: Mapping[type, JsonSchemaMode]
    paths: Callable[[], dict[str, Any]]
    shared_types: Mapping[str, Any] = field(default_factory=dict)


MODEL_KINDS: Mapping[str, ModelKind] = {
    kind.name: kind
    for kind in (
        ModelKind("sales", SalesManifest, sales.PROBLEMS, sales.COMPONENTS, sales.paths, sales.SHARED_TYPES),
        ModelKind("pets", PetsManifest, pets.PROBLEMS, pets.COMPONENTS, pets.paths, pets.SHARED_TYPES),
    )
}
