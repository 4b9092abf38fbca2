"""`shopcat label`: begin or continue to label the photos of a folder, on the pages of a service."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.common import FOLDER, command
from cli.service.console import default_data
from cli.service.serve import run, serve

if TYPE_CHECKING:
    from labelling.photos.files import BrokenFile
    from labelling.projects.photos import Added
    from labelling.projects.store import Project

PROJECTS = "projects"  # folder of the projects in that of the data
_VEHICLES = 600  # photos of the demonstration
_SHOWN = 5  # files in a list of those that can't be used
_PORT = click.IntRange(1, 65535)


@click.command()
@click.argument("folder", type=FOLDER, required=False)
@click.option("--demo", is_flag=True, help="Label drawn vehicles instead of a folder's photos.")
@click.option(
    "--folder-labels",
    is_flag=True,
    help="Take the names of the sub-folders as labels, as in an export. They replace labels that the photos have.",
)
@click.option("--name", help="The project's name.  [default: the folder's name]")
@click.option(
    "--bundle",
    type=FOLDER,
    default=Path("model_store/pets"),
    show_default=True,
    help="Pets bundle whose network shows the photos from several sides; any photos will do, not only pets.",
)
@click.option(
    "--data",
    type=FOLDER,
    default=default_data,
    show_default="$XDG_STATE_HOME/shopcat, or ~/.local/state/shopcat",
    help="Folder for the projects, and for all else that the console keeps.",
)
@click.option("--port", default=8080, show_default=True, type=_PORT, help="Port of the pages.")
@click.option("--metrics-port", default=8082, show_default=True, type=_PORT, help="Port of the metrics.")
@command
def label(
    folder: Path | None,
    demo: bool,
    folder_labels: bool,
    name: str | None,
    bundle: Path,
    data: Path,
    port: int,
    metrics_port: int,
) -> None:
    """Label the photos in FOLDER on a page, until Ctrl-C.

    The photos stay where they are, and nothing is copied. The same FOLDER later gives the same project, and new, moved
    and vanished files are found. Without FOLDER, the command lists the projects.
    If a service with the same --data runs already, the command prints the page's address there, and ends. To label with
    several people, start `shopcat serve` with keys, and then this command with the same --data.
    """
    from pets.bundle import load_with_features
    from serving.console.address import running_service

    if folder is None and folder_labels:
        raise click.UsageError("--folder-labels needs a FOLDER whose sub-folders are named after labels")
    if folder is None and not demo:
        if name is not None:
            raise click.UsageError("--name needs a FOLDER of photos, or --demo")
        _list_projects(data)
        return
    if folder is not None and demo:
        raise click.UsageError("FOLDER and --demo are two projects; give one of them")
    if not (address := running_service(data)):
        load_with_features(bundle)
    with closing(_open(folder, name, data)) as project:
        if folder is not None and folder_labels:
            _label_by_folders(project, folder.resolve())
        page = f"label?project={project.id}"
        if address:
            click.echo(f"a service with this data runs already: open {address}/console/{page} in a browser")
            return
        given = ["--runner", "python", "--workers", "1", "--console", "--data", data, "--port", port]
        given += ["--metrics-port", metrics_port, bundle]
        root = click.get_current_context().find_root()  # the options of `serve` come from the environment too
        options = serve.make_context("serve", list(map(str, given)), root).params
        with _embedding(project, bundle):
            run(page=page, **options)


@contextmanager
def _embedding(project: "Project", bundle: Path) -> Iterator[None]:
    """Embed the photos while the service starts and runs; the process ends when all are done."""
    from labelling.projects.progress import start_embedding

    process = start_embedding(project, bundle)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def _open(folder: Path | None, name: str | None, data: Path) -> "Project":
    """Open the project of a folder or of the demonstration, with the photos that are there now; create a new one."""
    from labelling.projects.store import DEMONSTRATION, ProjectStore

    if folder is not None:
        folder = folder.resolve()
        if data.resolve().is_relative_to(folder) and not _is_hidden(data.resolve(), folder):
            raise click.UsageError(f"--data {data} lies in {folder}, where its pictures would be photos; name another")
    origin = DEMONSTRATION if folder is None else str(folder)
    store = ProjectStore(data / PROJECTS)
    if (known := store.find(origin)) is not None:
        with _closed_on_error(known):
            if name is not None:
                known.rename(name)
            _add(known, folder)
        return known
    project = store.create(name or (folder.name if folder else "") or "Demonstration", origin=origin)
    try:
        with _closed_on_error(project):
            _add(project, folder)
    except BaseException:
        store.delete(project.id)
        raise
    return project


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


@contextmanager
def _closed_on_error(project: "Project") -> Iterator[None]:
    try:
        yield
    except BaseException:
        project.close()
        raise


def _add(project: "Project", folder: Path | None) -> None:
    """Add photos to a project, and print what has changed."""
    from runtime.errors import UserError

    if folder is None:
        added = _draw(project)
    else:
        click.echo(f"looking for photos in {folder} ...")
        added = project.photos.add_folder(folder)
    if not len(project.photos):
        file = added.broken[0]
        raise UserError(f"no file in {folder} is a photo that can be used; {file.path}: {file.reason}")
    summary = project.summary
    click.echo(f"project {summary.name}: {summary.photos:,} photos, {len(added.new):,} of them new")
    if copies := sum(map(len, added.copies.values())):
        click.echo(f"{copies:,} further files are copies")
    _print_files("photos are missing", added.vanished)
    _print_files("files are left out", added.broken)


def _label_by_folders(project: "Project", folder: Path) -> None:
    """Give photos the names of their sub-folders as labels."""
    from labelling.projects.exchange.imports import import_folder

    imported = import_folder(project, folder, who="local")
    click.echo(f"{imported.changed:,} photos labelled by their sub-folders, {len(imported.created):,} labels are new")
    if imported.same:
        click.echo(f"{imported.same:,} photos had that label already")
    if imported.blind:
        click.echo(f"{imported.blind:,} photos keep another blind answer")


def _draw(project: "Project") -> "Added":
    """Draw the vehicles of the demonstration, unless they are there, with a bar of the progress."""
    if len(project.photos):
        return project.photos.add_demonstration(_VEHICLES)
    click.echo(f"drawing {_VEHICLES} vehicles ...")
    with click.progressbar(length=_VEHICLES, show_pos=True, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:
        return project.photos.add_demonstration(_VEHICLES, drawn=lambda _: bar.update(1))


def _print_files(title: str, files: "Sequence[BrokenFile]") -> None:
    if files:
        click.echo(f"{len(files):,} {title}:")
    for file in files[:_SHOWN]:
        click.echo(f"  {file.path}: {file.reason}")
    if len(files) > _SHOWN:
        click.echo(f"  and {len(files) - _SHOWN:,} more")


def _list_projects(data: Path) -> None:
    """Print the projects, and where they can be opened."""
    from labelling.projects.store import ProjectStore
    from serving.console.address import running_service

    folder = data / PROJECTS
    projects = ProjectStore(folder).list() if folder.is_dir() else []
    for project in projects:
        state = project.error or ("archived" if project.archived else "")
        click.echo(f"{project.name}  {project.photos:,} photos, {project.labelled:,} labelled  {state}".rstrip())
    if projects:
        click.echo('labelled: photos with a label; "can\'t tell" and blind answers are labels too')
    else:
        click.echo(f"no projects in {folder}")
    if address := running_service(data):
        click.echo(f"open {address}/console/label in a browser")
    else:
        click.echo("begin or continue one with `shopcat label FOLDER`, or with `shopcat label --demo`")
