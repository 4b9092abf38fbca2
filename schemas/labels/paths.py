"""The addresses of labelling, as OpenAPI describes them: the parts, joined."""

from typing import Any

from pydantic.json_schema import JsonSchemaMode

from schemas.labels import audits, bundles, checks, exchange, learning, maps, marks, photos, projects
from schemas.labels.parts import PROBLEMS, TAG

__all__ = ["COMPONENTS", "PROBLEMS", "SHARED_TYPES", "TAGS", "paths"]

_PARTS = (
    projects,
    photos,
    marks,
    maps,
    learning,
    checks,
    audits,
    exchange,
    bundles,
)  # each has COMPONENTS and paths(), and may have SHARED_TYPES

TAGS = [
    {"name": TAG, "description": "Projects in which people label photos. A service without a console lacks these."},
]
COMPONENTS: dict[type, JsonSchemaMode] = {}
SHARED_TYPES: dict[str, Any] = {}
for _part in _PARTS:
    COMPONENTS |= _part.COMPONENTS
    SHARED_TYPES |= getattr(_part, "SHARED_TYPES", {})


def paths() -> dict[str, Any]:
    """Return the path items by address."""
    return {path: operations for part in _PARTS for path, operations in part.paths().items()}
