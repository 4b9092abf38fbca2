"""benchmarks.overload: latencies count from the planned time of sending."""

import asyncio

import pytest

pytest.importorskip("uvloop", reason="the extra bench is not installed")

from benchmarks import overload

ANSWER = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
PAUSE_S = 0.3


def test_a_request_that_waits_for_a_connection_counts_its_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers the first request late. The others are planned meanwhile and sent afterwards."""
    monkeypatch.setattr(overload, "CONNECTIONS", 1)

    async def measure() -> overload.Latencies:
        first = True

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal first
            while await reader.read(65536):
                if first:
                    await asyncio.sleep(PAUSE_S)
                first = False
                writer.write(ANSWER)

        async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            requests = overload.Bodies("application/json", [b"{}"])
            return await overload.replay(f"http://127.0.0.1:{port}/", requests, rate=1000, seconds=0.02, seed=0)

    latencies = asyncio.run(measure())
    assert latencies.lost == 0
    assert len(latencies.by_status[200]) == 20
    assert min(latencies.by_status[200]) > 1e3 * PAUSE_S / 2
