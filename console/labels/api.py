"""All addresses of labelling: ``/labels``, and the projects below it."""

from starlette.routing import Route

from console.labels import photos, projects


def routes() -> list[Route]:
    """Return the routes of all parts."""
    return [*projects.routes(), *photos.routes()]
