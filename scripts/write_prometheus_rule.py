"""Write the rules of deploy/rules as an object of the Prometheus operator.

kustomize reads no file outside of its folder, so the object has a copy of the rules. A test compares the two.
"""

from pathlib import Path
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[1] / "deploy"
TARGET = DEPLOY / "kubernetes" / "components" / "monitoring" / "prometheus-rule.yaml"
HEADER = "# Written by `python -m scripts.write_prometheus_rule` from deploy/rules; change the rules there.\n"


def prometheus_rule() -> dict[str, Any]:
    """Return the object with the groups of all rule files."""
    files = sorted((DEPLOY / "rules").glob("*.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "shopcat", "labels": {"app.kubernetes.io/name": "shopcat"}},
        "spec": {"groups": groups},
    }


def main() -> None:
    """Write the file."""
    text = yaml.safe_dump(prometheus_rule(), sort_keys=False, width=1000, allow_unicode=True)
    TARGET.write_text(HEADER + text, encoding="utf-8")


if __name__ == "__main__":
    main()
