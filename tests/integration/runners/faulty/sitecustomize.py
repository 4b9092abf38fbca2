"""Python imports this module at its start, where the folder is in PYTHONPATH."""

import os

from tests.integration.runners.faults import FOLDER, install

if FOLDER in os.environ:
    install()
