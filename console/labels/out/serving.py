"""Serving of a bundle that was made from labels, in place of a model of the command line, and the way back."""

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

from console.choices import Choice, choose, read_choice, settle, undo, withdraw
from console.labels.out.job import Job, JobError
from console.settings import Settings
from labelling.projects.errors import disk_errors
from runtime.bundle import BundleError, kind_of, read_json
from runtime.errors import UserError
from schemas.labels.bundles import Serving

_RELOAD_S, _POLL_S = 300.0, 0.2
_BUSY = "the service is loading a bundle already; wait for it"


class NotSupportedError(UserError):
    """The service can't serve a bundle from labels as it was started; the message has the reason."""


class ServedModels:
    """Served models that bundles from labels may replace. Its methods block: call them in a thread.

    Args:
        settings: returns the console's settings of now; a reload replaces them.
    """

    def __init__(self, settings: Callable[[], Settings]) -> None:
        self._settings = settings
        self._choosing = threading.Lock()  # held from the check to the start of the reload
        self._changing: threading.Thread | None = None
        self._error: str | None = None

    def default_name(self) -> str:
        """Return the name of the first pets model of the command line, or ``pets``."""
        return next(iter(self._replaceable()), "pets")

    def state(self, job: Job | None) -> Serving:
        """Return the state of the model that a project's bundle replaces or may replace.

        Args:
            job: the job that has made the bundle; None without one.
        """
        settings = self._settings()
        name = self.default_name() if job is None or job.manifest is None else job.manifest.name
        served = settings.bundles.get(name)
        version = None if served is None else _version(served)
        choice = read_choice(settings.data, name)
        return Serving(
            state=self._state(choice, version),
            model=None if served is None else name,
            version=version,
            chosen=None if choice is None else choice.version,
            chosen_by=None if choice is None else choice.who,
            origin=None if choice is None else choice.origin,
            instead_of=None if choice is None else choice.instead_of_version,
            address=None if served is None else f"/predictions/{name}",
            error=self._error,
            refused=self.refusal(name),
        )

    def refusal(self, name: str) -> str | None:
        """Return why no bundle of this name can be served; None if one can."""
        settings = self._settings()
        if settings.service is None or os.getppid() != settings.service:
            return "this console was not started by `shopcat serve`, so it can't reload the models"
        if name not in self._replaceable():
            models = ", ".join(self._replaceable()) or "none"
            return (
                f"the service has no pets model named {name!r} to replace (it has {models}); make the bundle again "
                "with the name of one, or start the service again with this bundle's folder too"
            )
        return None

    def serve(self, job: Job, *, who: str, origin: str) -> None:
        """Choose a bundle, and reload the service. If the reload fails, the earlier choice counts again.

        Args:
            job: the job that has made the bundle.
            who: name of the person who chose it.
            origin: name of the project.

        Raises:
            NotSupportedError: if the service can't do it.
            JobError: if it is loading another bundle.
            BundleError: if the bundle is damaged.
            FullError: if the disk is full.
        """
        assert job.manifest is not None
        assert job.folder is not None
        name, version = job.manifest.name, job.manifest.version
        with self._change(name):
            settings = self._settings()
            given = settings.given_bundles[name]
            choice = Choice(
                version=version,
                instead_of=given,
                instead_of_version=_version(given) or "",
                who=who,
                origin=origin,
                time=time.time(),
            )
            with disk_errors(settings.data):
                choose(settings.data, name, job.folder, choice)
            self._reload(name, lambda served: served == version)

    def take_back(self, name: str) -> None:
        """Withdraw the choice of a model, and reload the service.

        Raises:
            NotSupportedError: if the service can't do it.
            JobError: if it is loading another bundle.
        """
        with self._change(name):
            data = self._settings().data
            choice = read_choice(data, name)
            if choice is None:
                return
            withdraw(data, name)
            self._reload(name, lambda served: served not in (None, choice.version))

    @contextlib.contextmanager
    def _change(self, name: str) -> Iterator[None]:
        """Check that the choice of a model can be changed, and let nobody else change one while the block runs."""
        if (reason := self.refusal(name)) is not None:
            raise NotSupportedError(reason)
        if not self._choosing.acquire(blocking=False):
            raise JobError(_BUSY)
        try:
            if self._is_changing():
                raise JobError(_BUSY)
            yield
        finally:
            self._choosing.release()

    def _reload(self, name: str, is_served: Callable[[str | None], bool]) -> None:
        settings = self._settings()
        assert settings.service is not None
        self._error = None
        arguments = (name, settings.reloads, is_served)
        self._changing = threading.Thread(target=self._wait, args=arguments, name="reload", daemon=True)
        self._changing.start()
        os.kill(settings.service, signal.SIGHUP)

    def _is_changing(self) -> bool:
        return self._changing is not None and self._changing.is_alive()

    def _wait(self, name: str, reloads: int, is_served: Callable[[str | None], bool]) -> None:
        """Wait for the end of a reload, and undo the choice if it has failed."""
        until, data = time.monotonic() + _RELOAD_S, self._settings().data
        while time.monotonic() < until:
            settings = self._settings()
            if settings.reloads > reloads:
                if is_served(_version(settings.bundles[name])):
                    settle(data, name)
                    return
                if settings.reload_error:
                    break
            time.sleep(_POLL_S)
        self._error = self._settings().reload_error or f"the service has not loaded it within {_RELOAD_S:g} s"
        undo(data, name)

    def _state(self, choice: Choice | None, version: str | None) -> Literal["none", "reloading", "served", "failed"]:
        if self._is_changing():
            return "reloading"
        if choice is not None and choice.version == version:
            return "served"
        return "failed" if self._error or choice is not None else "none"

    def _replaceable(self) -> list[str]:
        """Return the names of the pets models of the command line."""
        settings, found = self._settings(), []
        for name, folder in settings.given_bundles.items():
            with contextlib.suppress(UserError):
                if name in settings.bundles and kind_of(folder) == "pets":
                    found.append(name)
        return found


def feature_bundles(settings: Settings) -> dict[str, Path]:
    """Return the bundles whose networks may embed photos: the served ones, but those that a choice has replaced.

    A chosen bundle has another network. With the features of the replaced one, maps and features of all projects stay.
    """
    found = dict(settings.bundles)
    for name, folder in settings.bundles.items():
        with contextlib.suppress(UserError):
            choice = read_choice(settings.data, name)
            given = settings.given_bundles.get(name)
            if choice is not None and given is not None and choice.version == _version(folder):
                found[name] = given
    return found


def _version(folder: Path) -> str | None:
    """Return the version of a bundle; None while a reload replaces its folder."""
    try:
        return str(read_json(folder).get("version"))
    except BundleError:
        return None
