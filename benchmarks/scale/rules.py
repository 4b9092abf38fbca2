"""The autoscaler's arithmetic: the formula, limits and stabilization of Kubernetes' HorizontalPodAutoscaler.

The numbers of the shipped rule come from the ScaledObject of deploy/kubernetes/components/scaling.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

TOLERANCE = 0.1  # relative change that the autoscaler ignores, a default of Kubernetes


@dataclass(frozen=True)
class Sample:
    """Metrics of all pods over the window of a query.

    Attributes:
        busy: workers that are busy, as a mean.
        cores: processor cores in use, as a mean.
        refused: share of the requests that were rejected.
        wait: seconds that a request waits, as a mean.
        ready: pods that are ready.
    """

    busy: float
    cores: float
    refused: float
    wait: float
    ready: int


def desired(total: float, target: float, pods: int) -> int:
    """Return the number of pods that share a metric's total as the target says, or the pods if they differ little.

    https://kubernetes.io/docs/tasks/run-application/horizontal-pod-autoscale/#algorithm-details
    """
    return pods if abs(total / (target * pods) - 1) <= TOLERANCE else math.ceil(total / target)


@dataclass(frozen=True)
class Trigger:
    """A metric with its target.

    Attributes:
        metric: ``busy``, ``cores``, ``rejections`` or ``wait``.
        target: its value for each pod; for ``wait``, its value for all.
        share: share of rejected requests above which ``rejections`` acts.
        growth: pods that ``rejections`` asks for, in units of those that are ready.
    """

    metric: str
    target: float
    share: float = 0.01
    growth: float = 1.2

    def desired(self, sample: Sample, pods: int) -> int:
        """Return the number of pods that a sample asks for."""
        if self.metric == "wait":  # metricType Value: relative to the pods that there are
            return desired(sample.wait * pods, self.target, pods)
        if self.metric == "rejections":
            total = float(math.ceil(self.growth * sample.ready)) if sample.refused > self.share else 0.0
        else:
            total = sample.busy if self.metric == "busy" else sample.cores
        return desired(total, self.target, pods)  # metricType AverageValue


@dataclass(frozen=True)
class Policy:
    """The largest change within a period.

    Attributes:
        kind: ``Pods`` or ``Percent``.
        value: number of pods, or percent of those at the period's beginning.
        period_s: seconds of the period.
    """

    kind: str
    value: float
    period_s: float


@dataclass(frozen=True)
class Rule:
    """Triggers, of which the largest demand counts, and the limits of its changes.

    Attributes:
        triggers: the triggers.
        least: smallest number of pods.
        most: largest number of pods.
        up: policies for more pods, of which the most generous counts.
        down: same, for fewer pods.
        stabilization_s: seconds; the largest demand within them counts before pods are removed.
    """

    triggers: Sequence[Trigger]
    least: int
    most: int
    up: Sequence[Policy] = (Policy("Percent", 100, 15), Policy("Pods", 4, 15))
    down: Sequence[Policy] = (Policy("Percent", 100, 15),)
    stabilization_s: float = 300.0

    @classmethod
    def of_scaled_object(cls, file: Path) -> "Rule":
        """Return the rule of a ScaledObject.

        Raises:
            ValueError: if a trigger's query has no known metric.
        """
        spec = yaml.safe_load(file.read_text(encoding="utf-8"))["spec"]
        behavior = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        return cls(
            [_trigger(trigger["metadata"]) for trigger in spec["triggers"] if trigger["type"] == "prometheus"],
            spec["minReplicaCount"],
            spec["maxReplicaCount"],
            _policies(behavior["scaleUp"]),
            _policies(behavior["scaleDown"]),
            behavior["scaleDown"]["stabilizationWindowSeconds"],
        )


def _trigger(metadata: Mapping[str, Any]) -> Trigger:
    query = metadata["query"]
    metrics = {"_overflow": "rejections", "shopcat_stage_seconds_sum": "busy", "shopcat_host_cpu_seconds": "cores"}
    for name, metric in metrics.items():
        if name in query:
            return Trigger(metric, float(metadata["threshold"]))
    raise ValueError(f"the query of a trigger has none of the metrics {', '.join(metrics)}: {query}")


def _policies(behavior: Mapping[str, Any]) -> list[Policy]:
    return [Policy(policy["type"], policy["value"], policy["periodSeconds"]) for policy in behavior["policies"]]


@dataclass
class Autoscaler:
    """The autoscaler: it knows its own changes and demands.

    Attributes:
        rule: its rule.
        pods: number of pods that it has asked for.
    """

    rule: Rule
    pods: int
    _demands: list[tuple[float, int]] = field(default_factory=list)
    _changes: list[tuple[float, int]] = field(default_factory=list)

    def decide(self, now: float, sample: Sample) -> int:
        """Return the number of pods from now on."""
        demand = max(trigger.desired(sample, self.pods) for trigger in self.rule.triggers)
        demand = min(max(demand, self.rule.least), self.rule.most)
        self._demands = [(at, pods) for at, pods in self._demands if at > now - self.rule.stabilization_s]
        self._demands.append((now, demand))
        if demand < self.pods:
            demand = min(self.pods, max(pods for _, pods in self._demands))
        if demand > self.pods:
            demand = min(demand, max(self._limit(policy, now, 1) for policy in self.rule.up))
        elif demand < self.pods:
            demand = max(demand, min(self._limit(policy, now, -1) for policy in self.rule.down))
        if demand != self.pods:
            self._changes.append((now, demand - self.pods))
            self.pods = demand
        return self.pods

    def _limit(self, policy: Policy, now: float, sign: int) -> int:
        """Return the number of pods that a policy allows."""
        changed = sum(change for at, change in self._changes if at > now - policy.period_s and change * sign > 0)
        before = self.pods - changed
        if policy.kind == "Pods":
            allowed = before + sign * int(policy.value)
        else:
            exact = before * (1 + sign * policy.value / 100)
            allowed = math.ceil(exact) if sign > 0 else int(exact)
        return max(allowed, self.pods) if sign > 0 else min(allowed, self.pods)
