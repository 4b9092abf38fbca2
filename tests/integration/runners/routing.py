"""Wait until a gateway knows that workers are ready; it learns that up to 0.1 s after the workers say so."""

from handlers.readiness import ready_workers
from serving.service import Service
from tests.integration.waiting import until


def routed_pids(service: Service, workers: int) -> set[int]:
    """Return the PIDs of the ready workers, once all are ready and the gateway sends requests to all instances."""

    def pids() -> set[int]:
        return {worker.pid for worker in ready_workers(service.pool.shared.ready)}

    def is_routed() -> bool:
        if service.gateway is None:
            return False
        hosts = service.gateway.hosts()["sales"].values()
        return len(hosts) == len(service.pool.instances) and all(host.is_healthy for host in hosts)

    assert until(lambda: len(pids()) == workers and is_routed(), 60)
    return pids()
