"""console.feedback.answers: numbers of answers from the service's metrics, which only grow."""

import datetime as dt
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import URLError

import pytest

from console.feedback.answers import AnswerCounter, totals
from console.storage import Database, open_database


class Metrics:
    """Metrics of a service, which a test sets."""

    def __init__(self) -> None:
        self.text = ""
        metrics = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(200)
                self.end_headers()
                self.wfile.write(metrics.text.encode())

            def log_message(self, *_: object) -> None: ...

        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/metrics"
        Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()


@pytest.fixture
def metrics() -> Iterator[Metrics]:
    made = Metrics()
    yield made
    made.server.shutdown()
    made.server.server_close()


@pytest.fixture
def database(tmp_path: Path, database_address: str) -> Iterator[Database]:
    opened = open_database(tmp_path, database_address)
    yield opened
    opened.close()


def counted(database: Database) -> dict[str, int]:
    with database.reading() as connection:
        rows = connection.execute("SELECT model, day, number FROM feedback_answers").fetchall()
    assert {row["day"] for row in rows} <= {str(dt.datetime.now(dt.UTC).date())}
    return {row["model"]: row["number"] for row in rows}


def test_totals_add_up_all_decisions_of_a_model() -> None:
    text = (
        "# HELP shopcat_forecasts_total Forecasts.\n"
        'shopcat_forecasts_total{model="sales"} 12.0\n'
        'shopcat_decisions_total{decision="accept",model="pets"} 3.0\n'
        'shopcat_decisions_total{decision="review",model="pets"} 1.0\n'
        'shopcat_requests_total{client="",model="sales",status="200"} 99.0\n'
    )
    assert totals(text) == {"sales": 12, "pets": 4}


def test_answers_since_the_last_reading_are_counted(metrics: Metrics, database: Database) -> None:
    counter = AnswerCounter(database, metrics.address)
    for number in (5, 12, 12, 20):
        metrics.text = f'shopcat_forecasts_total{{model="sales"}} {number}.0\n'
        counter.read()
    assert counted(database) == {"sales": 15}  # the five were answered before the console ran
    metrics.text += 'shopcat_decisions_total{decision="accept",model="pets"} 2.0\n'
    counter.read()
    assert counted(database) == {"sales": 15, "pets": 2}


def test_a_service_that_does_not_answer_is_asked_again(metrics: Metrics, database: Database) -> None:
    counter = AnswerCounter(database, metrics.address)
    counter.start()
    metrics.server.shutdown()
    counter.stop()
    with pytest.raises(URLError, match="refused"):
        AnswerCounter(database, "http://127.0.0.1:1/metrics").read()
