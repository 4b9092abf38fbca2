"""The autoscaler gets the replicas that it should, by Prometheus's own engine and made-up series.

Prometheus computes the queries of the ScaledObject.
"""

import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from benchmarks.scale.autoscaling import SCALED_OBJECT
from benchmarks.scale.rules import Rule, desired
from benchmarks.scale.simulation import Delays, Pod, simulate
from tests.deploy.kubernetes.manifests import of_kind, render

(SCALED,) = of_kind(render("keda"), "ScaledObject")
SPEC = SCALED["spec"]
TRIGGERS = {trigger["name"]: trigger["metadata"] for trigger in SPEC["triggers"]}
MINUTES = 5
STEP_S = 15

Series = dict[str, str]


def replicas(values: dict[str, float], now: int) -> int:
    """Return the replicas that the autoscaler asks for: the most of what each metric asks for, within the bounds."""
    wanted = [desired(value, float(TRIGGERS[name]["threshold"]), now) for name, value in values.items()]
    return min(max(*wanted, SPEC["minReplicaCount"]), SPEC["maxReplicaCount"])


def counter(per_second: float) -> str:
    """Return promtool's notation of a counter."""
    return f"0+{per_second * STEP_S:g}x{MINUTES * 60 // STEP_S}"


def constant(value: float) -> str:
    return f"{value:g}x{MINUTES * 60 // STEP_S}"


def pod(
    number: int,
    *,
    busy: float = 0,
    others: float = 0,
    requests: float = 0,
    rejected: float = 0,
    ready: int = 1,
    namespace: str = "shopcat",
) -> Series:
    """Return the series of one pod: cores of workers and other processes, requests and rejections per second."""
    labels = f'namespace="{namespace}", pod="{namespace}-{number}"'
    found = {f"shopcat_ready{{{labels}}}": constant(ready)}
    found[f"shopcat_host_cpu_seconds_total{{{labels}}}"] = counter(busy + others)
    for model, share in (("sales", 0.75), ("pets", 0.25)):
        found[f'shopcat_workers{{model="{model}", {labels}}}'] = constant(2)
        found[f'envoy_cluster_upstream_rq_total{{envoy_cluster_name="{model}", {labels}}}'] = counter(requests * share)
        for name in ("active", "pending"):
            overflow = rejected * share if name == "active" else 0
            found[f'envoy_cluster_upstream_rq_{name}_overflow{{envoy_cluster_name="{model}", {labels}}}'] = counter(
                overflow
            )
        if busy:  # a histogram has no series before its first event
            for stage, part in (("features", 0.25), ("inference", 0.75), ("queue", 50), ("total", 70)):
                series = f'shopcat_stage_seconds_sum{{model="{model}", stage="{stage}", {labels}}}'
                found[series] = counter(busy * share * part)
    return found


def together(*pods: Series) -> Series:
    return {name: values for series in pods for name, values in series.items()}


