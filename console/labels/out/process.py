"""The process of a job that makes a bundle: it exports the labels, and then becomes `shopcat train pets`.

It runs at the lowest priority, and holds a lock that ends with it. So a new console finds it after the death of an
earlier one, and no second training begins.
"""

import argparse
import json
import os
import shlex
import sys
from pathlib import Path
from typing import NoReturn

PHOTOS, MODEL, REPORT, SNAPSHOT = "photos", "model", "report", "snapshot.json"
# Beginnings of lines of the log, which a job's progress is read from.
EXPORTED, FITTING, JUDGED, EXPORTING = "exported", "fit:", "temperature", "8 bits:"


def training_command(name: str, options: list[str]) -> list[str]:
    """Return the command that trains on the exported photos in the working directory."""
    command = [sys.executable, "-P", "-m", "cli", "train", "pets", PHOTOS, "--labels", "folders", "--out", MODEL]
    return [*command, "--report", REPORT, "--name", name, "--progress", "--force", *options]


def main(arguments: list[str] | None = None) -> int:
    """Export the labels of a project into the working directory, and train on them."""
    parser = argparse.ArgumentParser(prog="python -m console.labels.out.process", description=main.__doc__)
    parser.add_argument("project", type=Path, help="folder of the project")
    parser.add_argument("--name", required=True, help="name of the model")
    parser.add_argument("--lock", type=int, required=True, help="descriptor of the lock, which stays open")
    parser.add_argument("--options", default="", help="further options of the training")
    given = parser.parse_args(arguments)
    os.ftruncate(given.lock, 0)
    os.pwrite(given.lock, str(os.getpid()).encode(), 0)  # the holder of the lock, for those who cancel it
    os.set_inheritable(given.lock, True)

    from runtime.cores import lower_priority
    from runtime.errors import UserError

    lower_priority()
    try:
        if not Path(SNAPSHOT).exists():
            _export(given.project)
    except (UserError, OSError) as error:
        print(f"Error: {error}", flush=True)
        return 2
    return _become(training_command(given.name, shlex.split(given.options)))


def _become(command: list[str]) -> NoReturn:
    """Run a command in place of this process, which keeps its id and its lock."""
    os.execv(command[0], command)  # noqa: S606 - no shell


def _export(folder: Path) -> None:
    """Write the photos and the snapshot, which says what they are."""
    from labelling.projects.exchange.export import export_folder
    from labelling.projects.models import Models
    from labelling.projects.rows import seen_rows
    from labelling.projects.store import Project
    from runtime.folder import write_file

    project = Project(folder)
    rows = seen_rows(project)
    exported = export_folder(project, Path(PHOTOS))
    model = Models(project.database, project.audits).record(rows, {"bundle": Path.cwd().name})
    snapshot = {
        "train": exported.train,
        "valid": exported.valid,
        "blind": exported.blind,
        "labels": sorted(exported.folders),
        "warnings": exported.warnings,
        "model": model.id,
        "draw": model.draw,
    }
    project.close()
    write_file(Path(SNAPSHOT), json.dumps(snapshot).encode(), mode=0o600)
    print(f"{EXPORTED} {exported.train} photos to train on, {exported.valid} of the audit to judge by", flush=True)


if __name__ == "__main__":
    sys.exit(main())
