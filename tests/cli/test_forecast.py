"""shopcat plan, forecast and explain."""

import math
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli import main


def shopcat(*args: object) -> Result:
    return CliRunner().invoke(main, [str(arg) for arg in args])


@pytest.mark.integration
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--levels", "80,120"), "--levels: must be 98.0 or less (given: 120)"),
        (("--levels", "80,80"), "--levels: names a number twice; name each once"),
        (("--levels", "80", "--quantiles", "0.5"), "--quantiles: not allowed beside levels"),
        (("--quantiles", "half"), "'half' is not a comma-separated list of numbers"),
        (("--objective", "mode"), "'mode' is not one of 'median', 'mean', 'rmspe'"),
    ],
)
def test_wrong_options_of_a_forecast_are_named(
    demo_bundle: Path, tmp_path: Path, options: tuple[str, ...], message: str
) -> None:
    rows = tmp_path / "rows.csv"
    rows.write_text("store,date\n1,2015-08-22\n")
    result = shopcat("forecast", demo_bundle, rows, "--out", tmp_path / "out.csv", *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("store", "date", "message"),
    [
        ("1", "2015-02-30", 'DATE is "2015-02-30": '),
        ("1", "22.08.2015", "DATE is"),
        ("99", "2015-08-22", "store 99 is not known"),
        ("1", "1999-08-22", "the model's calendar does not reach 1999-08-22"),
    ],
)
def test_explain_names_its_arguments(demo_bundle: Path, store: str, date: str, message: str) -> None:
    """The messages had the pointers of a request in JSON."""
    result = shopcat("explain", demo_bundle, store, date)
    assert result.exit_code == 2
    assert message in result.output.replace("'2015-02-30'", '"2015-02-30"')
    assert "/date" not in result.output


def test_a_plan_is_forecast_and_neither_file_is_overwritten(demo_bundle: Path, tmp_path: Path) -> None:
    plan, out = tmp_path / "plan.csv", tmp_path / "forecasts.csv"
    command = ("plan", demo_bundle, "--days", "14", "--start", "2015-08-03", "--stores", "1,3", "--stores", "5")
    written = shopcat(*command, "--out", plan)
    assert written.exit_code == 0, written.output
    assert "42 rows of 3 stores, 2015-08-03 to 2015-08-16" in written.output
    assert re.search(r"\n  \d+ rows?: weather assumed\n", written.output)
    text = plan.read_text()
    again = shopcat(*command, "--out", plan)
    assert (again.exit_code, plan.read_text()) == (2, text)
    assert "may have your changes; name another file, or replace it with --force" in again.output
    assert shopcat(*command, "--out", plan, "--force").exit_code == 0
    forecast = shopcat("forecast", demo_bundle, plan, "--out", out, "--levels", "80,90")
    assert forecast.exit_code == 0, forecast.output
    assert out.read_text().splitlines()[0].endswith(",sales,low_80,high_80,low_90,high_90,warnings")
    assert "42 forecasts by sales" in forecast.output
    assert len(out.read_text().splitlines()) == 43
    over = shopcat("forecast", demo_bundle, plan, "--out", plan)
    assert (over.exit_code, plan.read_text()) == (2, text)
    assert "plan.csv is the input itself; name another file" in over.output
    wrong = shopcat("plan", demo_bundle, "--start", "tomorrow", "--out", tmp_path / "x.csv")
    assert wrong.exit_code == 2
    assert "'tomorrow' is not a date, like 2015-08-01" in wrong.output


def test_explain_prints_factors_that_multiply_to_the_forecast(demo_bundle: Path) -> None:
    result = shopcat("explain", demo_bundle, 3, "2015-08-21")
    assert result.exit_code == 0, result.output
    first, ordinary, *groups = result.output.splitlines()
    assert "store 3 on 2015-08-21" in first
    assert "an ordinary day, store " in ordinary
    assert len(groups) == 8
    sales, baseline = (float(re.findall(r": ([\d,.]+)", line)[0].replace(",", "")) for line in (first, ordinary))
    factors = [float(re.findall(r"x (\d+\.\d+)  \w", line)[0]) for line in groups]
    assert baseline * math.prod(factors) == pytest.approx(sales, rel=0.005)
    assert "closed" in shopcat("explain", demo_bundle, 3, "2015-08-23").output
    for store, date, said in ((99, "2015-08-21", "store 99 is not known"), (3, "friday", "a date is a string like")):
        result = shopcat("explain", demo_bundle, store, date)
        assert result.exit_code == 2
        assert said in result.output
