"""Write constraints.txt anew from the installed packages, each with the packages that require it.

    .venv/bin/python -m scripts.write_constraints

Run it in an environment with all extras (make test docs bench), after the tests have passed there. A package that is
not installed, such as the container's plain onnxruntime, keeps its line.
"""

import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
CONSTRAINTS = ROOT / "constraints.txt"
HEAD = "# Versions that were tested together, for pip install -c constraints.txt. By scripts/write_constraints.py.\n"
NOT_PINNED = ("setuptools", "wheel")  # tools of a build, which pip installs apart
Parents = dict[str, set[str]]


def direct_requirements() -> list[tuple[str, Requirement]]:
    """Return the project's own requirements, each with "shopcat" or the extra that it belongs to."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    groups = {"shopcat": project["dependencies"]}
    groups |= {f"shopcat[{extra}]": lines for extra, lines in project["optional-dependencies"].items()}
    return [(group, Requirement(line)) for group, lines in groups.items() for line in lines]


def parents() -> Parents:
    """Return the packages that require each package, by the package's canonical name."""
    found: Parents = {}
    pending = [pair for pair in direct_requirements() if pair[1].name != "shopcat"]
    expanded = set()
    while pending:
        parent, requirement = pending.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras_of(parent)
        ):
            found.setdefault(name, set()).add(parent.partition("[")[0] if "shopcat" not in parent else parent)
            key = f"{name}[{','.join(sorted(requirement.extras))}]" if requirement.extras else name
            if key not in expanded:
                expanded.add(key)
                pending += [(key, Requirement(line)) for line in requirements_of(name)]
    return found


def extras_of(parent: str) -> list[str]:
    """Return the extras in a name such as ``httpx[cli,http2]``, or one empty extra."""
    return parent.partition("[")[2].rstrip("]").split(",")


def requirements_of(name: str) -> list[str]:
    """Return the requirements of an installed package; none of one that is not installed."""
    try:
        return distribution(name).requires or []
    except PackageNotFoundError:
        return []


def constraints() -> str:
    """Return the text of constraints.txt."""
    found, lines = parents(), []
    old = (line.partition("#")[0].strip() for line in CONSTRAINTS.read_text(encoding="utf-8").splitlines())
    pins = dict(line.split("==") for line in old if line)
    names = {canonicalize_name(name): name for name in [*found, *pins]}  # the pins' own spelling
    names = {name: spelling for name, spelling in names.items() if name not in NOT_PINNED}
    for name, spelling in sorted(names.items()):
        try:
            version = distribution(name).version.partition("+")[0]
        except PackageNotFoundError:
            version = pins.get(spelling, "")
        if version:
            via = ", ".join(sorted(found.get(name, ())))
            lines.append(f"{spelling}=={version}{via and f'  # via {via}'}\n")
    return HEAD + "".join(lines)


if __name__ == "__main__":
    CONSTRAINTS.write_text(constraints(), encoding="utf-8")
