"""Grafana's dashboard: completeness and layout. tests/integration/test_monitoring.py runs its queries."""

from itertools import combinations
from typing import Any

import pytest
import yaml

from tests.deploy.expressions import DASHBOARD, DEPLOY, PANELS

SOURCE = {"type": "prometheus", "uid": "${datasource}"}


@pytest.mark.parametrize("panel", PANELS, ids=lambda panel: panel["title"])
def test_every_panel_has_a_description_and_a_unit(panel: dict[str, Any]) -> None:
    assert panel["description"]
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["targets"]
    assert [target["datasource"] for target in panel["targets"]] == [SOURCE] * len(panel["targets"])


def test_panels_do_not_overlap() -> None:
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    for panel, other in combinations([panel["gridPos"] for panel in DASHBOARD["panels"]], 2):
        beside = panel["x"] + panel["w"] <= other["x"] or other["x"] + other["w"] <= panel["x"]
        above = panel["y"] + panel["h"] <= other["y"] or other["y"] + other["h"] <= panel["y"]
        assert beside or above, (panel, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in DASHBOARD["panels"])


def test_the_data_source_is_a_variable() -> None:
    (variable,) = DASHBOARD["templating"]["list"]
    assert (variable["name"], variable["type"], variable["query"]) == ("datasource", "datasource", "prometheus")


def test_grafana_finds_the_data_source_and_the_dashboard() -> None:
    provisioning = DEPLOY / "grafana" / "provisioning"
    (source,) = yaml.safe_load((provisioning / "datasources" / "prometheus.yml").read_text("utf-8"))["datasources"]
    assert (source["type"], source["url"]) == ("prometheus", "$PROMETHEUS_URL")
    (provider,) = yaml.safe_load((provisioning / "dashboards" / "shopcat.yml").read_text("utf-8"))["providers"]
    folder = provider["options"]["path"].replace("$GF_PATHS_PROVISIONING", str(provisioning))
    assert (DEPLOY / folder / "shopcat.json").is_file()
