"""Demonstrations that are requested, and drawn by the process that embeds the photos, because it takes a while."""

from labelling.projects.errors import disk_errors
from labelling.projects.store import Project
from runtime.folder import write_file

_REQUESTED = "demonstration.photos"  # number of photos to draw


def request_demonstration(project: Project, photos: int) -> None:
    """Let the process that embeds the photos of a project draw some first; see `Photos.add_demonstration`."""
    with disk_errors(project.folder):
        write_file(project.folder / _REQUESTED, str(photos).encode(), mode=0o600)


def requested(project: Project) -> int:
    """Return the number of photos that are requested and not drawn yet."""
    try:
        return int((project.folder / _REQUESTED).read_bytes())
    except FileNotFoundError:
        return 0


def draw_requested(project: Project) -> None:
    """Draw the photos that are requested, if there are any.

    Raises:
        FullError: if the disk is full, or the project would have too many photos.
    """
    if photos := requested(project):
        project.photos.add_demonstration(photos)
        (project.folder / _REQUESTED).unlink(missing_ok=True)
