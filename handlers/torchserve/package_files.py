"""Files of TorchServe's Python package that Shopcat replaces parts of.

This module is apart from `handlers.torchserve.protocol`, because the process that starts TorchServe needs no protocol.
"""

from pathlib import Path

from runtime.folder import sha256

TORCHSERVE = "0.12.0"  # version whose files have these hashes
_FILES = {
    "protocol/otf_message_handler.py": "83e82dc62b4a95a362efe4518786c6b389b895b85acaf37721aaff042ec9989a",
    "service.py": "f18259269551299d25f4e9d2bdc916c8308c10233501df08196cc7cfa2d0d291",
}


def changed_files(package: Path) -> list[str]:
    """Return those of the replaced files that differ from TorchServe 0.12.0, or are missing, in its package."""
    return [
        name for name, digest in _FILES.items() if not (package / name).is_file() or sha256(package / name) != digest
    ]
