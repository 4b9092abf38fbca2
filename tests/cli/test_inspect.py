"""`shopcat inspect` reports its result as its exit status, without torch."""

import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner

from cli import main
from tests.training.sales.data.own_tables import chain, write


def test_tables_that_can_be_trained_on_give_status_0(tmp_path: Path) -> None:
    write(tmp_path, sales=chain())
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "sales.csv")])
    assert result.exit_code == 0
    assert "sales: sales.csv, 260 rows, 5 stores" in result.stdout
    assert result.stdout.endswith(f"ready to train: shopcat train sales {tmp_path / 'sales.csv'}\n")


def test_tables_with_problems_give_status_1_and_all_problems(tmp_path: Path) -> None:
    write(tmp_path, sales="store,date,sales\n1,2023-01-02,-5\n1,yesterday,5\n")
    result = CliRunner().invoke(main, ["inspect", str(tmp_path)])
    assert result.exit_code == 1
    assert f"2 problems with the tables in {tmp_path}:" in result.stderr
    assert "ready" not in result.stdout


def test_no_data_gives_status_1(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["inspect", str(tmp_path / "nowhere")])
    assert result.exit_code == 1
    assert "no such folder or file" in result.stderr


def test_an_inspection_imports_no_torch(tmp_path: Path) -> None:
    write(tmp_path, sales=chain())
    code = "import sys; from cli import main; main(standalone_mode=False); assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code, "inspect", str(tmp_path)], check=True)
