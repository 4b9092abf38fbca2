"""Export bundles as models of a Triton model repository.

A repository is a folder with one folder for each model::

    sales/
      config.pbtxt         tensors and settings of the model
      requirements.txt     packages of the environment of Triton's Python backend
      probabilities.txt    names of an output's values, for a pets model
      1/model.py           imports `handlers.triton.model` from that environment
      1/bundle/            a copy of the bundle

The backend is Python, because features, preprocessing and answers are the project's own code.
"""

import json
import os
import shutil
from pathlib import Path

from handlers.triton.kinds import BUNDLE, TRITON_MODELS
from handlers.triton.tensors import Tensor, TritonModel
from runtime.bundle import MANIFEST, BundleError, kind_of, read_json
from runtime.folder import FolderError, check_target, new_folder

CONFIG = "config.pbtxt"
REQUIREMENTS = Path(__file__).resolve().with_name("requirements.txt")
MODEL_DIRECTORY = "$$TRITON_MODEL_DIRECTORY"  # Triton replaces it with the model's folder

_WRITTEN_BY = "# Written by `shopcat export triton`"
_PROTOBUF_TYPES = {"BYTES": "TYPE_STRING"}  # others are TYPE_ and the name
_MODEL = '''"""Model of Triton's Python backend. Its environment has the package shopcat, which answers."""

from handlers.triton.model import TritonPythonModel

__all__ = ["TritonPythonModel"]
'''


def export(
    bundle: Path, repository: Path, *, instances: int = 1, environment: str | None = None, replace: bool = False
) -> Path:
    """Write a bundle into a model repository, atomically.

    Args:
        bundle: the bundle's folder.
        repository: folder of the repository; it is made if it does not exist.
        instances: number of processes that Triton runs for the model.
        environment: virtual environment of Triton's Python backend, as a path on Triton's machine; None for the Python
            that Triton finds without it.
        replace: replace the model of this name, if an export has written it.

    Returns:
        The model's folder.

    Raises:
        BundleError: if the bundle is damaged, of an unknown kind, or computes other golden rows on this machine.
        FolderError: if the model can't be written there.
    """
    kind, manifest = kind_of(bundle), read_json(bundle)
    if kind not in TRITON_MODELS:
        known = ", ".join(TRITON_MODELS)
        raise BundleError(
            f"{bundle} is a bundle of the kind {kind!r}; this version of shopcat exports {known} to Triton"
        )
    model = TRITON_MODELS[kind](bundle)
    target = repository / str(manifest["name"])
    check_repository(repository, target, replace=replace)
    version, files = str(manifest["version"]), manifest["files"]
    assert isinstance(files, dict)  # the model has verified the files
    repository.mkdir(parents=True, exist_ok=True)
    with new_folder(target, replace=replace, staging=_staging(repository)) as folder:
        copy = folder / "1" / BUNDLE
        copy.mkdir(parents=True)
        for name in (MANIFEST, *files):
            shutil.copyfile(bundle / name, copy / name)
        (copy.parent / "model.py").write_text(_MODEL, encoding="utf-8")
        for tensor in model.outputs:
            if tensor.labels:
                (folder / _labels_file(tensor)).write_text("\n".join(tensor.labels) + "\n", encoding="utf-8")
        text = config(model, target.name, version, instances=instances, environment=environment)
        (folder / CONFIG).write_text(text, encoding="utf-8")
        shutil.copyfile(REQUIREMENTS, folder / REQUIREMENTS.name)
    return target


def check_repository(repository: Path, target: Path, *, replace: bool) -> None:
    """Check before long work that a model can be written into a repository.

    Raises:
        FolderError: if the repository is a bundle or a model, or if the model's folder exists and must not be replaced.
    """
    if (repository / CONFIG).exists():
        raise FolderError(
            f"{repository} is a model of Triton; name the folder of all models, such as {repository.parent}"
        )
    if (repository / MANIFEST).exists():
        raise FolderError(f"{repository} is a bundle; name a folder for models of Triton, which may be new")
    check_target(target, replace=replace, remedy=", or replace it with --force")
    if target.is_dir() and any(target.iterdir()) and not _is_export(target):
        raise FolderError(f"{target} is not a model that `shopcat export triton` has written; name another folder")


def config(model: TritonModel, name: str, version: str, *, instances: int = 1, environment: str | None = None) -> str:
    """Return the configuration of a model, ``config.pbtxt``.

    Args:
        model: the loaded model.
        name: name of the model.
        version: version of the bundle.
        instances: number of processes.
        environment: virtual environment of Triton's Python backend; None for the Python that Triton finds without it.
    """
    parameters = {"bundle_version": version, **({"EXECUTION_ENV_PATH": environment} if environment else {})}
    lines = [
        f"{_WRITTEN_BY} from the bundle {name} {version}.",
        "# The backend is Python, because features, preprocessing and answers are Shopcat's own code.",
        "# It runs the network, which is ONNX, with onnxruntime in its own process; Triton needs no backend for ONNX.",
        f"name: {_quoted(name)}",
        'backend: "python"',
        f"max_batch_size: {model.max_items}  # items of a request, or of the requests that are computed together",
        *(f"input {_tensor(tensor)}" for tensor in model.inputs),
        *(f"output {_tensor(tensor)}" for tensor in model.outputs),
        f"instance_group {{ kind: KIND_CPU count: {instances} }}  # processes, which compute with one thread each",
        *(["dynamic_batching { }"] if model.batches else []),
        *(
            f"parameters {{ key: {_quoted(key)} value: {{ string_value: {_quoted(value)} }} }}"
            for key, value in parameters.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _staging(repository: Path) -> Path:
    """Return the folder for incomplete models: beside the repository if possible, because Triton would load them."""
    parent = repository.resolve().parent
    beside = os.access(parent, os.W_OK) and parent.stat().st_dev == repository.stat().st_dev
    return parent if beside else repository


def _tensor(tensor: Tensor) -> str:
    data_type = _PROTOBUF_TYPES.get(tensor.data_type, f"TYPE_{tensor.data_type}")
    fields = [f"name: {_quoted(tensor.name)}", f"data_type: {data_type}", f"dims: {[*tensor.dims]}"]
    if tensor.optional:
        fields.append("optional: true")
    if tensor.labels:
        fields.append(f"label_filename: {_quoted(_labels_file(tensor))}")
    return f"{{ {' '.join(fields)} }}"


def _labels_file(tensor: Tensor) -> str:
    return f"{tensor.name}.txt"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _is_export(folder: Path) -> bool:
    """Return True if an export has written a model's folder."""
    try:
        return (folder / CONFIG).read_text(encoding="utf-8").startswith(_WRITTEN_BY)
    except (OSError, UnicodeDecodeError):
        return False
