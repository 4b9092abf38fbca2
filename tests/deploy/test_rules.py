"""Prometheus's configuration and rules, by its own promtool."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from tests.deploy.expressions import ALERTS, DEPLOY, RULES

RULE_TESTS = sorted((DEPLOY / "rules" / "tests").glob("*.yml"))
GUIDE = (DEPLOY.parent / "docs" / "guides" / "monitor.md").read_text("utf-8")


def promtool_says(promtool: str, *args: object) -> str:
    done = subprocess.run([promtool, *map(str, args)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_configuration_is_right(promtool: str) -> None:
    said = promtool_says(promtool, "check", "config", DEPLOY / "prometheus.yml")
    assert "2 rule files found" in said
    assert "WARNING" not in said  # a file of targets that is not there


def test_the_rules_are_right(promtool: str) -> None:
    said = promtool_says(promtool, "check", "rules", *(DEPLOY / "rules").glob("*.yml"))
    assert sum(int(line.split()[1]) for line in said.splitlines() if line.endswith("rules found")) == len(RULES)


@pytest.mark.parametrize("file", RULE_TESTS, ids=lambda file: file.stem)
def test_alerts_fire_and_stay_silent(promtool: str, file: Path) -> None:
    promtool_says(promtool, "test", "rules", file)


@pytest.mark.parametrize("alert", ALERTS)
def test_that_is_tested_of_each_alert(alert: str) -> None:
    tests = [test for file in RULE_TESTS for test in yaml.safe_load(file.read_text("utf-8"))["tests"]]
    expected = [
        bool(each["exp_alerts"]) for test in tests for each in test["alert_rule_test"] if each["alertname"] == alert
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
