"""Run a worker with the settings in a file; `serving.python` starts it."""

import sys
from pathlib import Path

from handlers.python.server import run
from handlers.python.settings import Settings

if __name__ == "__main__":
    run(Settings.read(Path(sys.argv[1])))
