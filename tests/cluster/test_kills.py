"""Jobs whose workers, machines and driver are killed: every row is in the output once, on every engine."""

from collections import Counter

import pandas as pd
import pytest

from tests.cluster.conftest import PARTS, Jobs, check, gone, kill
from tests.cluster.engines import Engine

pytestmark = [pytest.mark.cluster, pytest.mark.integration]


def test_every_row_is_written_once_whatever_is_killed(jobs: Jobs, engine: Engine, forecasts: pd.DataFrame) -> None:
    jobs.hold("before-8", "after-12", "before-20", "before-21")
    with jobs.driver() as driver:
        kill(jobs.held("before-8"))
        kill(jobs.held("after-12"))
        workers = [jobs.held("before-20"), jobs.held("before-21")]
        assert 12 in jobs.published()
        assert not {20, 21} & jobs.published()
        driver.kill()
        for worker in workers:
            gone(worker)
    earlier, first = jobs.published(), jobs.attempts()
    jobs.hold("before-30", "before-31")
    with jobs.driver() as driver:
        lost, other = jobs.held("before-30"), jobs.held("before-31")
        assert lost != other
        engine.lose(lost)
        (jobs.watched / "go").touch()
        assert driver.wait(300) == 0, jobs.log.read_text(errors="replace")[-3000:]
    second = jobs.attempts()[len(first) :]
    assert not earlier & {*second}  # published parts are not computed again
    assert len(first) + len(second) <= PARTS + 5  # a part for each worker that was lost: 2, 2 with the driver, 1
    assert max(Counter(first + second).values()) <= 3
    check(jobs.out, forecasts)
