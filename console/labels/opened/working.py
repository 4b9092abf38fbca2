"""Functions that run in workers. They import what the console itself does not load."""

from collections.abc import Sequence
from pathlib import Path

from labelling.features.layout import FeatureLayout
from labelling.projects.previews.atlases import Atlases
from labelling.projects.store import Project


def read_layout(bundle: Path) -> FeatureLayout:
    """Return the layout of the features of a bundle.

    Raises:
        BundleError: if the folder is no pets bundle, is damaged, or has no features graph.
        SessionError: if the graph can't run.
    """
    from labelling.features.network import FeatureNetwork

    return FeatureNetwork.load(bundle).layout


def make_thumbnail(folder: Path, sha256: str, size: int) -> bytes:
    """Return a thumbnail of a photo of the project in a folder; see `Thumbnails.get`."""
    project = Project(folder)
    try:
        return project.thumbnails.get(sha256, size)
    finally:
        project.close()


def make_atlas(folder: Path, photos: Sequence[str]) -> bytes:
    """Return the atlas of photos of the project in a folder; see `Atlases.get`."""
    project = Project(folder)
    try:
        return atlases_of(project).get(photos)
    finally:
        project.close()


def atlases_of(project: Project) -> Atlases:
    """Return the atlases of a project."""
    return Atlases(project.thumbnails, project.folder / "thumbnails" / "atlases")
