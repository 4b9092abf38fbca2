"""The container image, run by podman or Docker as compose.yaml runs it.

SHOPCAT_CONTAINER names the program, by default podman. SHOPCAT_CONTAINER_BUILD and SHOPCAT_CONTAINER_RUN have more
options of ``build`` and ``run``, for machines that need other base images, a proxy or fewer features.
"""

import os
import shlex
import subprocess
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[2]
IMAGE = "localhost/shopcat:test"
SERVICE = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]["shopcat"]
PROGRAM = os.environ.get("SHOPCAT_CONTAINER", "podman")


def run(*command: str, stdin: bytes = b"", check: bool = True) -> str:
    """Run a command of the container program, and return what it prints.

    Raises:
        RuntimeError: if it fails and ``check`` is set; the message has the end of its errors.
    """
    done = subprocess.run([PROGRAM, *command], input=stdin, capture_output=True, timeout=1800)
    error = done.stderr.decode(errors="replace")[-4000:]
    if check and done.returncode:
        raise RuntimeError(f"{shlex.join(command)} ended with {done.returncode}:\n{error}")
    return done.stdout.decode() + ("" if check else error)


def build(image: str = IMAGE, *more: str) -> str:
    """Build the image for the target that compose.yaml names, and return its name.

    Args:
        image: name of the image.
        more: further options.
    """
    options = shlex.split(os.environ.get("SHOPCAT_CONTAINER_BUILD", ""))
    docker = [] if PROGRAM.endswith("docker") else ["--format=docker"]  # OCI's format has no HEALTHCHECK
    run("build", *docker, f"--target={SERVICE['build']['target']}", f"--tag={image}", *options, *more, str(ROOT))
    return image


def restrictions(network: str = "none") -> list[str]:
    """Return the restrictions of compose.yaml as options of ``run``, on the image's own user."""
    allowed = SERVICE["deploy"]["resources"]["limits"]
    return [
        "--read-only",
        f"--network={network}",
        f"--memory={allowed['memory']}",
        f"--cpus={allowed['cpus']}",
        f"--pids-limit={allowed['pids']}",
        *(f"--cap-drop={name}" for name in SERVICE["cap_drop"]),
        *(f"--security-opt={option}" for option in SERVICE["security_opt"]),
        *(f"--tmpfs={mount},rw,noexec,nosuid,nodev" for mount in SERVICE["tmpfs"]),
        *shlex.split(os.environ.get("SHOPCAT_CONTAINER_RUN", "")),
    ]


def inside(container: str, *command: str, stdin: bytes = b"", check: bool = True) -> str:
    """Run a command inside a container, and return what it prints."""
    return run("exec", "--interactive", container, *command, stdin=stdin, check=check)
