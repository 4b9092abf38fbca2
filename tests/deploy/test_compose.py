"""compose.yaml and its addition for a GPU. tests/integration/test_container.py builds and runs the image."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import main

ROOT = Path(__file__).parents[2]
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
GPU = yaml.safe_load((ROOT / "deploy/container/gpu.yaml").read_text(encoding="utf-8"))


def services() -> list[Any]:
    return [pytest.param(service, id=name) for name, service in COMPOSE["services"].items()]


@pytest.mark.parametrize("service", services())
def test_every_container_is_confined(service: dict[str, Any]) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert {"cpus", "memory", "pids"} <= service["deploy"]["resources"]["limits"].keys()
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    assert "build" in service or re.fullmatch(r"\S+:v?\d+\.\d+\.\d+", service["image"]), "a version, not latest"
    assert "build" in service or service["healthcheck"]["test"]  # the Dockerfile has ours


@pytest.mark.parametrize("service", services())
def test_every_mounted_path_exists(service: dict[str, Any]) -> None:
    for mount in service["volumes"]:
        source, _, mode = (*mount.split(":"), "rw")[:3]
        if source.startswith("./"):
            assert (ROOT / source).exists(), source
            assert mode == "ro"
        else:
            assert source in COMPOSE["volumes"]


@pytest.mark.parametrize("compose", [COMPOSE, GPU], ids=["compose.yaml", "gpu.yaml"])
def test_the_image_is_tagged_with_its_target(compose: dict[str, Any]) -> None:
    service = compose["services"]["shopcat"]
    assert service["image"] == f"shopcat:{service['build']['target']}"


def test_prometheus_finds_the_service() -> None:
    """Its folder of targets replaces deploy/targets, and names the container and the metrics port."""
    (entry,) = yaml.safe_load((ROOT / "deploy/container/targets/shopcat.yml").read_text(encoding="utf-8"))
    (target,) = entry["targets"]
    name, port = target.split(":")
    assert name in COMPOSE["services"]
    (default,) = (option.default for option in main.commands["serve"].params if option.name == "metrics_port")
    assert int(port) == default
    mounts = dict(mount.split(":")[:2][::-1] for mount in COMPOSE["services"]["prometheus"]["volumes"])
    configuration = yaml.safe_load((ROOT / mounts["/etc/prometheus/prometheus.yml"]).read_text(encoding="utf-8"))
    (job,) = configuration["scrape_configs"]
    for pattern in (*configuration["rule_files"], *job["file_sd_configs"][0]["files"]):
        folder = f"/etc/prometheus/{pattern.rpartition('/')[0]}"
        assert [*(ROOT / mounts[folder]).glob("*.yml")], pattern


def test_grafana_finds_prometheus() -> None:
    (source,) = (ROOT / "deploy/grafana/provisioning/datasources").glob("*.yml")
    grafana = COMPOSE["services"]["grafana"]
    (variable,) = re.findall(r"url: \$(\w+)", source.read_text(encoding="utf-8"))
    assert grafana["environment"][variable] == "http://prometheus:9090"
