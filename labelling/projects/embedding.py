"""Embedding of a project's photos: a separate process, at the lowest priority, that may be killed at any time.

``python -m labelling.projects.embedding PROJECT BUNDLE`` embeds the photos of a project in a random order, and makes
their thumbnails. It fits the components of the spaces on the first 64 photos, again when there are twice as many, and
at its end if there are a tenth more: fewer new photos lie along the axes of before, so that the maps stay. Then it
groups near duplicates, and removes the features of earlier networks.

Photos that a killed process has embedded are not embedded again. The photo that it was decoding is the last one of the
next process, and if that process ends there too, it is broken.
"""

import argparse
import hashlib
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np

from labelling.features.embedding import embed
from labelling.features.network import FeatureNetwork
from labelling.features.spaces import BY_NAME
from labelling.features.table import remove_others
from labelling.photos.decoding import CRASH, DEADLY, DecodingMarks
from labelling.photos.duplicates import near_duplicates
from labelling.photos.files import BrokenFile
from labelling.projects.drawing import draw_requested
from labelling.projects.errors import ProjectError, disk_errors
from labelling.projects.photos import StoredPhoto
from labelling.projects.progress import LOCK, Progress, features, read_progress, save_progress
from labelling.projects.store import Project
from runtime.cores import lower_priority
from runtime.errors import UserError
from runtime.lock import PROBES_S, lock

FIRST = 64  # photos that the first components are fitted on
GROWTH = 1.1  # more photos than at the last fit, at the end; why: the maps of a project that hardly grows stay
_SIZES = (64, 256)  # of the thumbnails that are made at once; the large ones are made when they are asked for
_DECODING = "decoding.txt"
_DEADLY = (
    "the program that reads photos ended twice while it read this one; save it with another program, or leave it out"
)


def embed_project(project: Project, network: FeatureNetwork) -> bool:
    """Embed all photos of a project, those too that are added meanwhile.

    Returns:
        False if another process embeds already.

    Raises:
        ProjectError: if the project has been archived or deleted meanwhile.
        FullError: if the disk is full.
    """
    lock_file = project.folder / LOCK
    with disk_errors(project.folder):
        lock_file.touch(mode=0o600)
        with lock(lock_file, wait=PROBES_S) as free:
            if free is False:
                return False
            try:
                with disk_errors(project.folder):
                    _Work(project, network).run()
            except Exception as error:
                text = str(error) if isinstance(error, UserError) else f"{type(error).__name__}: {error}"
                with suppress(OSError):
                    save_progress(project, read_progress(project)._replace(finished=False, error=text))
                raise
            return True


