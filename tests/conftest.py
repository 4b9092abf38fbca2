"""Fixtures of all tests: synthetic tables and photos, small bundles trained on them, and real data if available."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

# One OpenMP thread for each process, set before torch is loaded. Tests run in parallel on all cores, where a second
# thread makes training slower, because it waits for a core (measured: 3.9 times as long beside two busy processes).
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Tests that run in parallel leave no processor idle, which work in the background would wait for.
os.environ.setdefault("SHOPCAT_BACKGROUND", "normal")
# A shell starts programs in the background with SIGINT ignored, which they would pass on to what they start.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

import filelock
import pytest
import torch

from runtime.cores import n_cores
from sales.bundle import Bundle, load
from sales.forecaster import Forecaster
from training.run import Run
from training.sales.data.demo import write_demo
from training.sales.data.tables import Tables, read_tables
from training.sales.options import Options
from training.sales.train import train

if TYPE_CHECKING:  # torchvision and timm are imported by the tests that need them
    from training.pets.data.photos import PetData
    from training.pets.train import Trained

ROOT = Path(__file__).parent.parent
STORES = 12
LONGEST = (
    "test_contract.py",
    "test_add_a_model.py",
    "test_failover.py",
    "test_monitoring.py",
    "test_demonstration.py",
    "test_cli.py",
)


def pytest_xdist_auto_num_workers() -> int:
    """Return the number of test processes: one more than cores, because many tests wait for servers."""
    return n_cores() + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files for several processes (pytest -n 2 --dist loadfile --no-loadscope-reorder).

    The longest files come first, then the others that start servers or train, so that short ones fill the gaps at the
    end.
    """
    longest = {name: index for index, name in enumerate(LONGEST)}
    integration = {item.path for item in items if item.get_closest_marker("integration")}
    items.sort(key=lambda item: (longest.get(item.path.name, len(longest)), item.path not in integration))


def pytest_collection_finish() -> None:
    """Exempt the imported modules, about a million objects, from each later garbage collection."""
    gc.collect()
    gc.freeze()


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip tests that need a GPU where there is none."""
    if item.get_closest_marker("gpu") and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")


@pytest.fixture(scope="session", autouse=True)
def _state_folder(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep services that tests start out of the user's own data."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with seven synthetic tables of a few stores."""
    folder = tmp_path_factory.mktemp("demo") / "tables"
    write_demo(folder, stores=STORES, seed=1)
    return folder


@pytest.fixture(scope="session")
def demo_tables(demo_folder: Path) -> Tables:
    """Synthetic tables, read from `demo_folder`."""
    return read_tables(demo_folder)


@pytest.fixture(scope="session")
def demo_bundle(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a briefly trained sales bundle in production mode.

    All test processes share it. Do not write to it; copy it.
    """
    folder = tmp_path_factory.getbasetemp()
    out = (folder.parent if hasattr(request.config, "workerinput") else folder) / "bundle" / "sales"
    out.parent.mkdir(exist_ok=True)
    with filelock.FileLock(out.with_suffix(".lock")):
        if not out.exists():
            tables: Tables = request.getfixturevalue("demo_tables")
            train(tables, out, Options(epochs=2, layers=(64, 32), trees=100), Run("sales", progress=False))
    return out


@pytest.fixture(scope="session")
def bundle(demo_bundle: Path) -> Bundle:
    """Loaded content of `demo_bundle`."""
    return load(demo_bundle)


@pytest.fixture(scope="session")
def forecaster(demo_bundle: Path) -> Forecaster:
    """Forecaster of `demo_bundle`, with a handler's settings."""
    return Forecaster.load(demo_bundle)


@pytest.fixture(scope="session")
def rossmann() -> Path:
    """Folder of the real Rossmann tables."""
    return real_data("rossmann")


@pytest.fixture(scope="session")
def oxford_pets() -> Path:
    """Folder of the real photos, the Oxford-IIIT Pet Dataset."""
    return real_data("oxford-iiit-pet")


def real_data(name: str) -> Path:
    """Return a folder of real data, which the license keeps out of the repository.

    Without SHOPCAT_DATA, tests that need real data are skipped. If SHOPCAT_DATA_REQUIRED is set too, they fail instead,
    so that a build cannot pass by skipping them.
    """
    folder = os.environ.get("SHOPCAT_DATA")
    if folder:
        return (ROOT / folder / name).resolve(strict=True)
    if os.environ.get("SHOPCAT_DATA_REQUIRED"):
        pytest.fail("SHOPCAT_DATA is not set, but SHOPCAT_DATA_REQUIRED demands tests with real data")
    pytest.skip(f"SHOPCAT_DATA is not set; set it to a folder that contains {name}/")


@pytest.fixture(scope="session")
def prometheus_program() -> str:
    """Path of the Prometheus server."""
    return prometheus_tool("prometheus")


@pytest.fixture(scope="session")
def promtool() -> str:
    """Path of promtool, which checks Prometheus's configuration, rules and metrics."""
    return prometheus_tool("promtool")


def prometheus_tool(name: str) -> str:
    """Return the path of a program from Debian's package prometheus.

    Without it, tests are skipped. If SHOPCAT_PROMETHEUS_REQUIRED is set, they fail instead.
    """
    if program := shutil.which(name):
        return program
    reason = f"{name} is not installed; Debian has it in the package prometheus"
    if os.environ.get("SHOPCAT_PROMETHEUS_REQUIRED"):
        pytest.fail(f"{reason}, but SHOPCAT_PROMETHEUS_REQUIRED demands tests with it")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def rossmann_tables(rossmann: Path) -> Tables:
    """Real Rossmann tables, read."""
    return read_tables(rossmann)


@pytest.fixture(scope="session")
def pet_data(tmp_path_factory: pytest.TempPathFactory) -> PetData:
    """Drawn photos of three "breeds", read; each breed is one shape in one colour, in its folder."""
    from tests.training.pets.drawn import draw_photos
    from training.pets.data.photos import read_pets

    return read_pets(draw_photos(tmp_path_factory.mktemp("drawn")))


@pytest.fixture(scope="session")
def pets_training(pet_data: PetData, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trained]:
    """Folder of a bundle briefly trained on the drawn photos, and its training result. Do not write to it; copy it."""
    from tests.training.pets.tiny import TINY
    from training.pets.options import Options
    from training.pets.train import train
    from training.run import Run

    options = Options(backbone=TINY, size=96, crop_pct=0.9, int8=False)
    out = tmp_path_factory.mktemp("pets") / "pets"
    return out, train(pet_data, out, options, Run("pets", progress=False))


@pytest.fixture(scope="session")
def pets_bundle(pets_training: tuple[Path, Trained]) -> Path:
    """Folder of the bundle trained on the drawn photos. Do not write to it; copy it."""
    return pets_training[0]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Files of a self-signed certificate for 127.0.0.1 and of its key."""
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    files = folder / "cert.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-subj", "/CN=shopcat", "-addext", "subjectAltName=IP:127.0.0.1"]
    subprocess.run([*command, "-out", files[0], "-keyout", files[1]], check=True, capture_output=True)
    return files
