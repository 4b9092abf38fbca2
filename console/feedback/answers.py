"""Numbers of answers, read from the service's metrics, so that the share with a known truth is known too."""

import contextlib
import datetime as dt
import logging
import re
import threading
import urllib.request
from collections import defaultdict
from collections.abc import Mapping

from console.storage import Database, StorageError

logger = logging.getLogger(__name__)

_PERIOD_S = 60.0
_TIMEOUT_S = 10.0
_COUNTERS = re.compile(r'^shopcat_(?:forecasts|decisions)_total\{(?:[^}]*,)?model="([^"]+)"[^}]*\} (\S+)', re.MULTILINE)


class AnswerCounter:
    """Counter of the answers of each model, which reads the service's metrics every minute.

    Answers between its last reading and the service's end are not counted.
    """

    def __init__(self, database: Database, address: str) -> None:
        """Set up; `start` starts reading.

        Args:
            database: the console's database.
            address: address of the service's metrics.
        """
        self._database, self._address = database, address
        self._seen: Mapping[str, float] | None = None
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="answers", daemon=True)

    def start(self) -> None:
        """Read the metrics every minute, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Read them once more and stop."""
        self._stopped.set()
        self._thread.join(_TIMEOUT_S)

    def _run(self) -> None:
        while True:
            with contextlib.suppress(OSError, StorageError):  # the next reading counts these answers too
                self.read()
            if self._stopped.wait(_PERIOD_S):
                return

    def read(self) -> None:
        """Read the metrics and count the answers since the last reading.

        Raises:
            OSError: if the service does not answer.
            StorageError: if the database can't be used.
        """
        with urllib.request.urlopen(self._address, timeout=_TIMEOUT_S) as response:  # noqa: S310 - the service's own
            found = totals(response.read().decode())
        seen = self._seen
        if seen is not None:
            self._add({model: number - seen.get(model, 0.0) for model, number in found.items()})
        self._seen = found

    def _add(self, counts: Mapping[str, float]) -> None:
        day = str(dt.datetime.now(dt.UTC).date())
        with self._database.transaction() as connection:
            for model, number in counts.items():
                if number > 0:
                    connection.execute(
                        "INSERT INTO feedback_answers (model, day, number) VALUES (?, ?, ?) "
                        "ON CONFLICT (model, day) DO UPDATE SET number = feedback_answers.number + excluded.number",
                        (model, day, int(number)),
                    )


def totals(metrics: str) -> Mapping[str, float]:
    """Return the number of answers of each model in metrics of Prometheus's text format.

    >>> totals('shopcat_forecasts_total{model="sales"} 3.0')
    {'sales': 3.0}
    """
    numbers: dict[str, float] = defaultdict(float)
    for model, number in _COUNTERS.findall(metrics):
        numbers[model] += float(number)
    return dict(numbers)
