"""sales.bundle: a bundle is complete or rejected, after a killed process and after any damage to its files.

Longer than 350 lines: the tests of one module share their fixtures and helpers.
"""

import hashlib
import json
import os
import pickle
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from runtime.bundle import CARD, GOLDEN, MANIFEST, NETWORK, WEIGHTS, BundleError
from runtime.folder import FolderError, sha256
from sales import bundle as bundles
from sales.bundle import FILES, TABLES, Bundle, load
from sales.forecaster import Forecaster
from sales.panel import Panel

ROOT = Path(__file__).parents[2]


def fields(bundle: Bundle) -> dict[str, Any]:
    """Return the fields of the manifest that ``save`` takes."""
    manifest = bundle.manifest
    return {name: getattr(manifest, name) for name in type(manifest).model_fields if name not in ("version", "files")}


def save(folder: Path, bundle: Bundle, *, card: str = "a card\n", replace: bool = False) -> None:
    bundles.save(
        folder,
        fields(bundle),
        weights={"layer.weight": np.arange(6, dtype=np.float32).reshape(2, 3)},
        network=b"an ONNX file",
        panel=bundle.panel,
        golden=bundle.golden,
        card=card,
        replace=replace,
    )


@pytest.fixture
def folder(demo_bundle: Path, tmp_path: Path) -> Path:
    """A copy of the bundle that a test may change."""
    return Path(shutil.copytree(demo_bundle, tmp_path / "sales"))


def fix_hashes(folder: Path) -> None:
    edit(folder, lambda content: content | {"files": {name: sha256(folder / name) for name in FILES}})


def edit(folder: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = json.loads((folder / MANIFEST).read_text())
    (folder / MANIFEST).write_text(json.dumps(change(content)))


# Save and load


def test_a_saved_bundle_loads_with_equal_content(bundle: Bundle, tmp_path: Path) -> None:
    save(tmp_path / "a" / "b", bundle)
    again = load(tmp_path / "a" / "b")
    assert {*FILES, MANIFEST} == {file.name for file in again.folder.iterdir()}
    assert again.golden == bundle.golden
    assert {**fields(again)} == {**fields(bundle)}
    assert again.panel.levels == bundle.panel.levels
    arrays = bundle.panel.arrays()
    for name, array in again.panel.arrays().items():
        np.testing.assert_array_equal(array, arrays[name])
        assert array.dtype == arrays[name].dtype
    spec = again.preprocessor.spec(again.panel.levels)
    assert spec == bundle.manifest.preprocess == again.manifest.preprocess
    assert (again.folder / CARD).read_text() == "a card\n"
    assert (again.folder / NETWORK).read_bytes() == b"an ONNX file"


def test_the_version_has_the_cutoff_and_depends_on_every_file_but_the_card(bundle: Bundle, tmp_path: Path) -> None:
    """Another plan or weather is another version; the card has the date of the training."""
    save(tmp_path / "sales", bundle)
    manifest = load(tmp_path / "sales").manifest
    names = sorted({*FILES} - {CARD})
    hashes = "".join(sha256(tmp_path / "sales" / name) for name in names)
    digest = hashlib.sha256(hashes.encode()).hexdigest()
    assert manifest.version == f"{manifest.cutoff:%Y%m%d}-{digest[:8]}"


def test_other_users_can_read_a_bundle(bundle: Bundle, tmp_path: Path) -> None:
    """One user trains a bundle and another serves it; safetensors would create private files."""
    save(tmp_path / "sales", bundle)
    for path in (tmp_path / "sales", *(tmp_path / "sales").iterdir()):
        wanted = 0o055 if path.is_dir() else 0o044
        assert path.stat().st_mode & wanted == wanted, path


def test_a_panel_lacking_an_array_is_named(bundle: Bundle) -> None:
    arrays = bundle.panel.arrays()
    del arrays["calendar.promo"]
    with pytest.raises(KeyError, match=r"calendar\.promo"):
        Panel.of(arrays, bundle.panel.levels)


def test_a_bundle_is_replaced_only_if_asked(bundle: Bundle, tmp_path: Path) -> None:
    target = tmp_path / "sales"
    save(target, bundle)
    with pytest.raises(FolderError, match="there already and not empty; name another folder"):
        save(target, bundle, card="new\n")
    assert (target / CARD).read_text() == "a card\n"
    save(target, bundle, card="new\n", replace=True)
    assert (target / CARD).read_text() == "new\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sales"]


