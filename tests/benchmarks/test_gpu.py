"""benchmarks.gpu runs to its end, with the CPU in place of a GPU."""

import re

import pytest

from benchmarks import gpu

pytestmark = pytest.mark.integration


def test_training_and_sales_are_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--device", "cpu", "--part", "training", "--part", "sales", "--rows", "9000"]
    monkeypatch.setattr("sys.argv", ["gpu", *arguments, "--seconds", "0.2", "--connections", "4"])
    gpu.main()
    printed = capsys.readouterr().out
    row = r"^\| (?:GPU, . workers?|CPU|sales network on cpu) \|.*?([\d,]+)(?: \| [\d.]+)? \|$"
    rates = re.findall(row, printed, re.MULTILINE)
    assert len(rates) == 5
    assert all(int(rate.replace(",", "")) > 0 for rate in rates)
    assert re.search(r"^GPU against CPU: \d+\.\d\d$", printed, re.MULTILINE)
