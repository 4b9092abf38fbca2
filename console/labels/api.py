"""All addresses of labelling: ``/labels``, and the projects below it."""

from starlette.routing import Route

from console.labels import marks, photos, pictures, projects, stream, uploads
from console.labels.learning import api as learning
from console.labels.out import bundles, exports, imports


def routes() -> list[Route]:
    """Return the routes of all parts."""
    return [
        *projects.routes(),
        *photos.routes(),
        *uploads.routes(),
        *pictures.routes(),
        *marks.routes(),
        *stream.routes(),
        *learning.routes(),
        *exports.routes(),
        *imports.routes(),
        *bundles.routes(),
    ]