def test_a_failed_save_leaves_no_file(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(TypeError):
        bundles.save(
            tmp_path / "sales",
            fields(bundle),
            weights={},
            network=b"",
            panel=bundle.panel,
            golden=[{"store": object()}],  # no JSON
            card="",
        )
    assert [*tmp_path.iterdir()] == []


# Killed processes

KILLER = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, {root!r})
from sales.bundle import load
from tests.sales.test_bundle import save

bundle, area = load(Path({source!r})), {area!r}


def run(moment, folder, replace):
    # A child that is killed at its moment-th file operation: open, create, rename or remove.
    if child := os.fork():
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    left = moment

    def hook(event, arguments):
        nonlocal left
        if event.startswith(("open", "os.", "shutil.", "tempfile.", "ctypes.dlsym")):
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(hook)
    save(folder, bundle, card="new\\n", replace=replace)
    os._exit(0)


moments = 0
for replace in (False, True):
    moment = 1
    while True:
        folder = Path(area) / f"{{replace}}-{{moment}}" / "sales"
        if replace:
            save(folder, bundle, card="old\\n")
        status = run(moment, folder, replace)
        if status == 0:
            break
        assert status == -signal.SIGKILL, status
        moment += 1
    print(replace, moment - 1)
"""


@pytest.mark.integration
def test_a_save_killed_at_any_moment_is_complete_or_absent(demo_bundle: Path, tmp_path: Path) -> None:
    area = tmp_path / "area"
    area.mkdir()
    script = KILLER.format(root=str(ROOT), source=str(demo_bundle), area=str(area))
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    moments = dict(line.split() for line in done.stdout.splitlines())
    assert all(int(count) >= 15 for count in moments.values()), moments
    states = []
    for folder in area.glob("*/sales"):
        load(folder)  # raises unless it is complete
        states.append((folder.parent.name.partition("-")[0], (folder / CARD).read_text()))
    names = [path.name.partition("-")[0] for path in area.iterdir()]
    absent = names.count("False") - sum(replace == "False" for replace, _ in states)
    assert absent > 10  # killed before it was complete
    assert sum(replace == "True" for replace, _ in states) == names.count(
        "True"
    )  # the old bundle stays until the new one is complete
    assert {*states} == {("False", "new\n"), ("True", "old\n"), ("True", "new\n")}
    # A leftover of a killed process is no bundle, or is the old bundle.
    leftovers = [path for path in area.glob("*/.*") if path.is_dir()]
    assert len(leftovers) > 20
    for leftover in leftovers:
        assert leftover.name.startswith(".sales.")
        if {file.name for file in leftover.iterdir()} != {*FILES, MANIFEST}:
            with pytest.raises(BundleError):
                load(leftover)


def test_a_leftover_of_a_killed_save_does_not_prevent_a_save(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / ".sales.abc.part").mkdir()
    (tmp_path / ".sales.abc.part" / WEIGHTS).write_bytes(b"half")
    save(tmp_path / "sales", bundle)
    load(tmp_path / "sales")


# Damaged bundles


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_named(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError, match=f"changed since: {name}.*export it again"):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(BundleError, match=f"missing: {name}"):
        load(folder)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(folder: Path, name: str) -> None:
    os.truncate(folder / name, (folder / name).stat().st_size // 2)
    with pytest.raises(BundleError, match=f"changed since: {name}"):
        load(folder)


@pytest.mark.parametrize("name", ["model.pkl", "handler.py", "notes/a/x.txt", ".hidden", ".git/config"])
def test_an_unlisted_file_is_named(folder: Path, name: str) -> None:
    """A bundle holds only files that its manifest lists."""
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(b"x")
    with pytest.raises(BundleError, match=f"not listed in it: {name}"):
        load(folder)


def test_all_faults_are_reported_at_once(folder: Path) -> None:
    (folder / CARD).unlink()
    (folder / NETWORK).write_bytes(b"")
    (folder / "extra").write_bytes(b"")
    with pytest.raises(BundleError) as caught:
        load(folder)
    assert all(part in str(caught.value) for part in (f"missing: {CARD}", "in it: extra", f"since: {NETWORK}"))


class Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return (os.kill, (os.getpid(), signal.SIGKILL))


@pytest.mark.parametrize("name", [WEIGHTS, TABLES, NETWORK, GOLDEN])
def test_a_pickle_in_place_of_a_file_is_never_opened(folder: Path, name: str) -> None:
    """Opening this pickle would kill the test, so it is never opened, even with a correct hash."""
    (folder / name).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BundleError):
        load(folder)
    fix_hashes(folder)
    if name in (TABLES, GOLDEN):  # the other files are read when the network is opened
        with pytest.raises(BundleError, match="can't be read"):
            load(folder)
    else:
        load(folder)


def test_a_pickle_as_manifest_is_rejected(folder: Path) -> None:
    (folder / MANIFEST).write_bytes(pickle.dumps(Trap()))
    with pytest.raises(BundleError, match="not JSON"):
        load(folder)


def test_tables_without_an_array_are_rejected(folder: Path) -> None:
    arrays = load_file(folder / TABLES)
    del arrays["sales"]
    save_file(arrays, folder / TABLES)
    fix_hashes(folder)
    with pytest.raises(BundleError, match=r"can't be read: KeyError: 'sales'"):
        load(folder)


# Other formats


@pytest.mark.parametrize("version", [0, 1, 2, 4, "3", None, [3]])
def test_an_unknown_format_version_is_rejected_and_named(folder: Path, version: Any) -> None:
    def change(content: dict[str, Any]) -> dict[str, Any]:
        return {**content, "format_version": version, "what_comes_later": True}

    edit(folder, change)
    with pytest.raises(BundleError) as caught:
        load(folder)
    assert f"format version {version!r}" in str(caught.value)
    assert "reads 3" in str(caught.value)


def test_a_column_of_a_later_version_is_rejected_and_named(folder: Path) -> None:
    """The bundle decides the columns; one that this version can't compute is no traceback."""
    loaded = load(folder)
    spec = loaded.manifest.preprocess
    later = spec.model_copy(update={"cont_names": ["Moonlight", *spec.cont_names[1:]]})
    bundle = replace(loaded, manifest=loaded.manifest.model_copy(update={"preprocess": later}))
    with pytest.raises(BundleError, match=r"production mode has no column Moonlight.*export it again"):
        Forecaster.of(bundle, lambda cats, conts: conts[:, 0])


