"""runtime.cores: quotas of control groups of both versions, and machines without any."""

import os
from pathlib import Path

import pytest

from runtime.cores import cpu_seconds, n_cores
from tests.runtime.control_groups import write_control_groups


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),  # in a container
        ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
        ("0::/\n", {"cpu.max": "10000 100000\n"}, 1),
        ("0::/a/b\n", {"cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000\n"}, 3),
        ("0::/of/the/host\n", {"cpu.max": "200000 100000\n"}, 2),
        ("4:cpu,cpuacct:/x\n", {"cpu/x/cpu.cfs_quota_us": "400000\n", "cpu/x/cpu.cfs_period_us": "100000\n"}, 4),
        ("4:cpu,cpuacct:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
        ("3:cpuset:/\n", {}, 8),
        (None, {}, 8),
    ],
)
def test_the_smallest_quota_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, groups: str | None, files: dict[str, str], expected: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)))
    assert n_cores(*write_control_groups(tmp_path, groups, files)) == expected


@pytest.mark.parametrize(
    ("groups", "files"),
    [
        ("0::/\n", {"cpu.max": "100000 100000\n", "cpu.stat": "usage_usec 2500000\nuser_usec 1\n"}),
        ("0::/of/the/host\n", {"cpu.max": "100000 100000\n", "cpu.stat": "usage_usec 2500000\n"}),
        (
            "4:cpu,cpuacct:/x\n",
            {
                "cpu/x/cpu.cfs_quota_us": "100000\n",
                "cpu/x/cpu.cfs_period_us": "100000\n",
                "cpu/x/cpuacct.usage": "2500000000\n",
                "cpu/x/cpu.stat": "nr_periods 1\n",
            },
        ),
    ],
)
def test_the_time_of_a_container_is_its_own(tmp_path: Path, groups: str, files: dict[str, str]) -> None:
    root, process = tmp_path / "cgroup", tmp_path / "self"
    process.write_text(groups)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    assert cpu_seconds(root, process) == 2.5


def test_without_a_quota_the_time_is_the_machines(tmp_path: Path) -> None:
    before = cpu_seconds(tmp_path, tmp_path / "none")
    busy = os.times().user + 0.2
    while os.times().user < busy:
        pass
    assert before + 0.1 < cpu_seconds(tmp_path, tmp_path / "none")
