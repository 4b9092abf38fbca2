"""Changed copies of classes in TorchServe's jar, which go before it on the class path; the package stays as it is."""

import hashlib
import zipfile
from collections.abc import Sequence
from pathlib import Path


def write_changed_class(
    jar: Path, folder: Path, name: str, sha256: str, changes: Sequence[tuple[bytes, bytes]]
) -> bool:
    """Write a class with some bytes changed.

    Args:
        jar: TorchServe's ``model-server.jar``.
        folder: goes before the jar on the class path.
        name: the class's file in the jar.
        sha256: of the one class that the changes are meant for.
        changes: bytes, and what stands in their place, as many.

    Returns:
        Whether it was written; not if the jar's class is another one.
    """
    with zipfile.ZipFile(jar) as opened:
        content = opened.read(name)
    if hashlib.sha256(content).hexdigest() != sha256:
        return False
    for known, changed in changes:
        content = content.replace(known, changed)
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    return True