def test_a_manifest_without_a_version_is_rejected(folder: Path) -> None:
    edit(folder, lambda content: {name: value for name, value in content.items() if name != "format_version"})
    with pytest.raises(BundleError, match="format version None"):
        load(folder)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda content: [content], "not a JSON object"),
        (lambda content: content | {"kind": "pets"}, "kind"),
        (lambda content: content | {"surprise": 1}, "surprise"),
        (lambda content: content | {"cutoff": "soon"}, "cutoff"),
        (lambda content: content | {"preprocess": {}}, r"preprocess\.cat_names"),
        (lambda content: {k: v for k, v in content.items() if k != "network"}, "network"),
    ],
)
def test_an_invalid_manifest_is_rejected(folder: Path, change: Callable[[dict[str, Any]], Any], complaint: str) -> None:
    edit(folder, change)
    with pytest.raises(BundleError, match=complaint):
        load(folder)


def test_a_truncated_manifest_is_rejected(folder: Path) -> None:
    whole = (folder / MANIFEST).read_bytes()
    for size in (0, 1, len(whole) // 2, len(whole) - 3):
        (folder / MANIFEST).write_bytes(whole[:size])
        with pytest.raises(BundleError, match=r"bundle\.json is not JSON"):
            load(folder)


def test_paths_that_are_no_bundles_are_rejected(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("")
    for place, complaint in {
        tmp_path / "empty": "has no bundle.json",
        tmp_path / "file": "is not a folder",
        tmp_path / "nowhere": "is not a folder",
        folder / MANIFEST: "is not a folder",
    }.items():
        with pytest.raises(BundleError, match=complaint) as caught:
            load(place)
        assert str(place) in str(caught.value)
        assert "shopcat train" in str(caught.value)


def test_a_folder_as_manifest_is_rejected(folder: Path) -> None:
    (folder / MANIFEST).unlink()
    (folder / MANIFEST).mkdir()
    with pytest.raises(BundleError, match=r"bundle\.json can't be read: Is a directory"):
        load(folder)


def test_a_dangling_link_is_rejected(folder: Path) -> None:
    (folder / NETWORK).unlink()
    (folder / NETWORK).symlink_to("nowhere")
    with pytest.raises(BundleError, match=rf"{NETWORK} can't be read: No such file"):
        load(folder)