CASES: dict[str, tuple[Series, dict[str, float] | None, int, int | None]] = {
    # series; values of the queries, None for none; replicas now; replicas that are asked for, None for the fallback
    # Without another value, the cores in use are those of the busy workers.
    "without requests": (together(pod(1), pod(2), pod(3)), {"busy-workers": 0, "rejections": 0}, 3, 2),
    "at the target": (
        together(*(pod(number, busy=1.2, requests=100) for number in range(3))),
        {"busy-workers": 3.6, "rejections": 0},
        3,
        3,
    ),
    "within the tolerance": (
        together(*(pod(number, busy=1.3, requests=100) for number in range(3))),
        {"busy-workers": 3.9, "rejections": 0},
        3,
        3,
    ),
    "all cores busy": (
        together(*(pod(number, busy=2, requests=500) for number in range(3))),
        {"busy-workers": 6, "rejections": 0},
        3,
        5,
    ),
    "short forecasts, at which the gateway works more than the workers": (
        together(*(pod(number, busy=0.5, others=1.5, requests=4000) for number in range(3))),
        {"busy-workers": 1.5, "cores": 6, "rejections": 0},
        3,
        5,
    ),
    "half as busy as wanted": (
        together(*(pod(number, busy=0.6, requests=50) for number in range(8))),
        {"busy-workers": 4.8, "rejections": 0},
        8,
        4,
    ),
    "rejections in a burst that leaves the workers idle": (
        together(*(pod(number, busy=0.4, requests=100, rejected=5) for number in range(2))),
        {"busy-workers": 0.8, "rejections": 3},
        2,
        3,
    ),
    "few rejections": (
        together(*(pod(number, busy=1.2, requests=1000, rejected=5) for number in range(3))),
        {"busy-workers": 3.6, "rejections": 0},
        3,
        3,
    ),
    "rejections of many pods": (
        together(*(pod(number, busy=1.2, requests=100, rejected=5) for number in range(11))),
        {"busy-workers": 13.2, "rejections": 14},
        11,
        14,
    ),
    "pods that start do not make the step larger": (
        together(*(pod(number, busy=1, requests=100, rejected=5, ready=number < 2) for number in range(3))),
        {"busy-workers": 3, "rejections": 3},
        3,
        3,
    ),
    "at the bound": (
        together(*(pod(number, busy=2, requests=500, rejected=50) for number in range(18))),
        {"busy-workers": 36, "rejections": 22},
        18,
        20,
    ),
    "busy pods of another namespace": (
        together(pod(1), pod(2), pod(3, busy=2, requests=500, rejected=50, namespace="staging")),
        {"busy-workers": 0, "rejections": 0},
        2,
        2,
    ),
    "no pod is scraped": (pod(3, busy=2, requests=500, namespace="staging"), None, 2, None),
}


def run(
    promtool: str, folder: Path, series: Series, values: dict[str, float] | None
) -> subprocess.CompletedProcess[str]:
    """Let Prometheus compute all queries over the series, and compare."""
    tests: list[dict[str, Any]] = [
        {
            "expr": f"round(1000 * ({metadata['query']}))",  # promtool compares without a tolerance
            "eval_time": f"{MINUTES}m",
            "exp_samples": [] if values is None else [{"labels": "{}", "value": round(1000 * values[name])}],
        }
        for name, metadata in TRIGGERS.items()
    ]
    inputs = [{"series": name, "values": points} for name, points in series.items()]
    group = {"interval": f"{STEP_S}s", "input_series": inputs, "promql_expr_test": tests}
    file = folder / "test.yml"
    file.write_text(yaml.safe_dump({"tests": [group]}), "utf-8")
    return subprocess.run([promtool, "test", "rules", file], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("case", CASES)
def test_replicas_follow_the_load(case: str, promtool: str, tmp_path: Path) -> None:
    series, given, now, expected = CASES[case]
    values = given and {"cores": given["busy-workers"], **given}
    done = run(promtool, tmp_path, series, values)
    assert done.returncode == 0, done.stdout + done.stderr
    if values is None:
        assert expected is None
        assert all(metadata["ignoreNullValues"] == "false" for metadata in TRIGGERS.values()), "no answer is an error"
        assert SPEC["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert SPEC["fallback"]["replicas"] >= SPEC["minReplicaCount"]
    else:
        assert replicas(values, now) == expected


def test_a_wrong_value_is_found(promtool: str, tmp_path: Path) -> None:
    series, values, _, _ = CASES["all cores busy"]
    assert values is not None
    done = run(promtool, tmp_path, series, {**values, "cores": 6, "busy-workers": 5.5})
    assert done.returncode != 0
    assert "6" in done.stdout + done.stderr


def test_the_target_is_a_share_of_the_cores() -> None:
    (deployment,) = of_kind(render("keda"), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for name in ("busy-workers", "cores"):
        assert float(TRIGGERS[name]["threshold"]) == pytest.approx(0.6 * int(container["resources"]["limits"]["cpu"]))


def test_a_promotion_ends_in_enough_pods() -> None:
    """From two pods, a load of 12 busy cores: the rule asks for more until 0.6 of the cores are busy."""
    pod = Pod(limit=8, answered=[50.0], busy=[2.0], cores=[2.0])
    result = simulate(np.full(1800, 300.0), pod, Rule.of_scaled_object(SCALED_OBJECT), Delays(), pods=2)
    assert result.pods[-1] == 10
    assert sum(result.refused_each_second[-900:]) == 0
