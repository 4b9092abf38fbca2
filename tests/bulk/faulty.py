"""A proxy in front of a store that fails as networks and stores do."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Literal

import aiohttp
from aiohttp import web

Fault = Literal["busy", "cut before", "cut after", "slow", ""]


class Proxy:
    """A proxy that asks a function what to do with each request.

    Attributes:
        url: its address.
        requests: number of requests so far.
        sent: bytes of bodies that it has passed to clients.
        faults: number of requests that it did not pass as they were.
    """

    def __init__(self, fault: Callable[[int], Fault]) -> None:
        self.url, self.requests, self.sent, self.faults, self._fault = "", 0, 0, 0, fault

    async def answer(self, target: str, session: aiohttp.ClientSession, request: web.Request) -> web.StreamResponse:
        """Pass a request and its answer, or fail."""
        self.requests += 1
        fault = self._fault(self.requests)
        self.faults += bool(fault)
        body = await request.read()
        if fault == "busy":
            return web.Response(status=503, text="<Error><Code>SlowDown</Code></Error>", content_type="application/xml")
        if fault == "slow":
            await asyncio.sleep(0.5)
        if fault != "cut before":
            headers = {name: value for name, value in request.headers.items() if name.lower() != "expect"}
            asked = session.request(request.method, f"{target}{request.raw_path}", headers=headers, data=body)
            async with asked as answer:
                content = await answer.read()
            if fault != "cut after":
                self.sent += len(content)
                return _passed(request.method, answer, content)
        assert request.transport is not None
        request.transport.abort()
        return web.Response()


def _passed(method: str, answer: aiohttp.ClientResponse, content: bytes) -> web.Response:
    dropped = {"transfer-encoding", "connection", "date", "server"}
    if method != "HEAD":
        dropped.add("content-length")
    kept = [(name, value) for name, value in answer.headers.items() if name.lower() not in dropped]
    return web.Response(status=answer.status, headers=kept, body=None if method == "HEAD" else content)


@contextmanager
def proxy(target: str, fault: Callable[[int], Fault] = lambda number: "") -> Iterator[Proxy]:
    """Run a proxy in a thread until the block ends.

    Args:
        target: address of the store.
        fault: function from the number of a request to what goes wrong with it.
    """
    proxy, loop, ready = Proxy(fault), asyncio.new_event_loop(), threading.Event()
    stop = asyncio.Event()

    async def serve() -> None:
        async with aiohttp.ClientSession(auto_decompress=False, skip_auto_headers=["User-Agent"]) as session:
            application = web.Application(client_max_size=1 << 30)

            async def answer(request: web.Request) -> web.StreamResponse:
                return await proxy.answer(target, session, request)

            application.router.add_route("*", "/{path:.*}", answer)
            runner = web.AppRunner(application)
            await runner.setup()
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            proxy.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            ready.set()
            await stop.wait()
            await runner.cleanup()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()
