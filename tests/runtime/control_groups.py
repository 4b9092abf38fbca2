"""Files of control groups, as the kernel shows them to a process."""

from collections.abc import Mapping
from pathlib import Path


def write_control_groups(folder: Path, groups: str | None, files: Mapping[str, str]) -> tuple[Path, Path]:
    """Write the files of control groups, and return their root and the file that names a process's groups.

    Args:
        folder: an empty folder.
        groups: content of the file that names the groups; None leaves it out.
        files: content by path below the root.
    """
    root, process = folder / "cgroup", folder / "self"
    if groups is not None:
        process.write_text(groups)
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root, process
