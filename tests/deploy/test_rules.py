"""Prometheus's configuration and rules: promtool accepts them, and every alert is tested and documented."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.expressions import ALERTS, DEPLOY, RULES

RULE_TESTS = sorted((DEPLOY / "rules" / "tests").glob("*.yml"))
GUIDE = (DEPLOY.parent / "docs" / "guides" / "monitor.md").read_text("utf-8")


def run_promtool(promtool: str, *args: object) -> str:
    done = subprocess.run([promtool, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_accepts_the_configuration(promtool: str) -> None:
    output = run_promtool(promtool, "check", "config", DEPLOY / "prometheus.yml")
    assert "2 rule files found" in output
    assert "WARNING" not in output  # promtool warns about a missing file of targets


def test_promtool_accepts_the_rules(promtool: str) -> None:
    output = run_promtool(promtool, "check", "rules", *(DEPLOY / "rules").glob("*.yml"))
    assert sum(int(line.split()[1]) for line in output.splitlines() if line.endswith("rules found")) == len(RULES)


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_only_in_trouble(promtool: str, file: Path) -> None:
    run_promtool(promtool, "test", "rules", file)


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_unit_test(alert: str) -> None:
    tests = [test for file in RULE_TESTS for test in yaml.safe_load(file.read_text("utf-8"))["tests"]]
    expected = [
        bool(check["exp_alerts"]) for test in tests for check in test["alert_rule_test"] if check["alertname"] == alert
    ]
    assert {*expected} == {True, False}


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_severity_and_a_section_in_the_guide(alert: str) -> None:
    assert ALERTS[alert]["labels"]["severity"] in ("page", "ticket")
    assert ALERTS[alert]["annotations"]["summary"]
    section = re.search(rf"^### {alert}\n(.*?)(?=^### |\Z)", GUIDE, re.MULTILINE | re.DOTALL)
    assert section is not None
    assert f"Severity: {ALERTS[alert]['labels']['severity']}." in section[1]
    assert re.findall(r"^\*\*(.*)\.\*\*", section[1], re.MULTILINE) == ["Meaning", "Likely causes", "What to do"]


def test_a_wrong_rule_is_found(promtool: str, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY / "rules", tmp_path / "rules")
    alerts = tmp_path / "rules" / "alerts.yml"
    alerts.write_text(alerts.read_text("utf-8").replace("for: 1m", "for: 10m"), "utf-8")
    command = [promtool, "test", "rules", tmp_path / "rules" / "tests" / "service.yml"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "ShopcatDown" in done.stdout + done.stderr
