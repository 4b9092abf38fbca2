"""Properties that no schema knows: the manifests fit the image, the service and each other."""

import re
import tomllib
from typing import Any

import pytest
import yaml

from cli import main
from runtime.bundle import digest_of
from serving.monitoring import exporter
from serving.reload import DRAIN_S
from tests.deploy.kubernetes.manifests import FOLDER, OVERLAYS, ROOT, Object, of_kind, pods, render

DOCKERFILE = (ROOT / "Dockerfile").read_text("utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
SETTINGS = [yaml.safe_load(file.read_text("utf-8")) for file in ROOT.glob("serving/archives/settings/*.yaml")]
DEFAULTS = {option.name: option.default for option in main.commands["serve"].params}
HANGING_S = 20  # docs/guides/deploy.md: Envoy and the instances, if they hang
ALL_PODS = [
    pytest.param(overlay, *pod, id=f"{overlay}-{name}")
    for overlay in OVERLAYS
    for name, pod in pods(render(overlay)).items()
]
SERVERS = [
    pytest.param(overlay, container, pod, id=f"{overlay}-{name}")
    for overlay in OVERLAYS
    for name, (pod, _) in pods(render(overlay)).items()
    for container in pod["containers"]
    if "startupProbe" in container
]


def containers(pod: Object) -> list[Any]:
    return [*pod.get("initContainers", []), *pod["containers"]]


def image_command() -> list[str]:
    """Return the arguments that the image has by default."""
    (command,) = re.findall(r"^CMD (.*)$", DOCKERFILE, re.MULTILINE)
    return list(yaml.safe_load(command))


def selects(selector: dict[str, str], labels: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@pytest.mark.parametrize(("overlay", "pod", "labels"), ALL_PODS)
def test_every_pod_is_confined(overlay: str, pod: Object, labels: dict[str, str]) -> None:
    user = re.search(r"^USER (\d+):(\d+)$", DOCKERFILE, re.MULTILINE)
    assert user is not None
    security = pod["securityContext"]
    assert (security["runAsUser"], security["runAsGroup"]) == (int(user[1]), int(user[2]))
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.keys()
    for container in containers(pod):
        assert container["securityContext"] == {
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        }
    host = [volume for volume in pod["volumes"] if "hostPath" in volume]
    assert not host or overlay == "local"


@pytest.mark.parametrize(("overlay", "pod", "labels"), ALL_PODS)
def test_every_image_is_a_build_of_this_version(overlay: str, pod: Object, labels: dict[str, str]) -> None:
    targets = re.findall(r"^FROM service AS (\w+)$", DOCKERFILE, re.MULTILINE)
    for container in containers(pod):
        name, _, tag = container["image"].rpartition(":")
        if overlay == "local":
            assert (name, tag) == ("localhost/shopcat", "cpu")
        else:
            version, _, target = tag.partition("-")
            suffix = "-ray" if target == "ray" else ""
            assert (name, version) == (f"registry.example/shopcat{suffix}", PROJECT["version"])
            assert target in targets or target in PROJECT["optional-dependencies"]
        assert container["imagePullPolicy"] == "IfNotPresent"


@pytest.mark.parametrize(("overlay", "pod", "labels"), ALL_PODS)
def test_every_container_has_limits(overlay: str, pod: Object, labels: dict[str, str]) -> None:
    """Whole cores, since each model gets as many workers; requests are limits, so that the pod is Guaranteed."""
    for container in containers(pod):
        limits, requests = container["resources"]["limits"], container["resources"]["requests"]
        assert re.fullmatch(r"[1-9]\d*", limits["cpu"])
        assert requests == limits


@pytest.mark.parametrize(("overlay", "pod", "labels"), ALL_PODS)
def test_every_mount_has_a_volume_and_every_volume_a_mount(overlay: str, pod: Object, labels: dict[str, str]) -> None:
    mounts = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
    assert mounts == {volume["name"] for volume in pod["volumes"]}
    assert all("sizeLimit" in volume["emptyDir"] for volume in pod["volumes"] if "emptyDir" in volume)


@pytest.mark.parametrize(("overlay", "pod", "labels"), ALL_PODS)
def test_every_bundle_is_pinned_and_reaches_the_command(overlay: str, pod: Object, labels: dict[str, str]) -> None:
    """The default digest is that of the demonstration, so that the manifests run as they are with it."""
    (fetch,) = [container for container in containers(pod) if container.get("args", [""])[0] == "fetch"]
    (digest,) = [variable["value"] for variable in fetch["env"] if variable["name"] == "SHOPCAT_FETCH_DIGEST"]
    assert digest == digest_of(ROOT / "model_store/demo")
    _, source, target = fetch["args"]
    mounts = {mount["name"]: mount for mount in fetch["volumeMounts"]}
    assert source.startswith(f"{mounts['source']['mountPath']}/")
    assert mounts["source"]["readOnly"] is True
    assert target.startswith(f"{mounts['bundles']['mountPath']}/")
    used = {mount["name"]: mount for container in pod["containers"] for mount in container["volumeMounts"]}["bundles"]
    assert used == {"name": "bundles", "mountPath": "/bundles", "readOnly": True}
    commands = [
        container.get("args") or image_command() for container in pod["containers"] if container["name"] != "ray"
    ]
    assert all(target in command for command in commands)


@pytest.mark.parametrize(("overlay", "container", "pod"), SERVERS)
def test_ports_and_probes_are_those_of_the_service(overlay: str, container: Any, pod: Object) -> None:
    ports = {port["name"]: port["containerPort"] for port in container["ports"]}
    assert ports == {"http": DEFAULTS["port"], "metrics": DEFAULTS["metrics_port"]}
    exposed = re.search(r"^EXPOSE (.*)$", DOCKERFILE, re.MULTILINE)
    assert exposed is not None
    assert sorted(ports.values()) == sorted(map(int, exposed[1].split()))
    assert "args" not in container, "the command of the image is what serves"
    paths = {"startupProbe": "/readyz", "readinessProbe": "/readyz", "livenessProbe": "/livez"}
    assert all(path in (exporter.__doc__ or "") for path in paths.values())
    for probe, path in paths.items():
        if "httpGet" in container[probe]:
            assert container[probe]["httpGet"] == {"path": path, "port": "metrics"}
        else:
            assert overlay == "local"
            assert f"127.0.0.1:{ports['metrics']}{path}" in container[probe]["exec"]["command"][-1]


@pytest.mark.parametrize(("overlay", "container", "pod"), SERVERS)
def test_a_start_and_a_stop_have_the_time_that_they_need(overlay: str, container: Any, pod: Object) -> None:
    sleep = container["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod["terminationGracePeriodSeconds"] >= sleep + DRAIN_S + HANGING_S
    startup, liveness = container["startupProbe"], container["livenessProbe"]
    slowest = max(settings["startupTimeout"] for settings in SETTINGS)
    assert startup["periodSeconds"] * startup["failureThreshold"] >= slowest
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= max(s["responseTimeout"] for s in SETTINGS)
    assert sleep < liveness.get("terminationGracePeriodSeconds", 30) < pod["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_selectors_match_pods(overlay: str) -> None:
    objects = render(overlay)
    labels = [pod_labels for _, pod_labels in pods(objects).values()]
    for service in of_kind(objects, "Service"):
        selected = [found for found in labels if selects(service["spec"]["selector"], found)]
        assert len(selected) == 1, "the pods of one version"
    for kind in ("PodDisruptionBudget", "PodMonitor"):
        for found in of_kind(objects, kind):
            assert any(selects(found["spec"]["selector"]["matchLabels"], pod) for pod in labels)
    for deployment in of_kind(objects, "Deployment"):
        spec = deployment["spec"]
        selector, own = spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]
        assert selects(selector, own)
        assert sum(selects(selector, pod) for pod in labels) == 1
    policies = of_kind(objects, "NetworkPolicy")
    for name, (pod, pod_labels) in pods(objects).items():
        assert any(selects(policy["spec"]["podSelector"]["matchLabels"], pod_labels) for policy in policies), name
        for spread in pod.get("topologySpreadConstraints", []):
            assert selects(spread["labelSelector"]["matchLabels"], pod_labels)


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_name_that_is_referred_to_exists(overlay: str) -> None:
    objects = render(overlay)
    names = {(found["kind"], found["metadata"]["name"]) for found in objects}
    for pod, _ in pods(objects).values():
        assert ("ServiceAccount", pod["serviceAccountName"]) in names
        claims = [volume["persistentVolumeClaim"] for volume in pod["volumes"] if "persistentVolumeClaim" in volume]
        guide = (ROOT / "docs/guides/deploy-kubernetes.md").read_text("utf-8")
        assert all(f"`{claim['claimName']}`" in guide for claim in claims), "a claim that the guide tells users to make"
        ports = {port["name"] for container in pod["containers"] for port in container.get("ports", [])}
        wanted = [found["spec"]["ports"] for found in of_kind(objects, "Service")]
        assert {port["targetPort"] for service in wanted for port in service} <= ports
    for scaled in of_kind(objects, "ScaledObject") if not of_kind(objects, "InferenceService") else []:
        assert ("Deployment", scaled["spec"]["scaleTargetRef"]["name"]) in names
        (target,) = of_kind(objects, "Deployment")
        assert "replicas" not in target["spec"], "the autoscaler's"
    services = {found["metadata"]["name"]: found for found in of_kind(objects, "Service")}
    for route in of_kind(objects, "HTTPRoute"):
        for backend in [backend for rule in route["spec"]["rules"] for backend in rule["backendRefs"]]:
            assert backend["port"] in [port["port"] for port in services[backend["name"]]["spec"]["ports"]]
    assert {found["metadata"]["namespace"] for found in objects} == {"shopcat"}


@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if overlay != "batch"])
def test_only_monitoring_reaches_the_metrics(overlay: str) -> None:
    for policy in of_kind(render(overlay), "NetworkPolicy"):
        spec = policy["spec"]
        assert sorted(spec["policyTypes"]) == ["Egress", "Ingress"]
        assert spec["egress"] == []
        for rule in spec["ingress"]:
            ports = [port["port"] for port in rule["ports"]]
            assert len(ports) == 1
            if ports != ["http"]:
                assert ports == ["metrics"]
                assert rule["from"] == [
                    {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
                ]


@pytest.mark.parametrize("overlay", [overlay for overlay in OVERLAYS if of_kind(render(overlay), "PodMonitor")])
def test_prometheus_scrapes_the_job_of_the_rules(overlay: str) -> None:
    (monitor,) = of_kind(render(overlay), "PodMonitor")
    (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
    assert (endpoint["port"], endpoint["path"]) == ("metrics", "/metrics")
    job = yaml.safe_load((ROOT / "deploy/prometheus.yml").read_text("utf-8"))
    assert endpoint["interval"] == job["global"]["scrape_interval"]
    for _, labels in pods(render(overlay)).values():
        assert labels[monitor["spec"]["jobLabel"]] == job["scrape_configs"][0]["job_name"]


def test_a_gpu_has_pods_that_wait_for_nobody() -> None:
    (deployment,) = of_kind(render("gpu"), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"
    assert container["image"].endswith("-cuda")
    assert pod["tolerations"] == [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]
    assert deployment["spec"]["strategy"]["rollingUpdate"] == {"maxSurge": 0, "maxUnavailable": 1}


def test_a_canary_differs_by_bundle_and_weight_alone() -> None:
    stable, canary = sorted(of_kind(render("canary"), "Deployment"), key=lambda found: len(found["metadata"]["name"]))
    one, other = (found["spec"]["template"]["spec"] for found in (stable, canary))
    assert one["containers"] == other["containers"]
    assert one["initContainers"][0]["args"] != other["initContainers"][0]["args"]
    (route,) = of_kind(render("canary"), "HTTPRoute")
    by_header, by_weight = route["spec"]["rules"]
    assert [backend["name"] for backend in by_header["backendRefs"]] == [canary["metadata"]["name"]]
    assert sum(backend["weight"] for backend in by_weight["backendRefs"]) == 100
    assert {backend["name"] for backend in by_weight["backendRefs"]} == {"shopcat", "shopcat-canary"}


def test_kserve_gets_the_pod_of_the_deployment() -> None:
    """Its container is named as KServe expects, and the port of requests comes first."""
    (deployment,) = of_kind(render("cpu"), "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    for overlay in ("kserve", "kserve-canary"):
        assert not of_kind(render(overlay), "Deployment") + of_kind(render(overlay), "Service")
        (service,) = of_kind(render(overlay), "InferenceService")
        predictor = service["spec"]["predictor"]
        assert {**predictor["containers"][0], "name": "shopcat"} == pod["containers"][0]
        assert predictor["containers"][0]["name"] == "kserve-container"
        assert predictor["containers"][0]["ports"][0]["name"] == "http"
        same = pod.keys() - {"containers", "topologySpreadConstraints"}
        assert {key: predictor[key] for key in same} == {key: pod[key] for key in same}
        assert len(predictor["topologySpreadConstraints"]) == len(pod["topologySpreadConstraints"])
        assert service["metadata"]["annotations"]["serving.kserve.io/deploymentMode"] == "Standard"
        assert "canaryTrafficPercent" not in predictor, "KServe ignores it without Knative"


def test_kserves_canary_has_a_share_and_a_name() -> None:
    (service,) = of_kind(render("kserve-canary"), "InferenceService")
    (canary,) = service["spec"]["canary"]
    stable = service["spec"]["predictor"]
    assert 0 < canary["trafficPercent"] < 100
    autoscaling = {"autoScaling", "maxReplicas", "scaleTarget", "scaleMetric", "scaleMetricType"}
    assert not autoscaling & canary["predictor"].keys(), "KServe refuses them"
    assert canary["predictor"]["name"] == "canary"
    assert canary["predictor"]["containers"] == stable["containers"]
    assert canary["predictor"]["initContainers"][0]["args"] != stable["initContainers"][0]["args"]
    assert canary["predictor"]["labels"]["app.kubernetes.io/instance"] == "canary"


def test_kserve_leaves_the_replicas_to_the_scaled_object() -> None:
    """KServe's own metrics have neither a fallback nor an error for an empty answer."""
    (scaled,) = of_kind(render("kserve"), "ScaledObject")
    (alone,) = of_kind(render("keda"), "ScaledObject")
    (service,) = of_kind(render("kserve"), "InferenceService")
    assert service["metadata"]["annotations"]["serving.kserve.io/autoscalerClass"] == "external"
    assert scaled["spec"].pop("scaleTargetRef") == {"name": f"{service['metadata']['name']}-predictor"}
    assert scaled["spec"].items() <= alone["spec"].items()
    assert service["spec"]["predictor"]["minReplicas"] == scaled["spec"]["minReplicaCount"]
    assert not {"autoScaling", "maxReplicas", "scaleTarget", "scaleMetric"} & service["spec"]["predictor"].keys()


def test_nothing_is_left_of_the_base_alone() -> None:
    """Every overlay builds on the base, so that no pod is written twice."""
    assert {path.name for path in (FOLDER / "base").iterdir()} == {
        *yaml.safe_load((FOLDER / "base/kustomization.yaml").read_text("utf-8"))["resources"],
        "kustomization.yaml",
    }
