"""The command line, whose runners run the function of `tests.cluster.watched`: python -m tests.cluster.driver ..."""

import sys

from bulk.runners import processes, ray, spark
from cli import main
from tests.cluster.watched import run_part

if __name__ == "__main__":
    for runner in (processes, ray, spark):
        runner.run_part = run_part
    sys.exit(main())
