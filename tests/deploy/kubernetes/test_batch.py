"""Job, CronJob and RayJob fit the command that they run. tests/bulk tests what the command does."""

import tomllib

import click
from packaging.requirements import Requirement

from cli import main
from cli.bulk import LATER
from tests.deploy.kubernetes.manifests import ROOT, Object, of_kind, render


def batch(kind: str) -> Object:
    (found,) = of_kind(render("batch"), kind)
    return found


def test_the_exit_codes_of_a_job_are_those_of_the_command() -> None:
    """75 continues in another pod; a fault and a wrong input end the job."""
    policy = batch("Job")["spec"]["podFailurePolicy"]["rules"]
    by_codes = [rule for rule in policy if "onExitCodes" in rule]
    assert {rule["onExitCodes"]["containerName"] for rule in by_codes} == {"forecast", "bundle"}
    for rule in by_codes:
        assert (rule["action"], rule["onExitCodes"]["operator"]) == ("FailJob", "In")
        assert rule["onExitCodes"]["values"] == [1, 2]
        assert LATER not in rule["onExitCodes"]["values"]
    assert policy[-1]["action"] == "Ignore"
    assert batch("Job")["spec"]["backoffLimit"] > 0
    assert batch("Job")["spec"]["template"]["spec"]["restartPolicy"] == "Never", "as a failure policy requires"


def test_the_commands_of_jobs_are_valid() -> None:
    """They write a folder, so that they are jobs that go on."""
    (container,) = batch("Job")["spec"]["template"]["spec"]["containers"]
    entrypoint = batch("RayJob")["spec"]["entrypoint"].split()
    assert entrypoint[0] == "shopcat"
    for arguments in (container["args"], entrypoint[1:]):
        name, *rest = arguments
        options = [rest[index] for index in range(len(rest)) if rest[index].startswith("--")]
        known = {option for parameter in main.commands[name].params for option in parameter.opts}
        assert {*options} <= known
        assert rest[rest.index("--out") + 1].endswith("/")
    assert entrypoint[-2:] == ["--runner", "ray"]
    (runner,) = [parameter for parameter in main.commands["forecast"].params if parameter.name == "runner"]
    assert isinstance(runner.type, click.Choice)
    assert "ray" in runner.type.choices


def test_every_night_has_a_folder_of_its_own() -> None:
    nightly, once = batch("CronJob")["spec"], batch("Job")["spec"]
    assert nightly["jobTemplate"]["spec"] == once
    assert nightly["concurrencyPolicy"] == "Forbid"
    assert once["activeDeadlineSeconds"] < 24 * 3600, "a night that hangs would keep the others from starting"
    (container,) = once["template"]["spec"]["containers"]
    ((name, field),) = [
        (variable["name"], variable["valueFrom"]["fieldRef"]["fieldPath"]) for variable in container["env"]
    ]
    assert field == "metadata.labels['batch.kubernetes.io/job-name']"
    assert f"$({name})" in container["args"][container["args"].index("--out") + 1]


def test_nobody_connects_to_the_pods_of_jobs() -> None:
    """Except for the pods of Ray, which connect to each other, and the operator, which submits the job."""
    jobs, ray = of_kind(render("batch"), "NetworkPolicy")
    assert (jobs["spec"]["ingress"], jobs["spec"]["egress"]) == ([], [])
    itself = {"podSelector": ray["spec"]["podSelector"]}
    others, operator = ray["spec"]["ingress"]
    assert others == {"from": [itself]}
    assert operator["ports"] == [{"port": 8265}]
    assert ray["spec"]["egress"][0] == {"to": [itself]}
    assert {port["port"] for port in ray["spec"]["egress"][1]["ports"]} == {53}


def test_a_ray_cluster_asks_for_a_token_and_has_what_a_job_needs() -> None:
    """A head without the packages of `ray[default]` has no address for jobs, and none for KubeRay's probes."""
    cluster = batch("RayJob")["spec"]["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    (ray,) = [Requirement(line) for line in extras["ray"] if Requirement(line).name == "ray"]
    assert "default" in ray.extras


def test_a_ray_cluster_has_one_version_and_the_same_pods() -> None:
    cluster = batch("RayJob")["spec"]["rayClusterSpec"]
    assert f"ray=={cluster['rayVersion']}" in (ROOT / "constraints.txt").read_text("utf-8")
    (group,) = cluster["workerGroupSpecs"]
    assert group["template"] == cluster["headGroupSpec"]["template"]
    assert cluster["headGroupSpec"]["rayStartParams"]["num-cpus"] == "0", "the head computes no part"
    mounts = {mount["mountPath"] for mount in group["template"]["spec"]["containers"][0]["volumeMounts"]}
    assert {"/tmp", "/dev/shm", "/data", "/bundles"} == mounts
