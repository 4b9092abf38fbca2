"""What the tests share: made-up tables, a small bundle trained on them, and the real tables where there are any."""

import os
from pathlib import Path

import pytest

from sales.bundle import Bundle, load
from sales.forecaster import Forecaster
from sales.tables import Tables, read_tables
from training.demo import write_demo
from training.sales import Options, train

ROOT = Path(__file__).parent.parent
STORES = 12


@pytest.fixture(scope="session")
def demo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of seven synthetic tables of a few stores."""
    folder = tmp_path_factory.mktemp("demo") / "tables"
    write_demo(folder, stores=STORES, seed=1)
    return folder


@pytest.fixture(scope="session")
def demo_tables(demo_folder: Path) -> Tables:
    """The synthetic tables, read."""
    return read_tables(demo_folder)


@pytest.fixture(scope="session")
def demo_bundle(demo_tables: Tables, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle trained for a moment in production mode. Do not write to it; copy it."""
    out = tmp_path_factory.mktemp("bundle") / "sales"
    train(demo_tables, out, Options(epochs=2, layers=(64, 32)), synthetic=True, progress=False)
    return out


@pytest.fixture(scope="session")
def bundle(demo_bundle: Path) -> Bundle:
    """The bundle, read."""
    return load(demo_bundle)


@pytest.fixture(scope="session")
def forecaster(demo_bundle: Path) -> Forecaster:
    """The bundle's forecaster, as a handler has it."""
    return Forecaster.load(demo_bundle)


@pytest.fixture(scope="session")
def rossmann() -> Path:
    """The folder of the real tables.

    They are not the project's to ship. Without SHOPCAT_DATA the tests that need them are skipped; with
    SHOPCAT_DATA_REQUIRED they fail instead, so that a build can't pass by not looking.
    """
    folder = os.environ.get("SHOPCAT_DATA")
    if folder:
        return (ROOT / folder / "rossmann").resolve(strict=True)
    if os.environ.get("SHOPCAT_DATA_REQUIRED"):
        pytest.fail("SHOPCAT_DATA is not set, and SHOPCAT_DATA_REQUIRED says that the real tables must be tested")
    pytest.skip("SHOPCAT_DATA is not set; it names a folder that has rossmann/ in it")


@pytest.fixture(scope="session")
def rossmann_tables(rossmann: Path) -> Tables:
    """The real tables, read."""
    return read_tables(rossmann)
