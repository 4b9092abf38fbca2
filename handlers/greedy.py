"""Batches that wait for nobody: a change of two bytes to TorchServe's front end.

TorchServe fills a batch by polling its queue with a timeout of ``maxBatchDelay`` (Model.pollBatch), in whole
milliseconds, and takes 0 for its default of 100. So a request that is alone waits a millisecond or more for company
that does not come, three times what its answer takes. Polling with a timeout of 0 takes what is queued and goes:
batches then form by themselves while the workers are busy, which is when they help.

TorchServe has no setting for that, and no releases to come. The one class concerned is therefore copied out of its
jar, changed and put before the jar on the class path. The installed package stays as it is. A class other than the
known one is left alone, and ``maxBatchDelay`` of the model's configuration holds.
"""

from pathlib import Path

from handlers.jar import write_changed_class

CLASS = "org/pytorch/serve/wlm/Model.class"
KNOWN = "7c5523f1fe77fe79aa32665469e17725e70518692abcf4987989ef72f10d4cff"  # sha256 of the class in TorchServe 0.12.0

# In the loop of pollBatch: `aload 5`, the queue; `lload 6`, the time left; `getstatic #498`, milliseconds.
_WAITING = bytes.fromhex("1905 1606 b201f2")
_GREEDY = bytes.fromhex("1905 0900 b201f2")  # `lconst_0`, `nop` in place of `lload 6`


def write_greedy_class(jar: Path, folder: Path) -> bool:
    """Write the changed class into a folder for the class path.

    Args:
        jar: TorchServe's ``model-server.jar``.
        folder: goes before the jar on the class path.

    Returns:
        Whether it was written; not if the jar's class is not the known one.
    """
    return write_changed_class(jar, folder, CLASS, KNOWN, [(_WAITING, _GREEDY)])
