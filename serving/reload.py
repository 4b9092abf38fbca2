"""Reload: new instances take over from the old ones, as many at a time as the memory allows."""

import contextlib
import logging
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import NamedTuple, Protocol

from runtime.errors import UserError
from runtime.memory import available_memory
from serving.gateway.envoy import Gateway
from serving.instances import Instance, InstancePool
from serving.process import ServerError

logger = logging.getLogger(__name__)

DRAIN_S = 70.0  # time for admitted requests to be answered before a stop; longer than any request's timeout

_HEALTHY_S = 30.0  # time for the gateway to find a new instance healthy


class ReloadedService(Protocol):
    """Part of a service that a reload uses."""

    pool: InstancePool

    @property
    def gateway(self) -> Gateway | None:
        """Return the running gateway."""
        ...

    def update_routes(self) -> bool:
        """Pass the state of the instances to the gateway; return True if it is up to date."""
        ...

    def update_limits(self, instances: Collection[Instance]) -> None:
        """Apply the admission limits of the instances that serve from now on."""
        ...


def reload(service: ReloadedService, archive: Callable[[], Sequence[Path]]) -> str:
    """Replace all instances by new ones with the current contents of the bundles, and with the current settings.

    New instances are started side by side while the old ones answer. They take over once the gateway finds them
    healthy. Then the old ones answer their last requests and are stopped. If the settings name another number of
    workers, there are more or fewer instances afterwards.

    Args:
        service: the running service.
        archive: makes the archives, one for each model.

    Returns:
        The reason why not all instances serve the new bundles, which the log has too; empty if they do.
    """
    old = [instance for instance in service.pool.instances if instance.role == "serving"]
    replaced = 0
    try:
        pairs = list(_pairs(old, service.pool.runner.archives_by_instance(_archives(service.pool, archive, old))))
        while replaced < len(pairs):
            group = pairs[replaced : replaced + _group_size(old, len(pairs) - replaced)]
            _replace(service, [pair.old for pair in group if pair.old], [pair.new for pair in group if pair.new])
            replaced += len(group)
    except Exception as error:
        service.pool.remove_unused()
        if service.pool.is_closed:
            return "the service is being stopped"
        outcome = "not reloaded; the previous bundles are still served"
        if replaced:
            outcome = f"{replaced} of {len(pairs)} instances are reloaded; the others serve the previous bundles"
        if isinstance(error, (UserError, OSError)):
            logger.error("%s: %s", outcome, error)
        else:
            logger.exception(outcome)
        return f"{outcome}: {error}"
    logger.info("reloaded")
    return ""


class _Pair(NamedTuple):
    """An instance and the archives of the one that replaces it; None if there is no such instance."""

    old: Instance | None
    new: Sequence[Path] | None


def _pairs(old: Collection[Instance], new: Collection[Sequence[Path]]) -> Iterator[_Pair]:
    """Yield each instance with the archives of the one that replaces it, which has the same models."""
    old_by_models, new_by_models = defaultdict(list), defaultdict(list)
    for instance in old:
        old_by_models[frozenset(path.stem for path in instance.archives)].append(instance)
    for archives in new:
        new_by_models[frozenset(path.stem for path in archives)].append(archives)
    for models, archives_of_models in new_by_models.items():
        yield from (_Pair(*pair) for pair in zip_longest(old_by_models[models], archives_of_models))


def _archives(pool: InstancePool, archive: Callable[[], Sequence[Path]], old: Sequence[Instance]) -> list[Path]:
    """Return copies of the current archives, which have the same models as the old ones."""
    archives = archive()
    models = {path.stem for path in archives}
    served = {path.stem for instance in old for path in instance.archives}
    if models != served:
        raise ServerError(
            f"the names of the models have changed from {', '.join(sorted(served))} to {', '.join(sorted(models))}; "
            "restart the service to serve them"
        )
    return pool.copy(archives)


def _group_size(old: Collection[Instance], count: int) -> int:
    """Return how many of ``count`` instances to start at a time, beside those that run.

    Raises:
        ServerError: if there is no memory for a single one.
    """
    needed = max(instance.footprint for instance in old)
    available = available_memory()
    if needed > available:
        raise ServerError(
            f"a new instance needs about {needed >> 20} MiB of memory beside the running ones, and "
            f"{available >> 20} MiB are available; raise the memory limit, or restart the service"
        )
    return min(count, available // needed) if needed else count


def _replace(service: ReloadedService, old: Collection[Instance], archives: Collection[Sequence[Path]]) -> None:
    """Start new instances, let them take over from some old ones, and stop these.

    Args:
        service: the running service.
        old: instances to stop.
        archives: archives of each new instance.

    Raises:
        Exception: if the new instances can't take over; then they are stopped and the old ones continue.
    """
    serving = [instance for instance in service.pool.instances if instance.role == "serving"]
    new = service.pool.start(archives)
    try:
        service.update_limits([*(instance for instance in serving if instance not in old), *new])
        gateway = _switch(service, new)
    except BaseException:
        for instance in new:
            instance.role = "starting"
        service.update_routes()
        with contextlib.suppress(UserError, OSError):
            service.update_limits(serving)
        service.pool.stop(new)
        raise
    for instance in old:
        instance.retire()
        instance.role = "draining"
    service.update_routes()
    if not gateway.wait_until_idle(_sockets(old), DRAIN_S):
        logger.warning("the old instances are stopped with unanswered requests after %g s", DRAIN_S)
    service.pool.stop(old)


def _switch(service: ReloadedService, new: Collection[Instance]) -> Gateway:
    """Send requests to the new instances too, and return the gateway once it finds them healthy."""
    for instance in new:
        instance.role = "serving"
    gateway = service.gateway
    if gateway is None:
        raise ServerError("the gateway does not run; it is being started again")
    if not service.update_routes():
        raise ServerError("the gateway's endpoint files can't be written")
    models = {socket: [path.stem for path in instance.archives] for instance in new for socket in _sockets([instance])}
    if len(models) < len(new) or not gateway.wait_until_healthy(models, _HEALTHY_S):
        raise ServerError(f"the gateway does not find the new instances healthy within {_HEALTHY_S:g} s")
    return gateway


def _sockets(instances: Collection[Instance]) -> list[Path]:
    """Return the Unix sockets of the instances that run."""
    return [
        server.address
        for instance in instances
        if (server := instance.current) is not None and isinstance(server.address, Path)
    ]
