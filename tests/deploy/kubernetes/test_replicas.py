"""The autoscaler gets the replicas that it should, by Prometheus's own engine and made-up series.

Prometheus computes the queries of the ScaledObject. The autoscaler's formula is that of Kubernetes's documentation,
https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details.
"""

import math
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.kubernetes.manifests import of_kind, render

(SCALED,) = of_kind(render("keda"), "ScaledObject")
SPEC = SCALED["spec"]
TRIGGERS = {trigger["name"]: trigger["metadata"] for trigger in SPEC["triggers"]}
TOLERANCE = 0.1  # Kubernetes ignores smaller changes of the ratio
MINUTES = 5
STEP_S = 15

Series = dict[str, str]


def desired(values: dict[str, float], replicas: int) -> int:
    """Return the replicas that the autoscaler asks for: the most of what each metric asks for, within the bounds."""
    proposals = []
    for name, value in values.items():
        target = float(TRIGGERS[name]["threshold"])
        ratio = value / (target * replicas)
        proposals.append(replicas if abs(ratio - 1) <= TOLERANCE else math.ceil(value / target))
    return min(max(*proposals, SPEC["minReplicaCount"]), SPEC["maxReplicaCount"])


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
    refused: float = 0,
    ready: int = 1,
    namespace: str = "shopcat",
) -> Series:
    """Return the series of one pod: processors of workers and other processes, requests and refusals per second."""
    labels = f'namespace="{namespace}", pod="{namespace}-{number}"'
    found = {f"shopcat_ready{{{labels}}}": constant(ready)}
    found[f"shopcat_host_cpu_seconds_total{{{labels}}}"] = counter(busy + others)
    for model, share in (("sales", 0.75), ("pets", 0.25)):
        found[f'shopcat_workers{{model="{model}", {labels}}}'] = constant(2)
        found[f'envoy_cluster_upstream_rq_total{{envoy_cluster_name="{model}", {labels}}}'] = counter(requests * share)
        for name in ("active", "pending"):
            rejected = refused * share if name == "active" else 0
            found[f'envoy_cluster_upstream_rq_{name}_overflow{{envoy_cluster_name="{model}", {labels}}}'] = counter(
                rejected
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
    # Without another value, the processors in use are those of the busy workers.
    "without requests": (together(pod(1), pod(2), pod(3)), {"busy-workers": 0, "refusals": 0}, 3, 2),
    "at the target": (
        together(*(pod(number, busy=1.2, requests=100) for number in range(3))),
        {"busy-workers": 3.6, "refusals": 0},
        3,
        3,
    ),
    "within the tolerance": (
        together(*(pod(number, busy=1.3, requests=100) for number in range(3))),
        {"busy-workers": 3.9, "refusals": 0},
        3,
        3,
    ),
    "all processors busy": (
        together(*(pod(number, busy=2, requests=500) for number in range(3))),
        {"busy-workers": 6, "refusals": 0},
        3,
        5,
    ),
    "short forecasts, at which the gateway works more than the workers": (
        together(*(pod(number, busy=0.5, others=1.5, requests=4000) for number in range(3))),
        {"busy-workers": 1.5, "processors": 6, "refusals": 0},
        3,
        5,
    ),
    "half as busy as wanted": (
        together(*(pod(number, busy=0.6, requests=50) for number in range(8))),
        {"busy-workers": 4.8, "refusals": 0},
        8,
        4,
    ),
    "refusals in a burst that leaves the workers idle": (
        together(*(pod(number, busy=0.4, requests=100, refused=5) for number in range(2))),
        {"busy-workers": 0.8, "refusals": 3},
        2,
        3,
    ),
    "few refusals": (
        together(*(pod(number, busy=1.2, requests=1000, refused=5) for number in range(3))),
        {"busy-workers": 3.6, "refusals": 0},
        3,
        3,
    ),
    "refusals of many pods": (
        together(*(pod(number, busy=1.2, requests=100, refused=5) for number in range(11))),
        {"busy-workers": 13.2, "refusals": 14},
        11,
        14,
    ),
    "pods that start do not make the step larger": (
        together(*(pod(number, busy=1, requests=100, refused=5, ready=number < 2) for number in range(3))),
        {"busy-workers": 3, "refusals": 3},
        3,
        3,
    ),
    "at the bound": (
        together(*(pod(number, busy=2, requests=500, refused=50) for number in range(18))),
        {"busy-workers": 36, "refusals": 22},
        18,
        20,
    ),
    "busy pods of another namespace": (
        together(pod(1), pod(2), pod(3, busy=2, requests=500, refused=50, namespace="staging")),
        {"busy-workers": 0, "refusals": 0},
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
    values = given and {"processors": given["busy-workers"], **given}
    done = run(promtool, tmp_path, series, values)
    assert done.returncode == 0, done.stdout + done.stderr
    if values is None:
        assert expected is None
        assert all(metadata["ignoreNullValues"] == "false" for metadata in TRIGGERS.values()), "no answer is an error"
        assert SPEC["fallback"]["behavior"] == "currentReplicasIfHigher"
        assert SPEC["fallback"]["replicas"] >= SPEC["minReplicaCount"]
    else:
        assert desired(values, now) == expected


def test_a_wrong_value_is_found(promtool: str, tmp_path: Path) -> None:
    series, values, _, _ = CASES["all processors busy"]
    assert values is not None
    done = run(promtool, tmp_path, series, {**values, "processors": 6, "busy-workers": 5.5})
    assert done.returncode != 0
    assert "6" in done.stdout + done.stderr


def test_the_target_is_a_share_of_the_processors() -> None:
    (deployment,) = of_kind(render("keda"), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    for name in ("busy-workers", "processors"):
        assert float(TRIGGERS[name]["threshold"]) == pytest.approx(0.6 * int(container["resources"]["limits"]["cpu"]))


def test_a_promotion_ends_in_enough_pods_and_without_refusals() -> None:
    """From two pods, a load of 12 busy processors: every step asks for more until 0.6 of the processors are busy.

    The pods reject the rest meanwhile, so their workers show at most all of their processors as busy.
    """
    replicas, steps, processors = 2, [2], 2
    while True:
        busy = min(12.0, replicas * processors)
        refusals = math.ceil(1.2 * replicas) if busy == replicas * processors else 0
        wanted = desired({"busy-workers": busy, "refusals": refusals}, replicas)
        if wanted == replicas:
            break
        replicas = wanted
        steps.append(replicas)
    assert steps == [2, 4, 7, 10]
    assert 12 / (replicas * processors) == pytest.approx(0.6)