class _Work:
    """One run of the embedding."""

    def __init__(self, project: Project, network: FeatureNetwork) -> None:
        self._project, self._network = project, network
        self._table, self._arrays = features(project, network.layout)
        self._marks = DecodingMarks(project.folder / _DECODING)
        self._tried: set[str] = set()

    def run(self) -> None:
        """Embed until there are no more photos; save the progress after each batch."""
        try:
            self._embed()
        except SystemExit:  # of a signal's handler, which can interrupt the marking too
            self._marks.stopped()
            raise

    def _embed(self) -> None:
        draw_requested(self._project)
        self._give_up()
        while waiting := self._waiting():
            hashes = {photo.file.path: photo.sha256 for photo in waiting}
            files = (photo.file for photo in waiting)
            for step in embed(self._network, self._table, files, decoding=self._marks.decoding):
                self._record(step.photos, {hashes[file.path]: file for file in step.broken})
                self._project_components(step.photos)
                self._save()
        self._project_components((), last=True)
        self._group()
        remove_others(self._table.folder.parent, self._network.key)
        if self._arrays.fitted_on:
            self._arrays.remove_others()
        self._save(finished=True)

    def _give_up(self) -> None:
        """Record the photos that have ended too many processes as broken."""
        deadly = [photo for photo, deaths in self._marks.deaths.items() if deaths >= DEADLY]
        files = {photo: self._project.photos[photo].file.path for photo in deadly if photo in self._project.photos}
        self._project.photos.record((), {photo: BrokenFile(path, CRASH, _DEADLY) for photo, path in files.items()})
        for photo in deadly:
            self._marks.forget(photo)

    def _waiting(self) -> list[StoredPhoto]:
        """Return the photos to embed in a random order, which is always the same.

        Those of earlier runs are first, and those that may have ended an earlier process are last.
        """
        new = [
            photo
            for photo in self._project.photos
            if photo.sha256 not in self._tried and (photo.state != "broken" or photo.kind == "unreadable")
        ]
        self._tried.update(photo.sha256 for photo in new)
        return sorted(new, key=self._order)

    def _order(self, photo: StoredPhoto) -> tuple[bool, bool, bytes]:
        drawn = hashlib.sha256(f"embedding {self._project.seed} {photo.sha256}".encode()).digest()
        return photo.sha256 in self._marks.deaths, photo.sha256 not in self._table, drawn

    def _record(self, photos: Sequence[str], broken: Mapping[str, BrokenFile]) -> None:
        """Record a batch, and make its thumbnails."""
        numbers = self._table.numbers(photos).tolist()
        self._project.photos.record([self._table.facts[number] for number in numbers], broken)
        for photo in photos:
            if self._project.thumbnails.cached(photo, _SIZES[0]) is None:
                # A file may have changed since; its features are there.
                with suppress(ProjectError), self._marks.decoding(photo):
                    self._project.thumbnails.make(photo, _SIZES)

    def _project_components(self, photos: Sequence[str], *, last: bool = False) -> None:
        """Project photos along the components; fit these first if there are enough more photos than they know.

        They are fitted on photos that may be seen, and the held-back ones are projected like photos that come later.
        """
        if self._project.photos.counts()["ok"] >= self._enough(last=last):
            held = self._project.audits.current().held
            embedded = [photo.sha256 for photo in self._project.photos if photo.state == "ok"]
            seen = [photo for photo in embedded if photo not in held]
            if len(seen) >= (self._enough(last=last) if self._arrays.fitted_on else 2):
                self._arrays.fit(seen)
                photos = embedded
        if self._arrays.fitted_on:
            self._arrays.add(photos)

    def _enough(self, *, last: bool) -> float:
        """Return the number of photos from which on the components are fitted anew."""
        if not (known := self._arrays.drawn_from):
            return 2 if last else FIRST
        return known * (GROWTH if last else 2)

    def _group(self) -> None:
        """Group near duplicates among the embedded photos."""
        photos = [photo for photo in self._project.photos if photo.state == "ok"]
        if not photos or not self._arrays.fitted_on:
            return
        hashes = [photo.sha256 for photo in photos]
        looks = np.array([photo.dhash for photo in photos], np.uint64)
        groups = near_duplicates(looks, self._arrays.array(BY_NAME["final-what"], hashes))
        twins = {hashes[row]: hashes[first] for row, first in enumerate(groups.tolist())}
        if any(photo.twin != twins[photo.sha256] for photo in photos):
            self._project.photos.group(twins)

    def _save(self, *, finished: bool = False) -> None:
        counts = self._project.photos.counts()
        progress = Progress(
            photos=sum(counts.values()),
            embedded=counts["ok"],
            broken=counts["broken"],
            fitted=self._arrays.fitted_on,
            finished=finished,
        )
        save_progress(self._project, progress)


def main(arguments: list[str] | None = None) -> int:
    """Embed the photos of a project at the lowest priority."""
    parser = argparse.ArgumentParser(prog="python -m labelling.projects.embedding", description=main.__doc__)
    parser.add_argument("project", type=Path, help="folder of the project")
    parser.add_argument("bundle", type=Path, help="bundle with the network of the features")
    options = parser.parse_args(arguments)
    lower_priority()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))
    try:
        embed_project(Project(options.project), FeatureNetwork.load(options.bundle))
    except UserError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
