"""Run the console with the settings in a file; `serving.console.process` starts it."""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from console.app import create_app
from console.settings import Settings
from runtime.errors import UserError
from runtime.log_lines import JsonFormatter

logger = logging.getLogger("console")

_KEEP_ALIVE_S = 75  # longer than the gateway keeps a connection, so that no request meets one that is being closed
_STOP_S = 5
_WAITING = 128  # connections that wait to be accepted


async def run(file: Path) -> None:
    """Serve until SIGTERM or SIGINT. SIGHUP reads the settings again, for the bundles of a reload."""
    settings = Settings.read(file)
    app = create_app(settings)

    def reload() -> None:
        app.state.settings = Settings.read(file)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, reload)
    settings.socket.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(settings.socket))
        listening.listen(_WAITING)
        config = uvicorn.Config(
            app,
            http="httptools",
            ws="none",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=_KEEP_ALIVE_S,
            timeout_graceful_shutdown=_STOP_S,
        )
        await _Server(config, app).serve([listening])


class _Server(uvicorn.Server):
    """A server that ends the streams of labelling first, because it waits for the requests in progress."""

    def __init__(self, config: uvicorn.Config, app: Starlette) -> None:
        super().__init__(config)
        self._app = app

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._app.state.labelling.end_streams()
        await super().shutdown(sockets)


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m console", description=__doc__)
    parser.add_argument("--settings", type=Path, required=True, help="JSON file with the settings")
    file = parser.parse_args().settings
    os.umask(0o077)  # the database and the photos are for this user alone
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter("console", pid=os.getpid()))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        import uvloop

        uvloop.run(run(file))
    except (UserError, OSError) as error:
        logger.error("%s", error)
        sys.exit(2)


if __name__ == "__main__":
    main()
