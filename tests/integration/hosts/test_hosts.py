"""Three hosts behind the Envoy of deploy/hosts: no request is lost, whatever happens to a host."""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from serving import local_http
from tests.integration.hosts.hosts import ADDRESSES, FILES, OPTIONS, START_S, Cluster, cluster
from tests.integration.runners.kinds import TORCHSERVE
from tests.integration.service.shopcat import Load
from tests.integration.waiting import until

pytestmark = pytest.mark.cluster

OLD, NEW = "20990101-old", "20990102-new"


def bundle_of_version(bundle: Path, folder: Path, version: str) -> Path:
    """Return a copy of a bundle with another version."""
    copy = shutil.copytree(bundle, folder / version)
    manifest = json.loads((copy / "bundle.json").read_text())
    (copy / "bundle.json").write_text(json.dumps(manifest | {"version": version}))
    return copy


@pytest.fixture(scope="module")
def hosts(demo_bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three TorchServe hosts with one worker each, and the old version of a bundle."""
    folder = tmp_path_factory.mktemp("hosts")
    with cluster(bundle_of_version(demo_bundle, folder, OLD), TORCHSERVE, folder) as running:
        yield running


def assert_all_answered(requests: Load) -> None:
    assert (requests.statuses.keys(), requests.lost, requests.refused) == ({200}, [], 0)


def all_healthy(hosts: Cluster) -> bool:
    return until(lambda: hosts.healthy() == set(ADDRESSES), START_S)


# The tests run in this order. Each leaves the hosts complete.


def test_the_hosts_run_as_the_guide_says() -> None:
    guide = (FILES.parents[1] / "docs/guides/deploy.md").read_text(encoding="utf-8")
    assert re.search(rf"^shopcat serve .* {OPTIONS}$", guide, re.MULTILINE)
    assert re.search(r"^envoy -c envoy.yaml$", guide, re.MULTILINE)


def test_all_hosts_answer(hosts: Cluster) -> None:
    with hosts.load() as requests:
        for host in hosts.hosts:
            hosts.wait_until_answered_by(host)
    assert_all_answered(requests)
    assert set(requests.versions) == {OLD}


def test_a_host_that_is_cut_off_while_another_is_slow_costs_no_answer(hosts: Cluster) -> None:
    cut, slow, sound = hosts.hosts
    with hosts.load() as requests, slow.slow():
        before = hosts.answered()
        with hosts.network.cut_off(cut.address):
            assert until(lambda: cut.address not in hosts.healthy()), hosts.answered()
            requests.wait_for_answers(200)
            after = hosts.answered()
            assert after[sound.address] - before[sound.address] > 2 * (after[slow.address] - before[slow.address])
        assert until(lambda: cut.address in hosts.healthy())
        hosts.wait_until_answered_by(cut)
    assert_all_answered(requests)


def test_a_host_whose_workers_hang_costs_no_answer(hosts: Cluster) -> None:
    hanging, _, sound = hosts.hosts
    with hosts.load() as requests:
        with hanging.hanging():  # its other processes answer the health checks
            assert until(lambda: hanging.address not in hosts.healthy(), 60), hosts.answered()
            hosts.wait_until_answered_by(sound, 200)
        assert all_healthy(hosts)
    assert_all_answered(requests)


def test_a_host_with_a_slow_link_costs_no_answer(hosts: Cluster) -> None:
    slow, _, sound = hosts.hosts
    with hosts.load() as requests:
        before = hosts.answered()
        with hosts.network.slow_link(slow.address, "32kbit"):
            requests.wait_for_answers(300)
        after = hosts.answered()
        assert after[sound.address] - before[sound.address] > 2 * (after[slow.address] - before[slow.address])
        assert all_healthy(hosts)
    assert_all_answered(requests)


def test_a_host_that_rejects_requests_costs_no_answer(hosts: Cluster) -> None:
    rejecting = hosts.hosts[0]
    with hosts.load() as requests:
        for worker in rejecting.workers():
            worker.kill()
        assert until(lambda: rejecting.address not in hosts.healthy())
        assert all_healthy(hosts)
    assert_all_answered(requests)


def test_a_host_that_is_taken_away_gets_no_more_requests(hosts: Cluster) -> None:
    away, *others = hosts.hosts
    with hosts.load() as requests:
        hosts.distribute_over([host.address for host in others])
        assert until(lambda: hosts.answered().keys() == {host.address for host in others}), hosts.answered()
        requests.wait_for_answers(50)
        hosts.distribute_over(ADDRESSES)
        assert all_healthy(hosts)
        hosts.wait_until_answered_by(away)
    assert_all_answered(requests)


def test_a_rolling_update_costs_no_answer(hosts: Cluster, demo_bundle: Path, tmp_path: Path) -> None:
    new = bundle_of_version(demo_bundle, tmp_path, NEW)
    for host in hosts.hosts:
        host.use(new)
    with hosts.load() as requests:
        assert set(requests.versions) == {OLD}  # a running host does not notice
        roll(hosts, tmp_path)
        assert set(requests.versions) == {OLD, NEW}
        requests.versions.clear()
        requests.wait_for_answers(50)
    assert set(requests.versions) == {NEW}
    assert_all_answered(requests)


def test_an_envoy_that_is_to_stop_is_not_ready_and_answers(hosts: Cluster) -> None:
    assert hosts.is_ready()
    with hosts.load() as requests:
        local_http.ask(hosts.folder / "admin.sock", "/healthcheck/fail", method="POST")
        assert not hosts.is_ready()
        requests.wait_for_answers(50)
        local_http.ask(hosts.folder / "admin.sock", "/healthcheck/ok", method="POST")
    assert hosts.is_ready()
    assert_all_answered(requests)


def roll(hosts: Cluster, folder: Path) -> None:
    """Restart all hosts with the script of deploy/hosts."""
    restart = folder / "restart"
    restart.write_text(
        f'#!/bin/sh\npid=$(cat "{hosts.folder.parent}/$1/pid")\nkill -TERM "$pid"\n'
        'while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done\n'
    )
    restart.chmod(0o755)
    done = subprocess.run(
        ["./roll.sh", str(restart), *ADDRESSES],
        cwd=hosts.folder,
        capture_output=True,
        text=True,
        env=os.environ | {"WAIT_S": "200"},
    )
    assert done.returncode == 0, done.stderr + hosts.output()
