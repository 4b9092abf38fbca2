"""PromQL expressions of the dashboard's panels, of the rules and of the autoscaler in deploy/."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboards" / "shopcat.json").read_text("utf-8"))
PANELS: list[dict[str, Any]] = [panel for panel in DASHBOARD["panels"] if panel["type"] != "row"]
RULES: list[dict[str, Any]] = [
    rule
    for file in ("recording.yml", "alerts.yml")
    for group in yaml.safe_load((DEPLOY / "rules" / file).read_text("utf-8"))["groups"]
    for rule in group["rules"]
]
ALERTS: dict[str, dict[str, Any]] = {rule["alert"]: rule for rule in RULES if "alert" in rule}
RECORDED: dict[str, str] = {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}
SCALED_OBJECT = yaml.safe_load(
    (DEPLOY / "kubernetes" / "components" / "scaling" / "scaled-object.yaml").read_text("utf-8")
)

_LABELS = re.compile(r'\b(by|on|group_left) \([^)]*\)|,\s*"[^"]*"')  # lists of label names
# Name of a metric or of a recorded series, with its label matchers.
_SELECTOR = re.compile(r"\b(?:up|ALERTS|(?:\w+:)?(?:shopcat|ts|envoy)_[\w:]+)\b(?:\{[^}]*\})?")
_COMPARISON = re.compile(r"\s(==|!=|>=|<=|>|<)\s")


def expressions() -> dict[str, str]:
    """Return every expression by its place.

    An alert's expression returns 0 or 1 here, so that missing data differs from a silent alert.
    """
    found = {}
    for panel in PANELS:
        for target in panel["targets"]:
            found[f"{panel['title']} {target['refId']}"] = target["expr"].replace("$__rate_interval", "1m")
    for name, rule in ALERTS.items():
        found[name] = _COMPARISON.sub(r" \1 bool ", rule["expr"])
    for trigger in SCALED_OBJECT["spec"]["triggers"]:  # the Prometheus operator adds the label namespace
        query = trigger["metadata"]["query"]
        found[f"autoscaler {trigger['name']}"] = re.sub(r'\{namespace="shopcat"\}|namespace="shopcat", ', "", query)
    return found | RECORDED


def selectors() -> set[str]:
    """Return the selector of every series in an expression."""
    return {
        selector for expression in expressions().values() for selector in _SELECTOR.findall(_LABELS.sub("", expression))
    }
