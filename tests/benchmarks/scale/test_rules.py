"""benchmarks.scale.rules: the arithmetic of Kubernetes' HorizontalPodAutoscaler."""

from pathlib import Path

import pytest

from benchmarks.scale.rules import Autoscaler, Policy, Rule, Sample, Trigger

FAST = (Policy("Percent", 1000, 15),)
BUSY = Trigger("busy", 1.2)

SCALED_OBJECT = """
spec:
  minReplicaCount: 2
  maxReplicaCount: 20
  advanced:
    horizontalPodAutoscalerConfig:
      behavior:
        scaleUp: {stabilizationWindowSeconds: 0, policies: [{type: Pods, value: 4, periodSeconds: 60}]}
        scaleDown: {stabilizationWindowSeconds: 300, policies: [{type: Percent, value: 20, periodSeconds: 60}]}
  triggers:
    - type: prometheus
      metadata: {query: 'sum(rate(shopcat_stage_seconds_sum{stage="parse"}[1m]))', threshold: "1.2"}
    - type: prometheus
      metadata: {query: 'sum(rate(envoy_cluster_upstream_rq_active_overflow[1m])) > 0', threshold: "1"}
"""


def sample(busy: float = 0.0, cores: float = 0.0, refused: float = 0.0, wait: float = 0.0, ready: int = 1) -> Sample:
    return Sample(busy, cores, refused, wait, ready)


@pytest.mark.parametrize(
    ("busy", "pods", "desired"),
    [(4.8, 4, 4), (4.81, 3, 5), (5.2, 4, 4), (5.4, 4, 5), (0.0, 4, 0), (4.2, 4, 4), (3.6, 4, 3)],
    ids=["at the target", "above", "within a tenth above", "beyond it", "idle", "rounded up", "below"],
)
def test_the_demand_is_the_load_over_the_target_unless_the_change_is_small(
    busy: float, pods: int, desired: int
) -> None:
    assert BUSY.desired(sample(busy), pods) == desired


def test_rejections_ask_for_a_fifth_more_than_are_ready() -> None:
    rejections = Trigger("rejections", 1.0)
    assert rejections.desired(sample(refused=0.02, ready=10), 10) == 12
    assert rejections.desired(sample(refused=0.005, ready=10), 10) == 0


def test_time_in_the_queue_scales_the_pods_that_there_are() -> None:
    wait = Trigger("wait", 0.1)
    assert wait.desired(sample(wait=0.25), 4) == 10
    assert wait.desired(sample(wait=0.105), 4) == 4


def test_the_largest_demand_counts_within_the_limits() -> None:
    rule = Rule([BUSY, Trigger("cores", 1.2)], 2, 5, FAST)
    assert Autoscaler(rule, 2).decide(15, sample(busy=2.4, cores=4.8)) == 4
    assert Autoscaler(rule, 2).decide(15, sample(busy=24.0)) == 5
    assert Autoscaler(rule, 2).decide(15, sample()) == 2


def test_pods_are_removed_only_after_the_stabilization() -> None:
    autoscaler = Autoscaler(Rule([BUSY], 1, 20, FAST, stabilization_s=60), 1)
    assert autoscaler.decide(0, sample(12.0)) == 10
    assert [autoscaler.decide(now, sample(2.4)) for now in (15, 30, 45, 59)] == [10] * 4
    assert autoscaler.decide(60, sample(2.4)) == 2


def test_the_most_generous_policy_limits_more_pods_in_its_period() -> None:
    rule = Rule([BUSY], 1, 100, (Policy("Pods", 4, 60), Policy("Percent", 100, 60)))
    autoscaler = Autoscaler(rule, 2)
    assert [autoscaler.decide(now, sample(60.0)) for now in (0, 15, 59)] == [6, 6, 6]  # 4 pods are more than 100 %
    assert autoscaler.decide(60, sample(60.0)) == 12


def test_a_policy_limits_fewer_pods_in_its_period() -> None:
    rule = Rule([BUSY], 1, 100, FAST, (Policy("Percent", 20, 60),), stabilization_s=0)
    autoscaler = Autoscaler(rule, 10)
    assert [autoscaler.decide(now, sample()) for now in (0, 15, 60)] == [8, 8, 6]


def test_the_rule_comes_from_a_scaled_object(tmp_path: Path) -> None:
    file = tmp_path / "scaled-object.yaml"
    file.write_text(SCALED_OBJECT)
    rule = Rule.of_scaled_object(file)
    assert rule.triggers == [Trigger("busy", 1.2), Trigger("rejections", 1.0)]
    assert (rule.least, rule.most, rule.stabilization_s) == (2, 20, 300)
    assert (rule.up, rule.down) == ([Policy("Pods", 4, 60)], [Policy("Percent", 20, 60)])


def test_a_metric_that_is_not_simulated_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "scaled-object.yaml"
    file.write_text(SCALED_OBJECT.replace("shopcat_stage_seconds_sum", "up"))
    with pytest.raises(ValueError, match="none of the metrics"):
        Rule.of_scaled_object(file)
