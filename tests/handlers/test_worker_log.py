"""handlers.worker_log: JSON lines of a worker, each with the ids of its request, and one traceback for equal errors."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
WORKER = """
import logging
from handlers.worker_log import log_lines
logging.basicConfig(format="%(message)s", level=logging.INFO)  # as TorchServe's worker does
log_lines("sales")
logger = logging.getLogger("handlers.batch")
def fail(place, error=KeyError):
    raise error(place)
for number, error in ((1, KeyError), (2, KeyError), (3, ValueError), (4, KeyError)):
    try:
        fail(number, error)
    except Exception:
        logger.exception("internal error e%d", number, extra={"error_id": f"e{number}", "request_id": f"r{number}"})
try:
    int("x")
except ValueError:
    logger.exception("another place")
logger.info("not written")
logger.warning("no error")
"""


def lines() -> list[dict[str, object]]:
    environment = {**os.environ, "SHOPCAT_INSTANCE": "3"}
    command = [sys.executable, "-c", WORKER]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return [json.loads(line) for line in done.stderr.splitlines()]


def test_each_record_is_a_line_with_its_ids_and_equal_tracebacks_are_written_once() -> None:
    first, second, other_type, fourth, other_place, last = lines()
    assert (first["request_id"], first["error_id"], first["level"], first["source"]) == ("r1", "e1", "error", "worker")
    assert (first["model"], first["instance"], last["message"]) == ("sales", 3, "no error")
    assert "KeyError: 1" in str(first["exception"])
    assert [("exception" in line) for line in (second, other_type, fourth, other_place, last)] == [
        *(False, True, False, True, False)
    ]
    assert second["message"] == "internal error e2: KeyError: 2 (traceback as under e1; seen 2 times)"
    assert fourth["message"] == "internal error e4: KeyError: 4 (traceback as under e1; seen 3 times)"
    assert (fourth["request_id"], fourth["error_id"]) == ("r4", "e4")
