"""A CSV in, a CSV with forecasts out: Kaggle's own file, anybody's spreadsheet, and every slip that they come with."""

import csv
import datetime as dt
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from sales.forecaster import Forecaster
from schemas.sales.answer import Forecasts, ItemForecast
from schemas.sales.options import AnswerOptions
from schemas.sales.parse import parse_request
from training.sales.forecast_files.forecast import forecast_file
from training.sales.forecast_files.formats import RowsError

HEADER = "store,date,promo\n"


def forecast(forecaster: Forecaster, folder: Path, text: str | bytes) -> tuple[list[dict[str, str]], Counter[str]]:
    """Return the rows written for a CSV, and the counts."""
    source, out = folder / "rows.csv", folder / "out.csv"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    count, kinds = forecast_file(forecaster, source, out)
    with out.open(encoding="utf-8", newline="") as file:
        rows = [*csv.DictReader(file)]
    assert len(rows) == count
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "rows.csv"]
    return rows, kinds


def refused(forecaster: Forecaster, folder: Path, text: str | bytes) -> str:
    """Return the message of the error; nothing must be written, and an existing file must stay."""
    source, out = folder / "rows.csv", folder / "out.csv"
    source.write_bytes(text.encode() if isinstance(text, str) else text)
    out.write_text("from last week\n")
    with pytest.raises(RowsError) as caught:
        forecast_file(forecaster, source, out)
    assert out.read_text() == "from last week\n"
    assert sorted(path.name for path in folder.iterdir()) == ["out.csv", "rows.csv"]
    assert str(source) in str(caught.value)
    return str(caught.value)


def asked(forecaster: Forecaster, *items: dict[str, Any]) -> list[float]:
    """Return the forecasts of the same rows by the service."""
    (answer,) = forecaster.predict([parse_request({"items": [*items]})])
    assert isinstance(answer, Forecasts)
    return [item.sales for item in answer.items if isinstance(item, ItemForecast)]


def test_the_test_csv_of_kaggle_gives_a_submission(forecaster: Forecaster, demo_folder: Path, tmp_path: Path) -> None:
    rows, kinds = forecast(forecaster, tmp_path, (demo_folder / "test.csv").read_bytes())
    plan = pd.read_csv(demo_folder / "test.csv", dtype={"StateHoliday": str})
    assert [*rows[0]] == ["Id", "Sales"]
    assert [int(row["Id"]) for row in rows] == plan["Id"].tolist()
    sales = np.array([float(row["Sales"]) for row in rows])
    assert ((sales == 0) == (plan["Open"] == 0)).all()
    assert 0 < (plan["Open"] == 0).sum() < len(plan)
    assert kinds["beyond_horizon"] == kinds["training_period"] == 0
    # Kaggle leaves it out in 11 rows; days before these and before the plan's end look ahead at an assumed day.
    assert 0 < plan["Open"].isna().sum() < kinds["open assumed"] < len(plan) / 2
    # The file is the plan that the model has; so to ask for its days without it gives the same.
    bare = plan[["Id", "Store", "Date"]]
    again, _ = forecast(forecaster, tmp_path, bare.to_csv(index=False))
    assert again == rows


def test_any_other_csv_keeps_its_columns_and_gets_one(forecaster: Forecaster, tmp_path: Path) -> None:
    text = (
        'note,DATE ,Store,promo,price\n"a, b",2015-08-22,3,1,007\n,2015-08-24,3,,1.50\n"say ""x""",2015-08-22,4,0,NA\n'
    )
    rows, kinds = forecast(forecaster, tmp_path, text)
    assert [*rows[0]] == ["note", "DATE ", "Store", "promo", "price", "sales", "assumed", "warnings"]
    assert [[*row.values()][:5] for row in rows] == [*csv.reader(text.splitlines()[1:])]
    expected = asked(
        forecaster,
        {"store": 3, "date": "2015-08-22", "promo": True},
        {"store": 3, "date": "2015-08-24"},
        {"store": 4, "date": "2015-08-22", "promo": False},
    )
    assert [float(row["sales"]) for row in rows] == pytest.approx(expected, rel=1e-5)
    assert {*kinds} <= {"weather assumed", "unseen", "out_of_range", "filled"}


def test_sales_that_are_there_already_stay(forecaster: Forecaster, tmp_path: Path) -> None:
    rows, _ = forecast(forecaster, tmp_path, "Id,Store,Date,Sales\n9,1,2015-08-22,5263\n")
    assert [*rows[0]] == ["Id", "Store", "Date", "Sales", "forecast", "assumed", "warnings"]
    assert rows[0]["Sales"] == "5263"
    assert float(rows[0]["forecast"]) > 0


def test_an_id_alone_does_not_make_a_submission(forecaster: Forecaster, tmp_path: Path) -> None:
    rows, _ = forecast(forecaster, tmp_path, "id,store,date,region\n7,1,2015-08-22,north\n7,2,2015-08-22,south\n")
    assert [*rows[0]] == ["id", "store", "date", "region", "sales", "assumed", "warnings"]
    assert [[*row.values()][:4] for row in rows] == [
        ["7", "1", "2015-08-22", "north"],
        ["7", "2", "2015-08-22", "south"],
    ]
    assert float(rows[0]["sales"]) > 0
    kaggles, _ = forecast(forecaster, tmp_path, "ID,store,dayofweek,DATE,promo\n7,1,6,2015-08-22,\n8,2,6,2015-08-22,\n")
    assert kaggles == [{"Id": str(7 + i), "Sales": row["sales"]} for i, row in enumerate(rows)]
    two, _ = forecast(forecaster, tmp_path, "id,Id,store,date\n7,8,1,2015-08-22\n")
    assert [{**row, "assumed": "", "warnings": ""} for row in two] == [
        {
            "id": "7", "Id": "8", "store": "1", "date": "2015-08-22", "sales": rows[0]["sales"],
            "assumed": "", "warnings": "",
        }
    ]  # fmt: skip


def test_no_column_is_overwritten(forecaster: Forecaster, tmp_path: Path) -> None:
    values = "1,2015-08-22,mine"
    for header, added in (("Forecast", "sales"), ("forecast", "sales"), ("sales", "forecast"), (" SALES", "forecast")):
        rows, _ = forecast(forecaster, tmp_path, f"store,date,{header}\n{values}\n")
        assert [*rows[0]] == ["store", "date", header, added, "assumed", "warnings"]
        assert rows[0][header] == "mine"
        assert float(rows[0][added]) > 0
    (tmp_path / "out.csv").unlink()
    for header in ("Sales,Forecast", "forecast,SALES"):
        text = refused(forecaster, tmp_path, f"store,date,{header}\n{values},mine\n")
        assert "has the columns sales and forecast already; rename one" in text


def test_the_statements_of_all_rows_form_one_plan(forecaster: Forecaster, tmp_path: Path) -> None:
    """Open, promo and holidays of all rows of a store count for its other rows, as among the items of one request."""
    text = (
        "Store,Date,Open,Promo,StateHoliday,SchoolHoliday\n"
        "3,2015-08-22,1,,,\n3,2015-08-24,1,{promo},a,1\n3,2015-08-25,0,0,0,0\n"
    )
    items = [
        {"store": 3, "date": "2015-08-22", "open": True},
        {"store": 3, "date": "2015-08-24", "open": True, "state_holiday": "a", "school_holiday": True},
        {
            "store": 3,
            "date": "2015-08-25",
            "open": False,
            "promo": False,
            "state_holiday": "0",
            "school_holiday": False,
        },
    ]
    found = {}
    for promo in (0, 1):
        rows, _ = forecast(forecaster, tmp_path, text.format(promo=promo))
        found[promo] = [float(row["sales"]) for row in rows]
        items[1]["promo"] = bool(promo)
        assert found[promo] == pytest.approx(asked(forecaster, *items), rel=1e-5)
        assert found[promo][2] == 0
    assert found[0][0] != found[1][0]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("Windows line ends", "store,date,promo\r\n3,2015-08-22,1\r\n4,2015-08-22,0\r\n"),
        ("a byte order mark", "\ufeffstore,date,promo\n3,2015-08-22,1\n4,2015-08-22,0\n"),
        ("no line end at the end", "store,date,promo\n3,2015-08-22,1\n4,2015-08-22,0"),
        ("blanks", "store,date,promo\n 3 , 2015-08-22 ,1 \n4,2015-08-22, 0\n"),
        ("quotes", '"store","date","promo"\n"3","2015-08-22","1"\n"4","2015-08-22","0"\n'),
        ("flags of pandas", "store,date,promo\n3,2015-08-22,1.0\n4,2015-08-22,0.0\n"),
        ("flags in words", "store,date,promo\n3,2015-08-22,true\n4,2015-08-22,False\n"),
        ("stores of pandas", "store,date,promo\n3.0,2015-08-22,1\n4.0,2015-08-22,0\n"),
        ("dates without zeros", "store,date,promo\n3,2015-8-22,1\n4,2015-8-22,0\n"),
        ("columns in another order", "promo,date,store\n1,2015-08-22,3\n0,2015-08-22,4\n"),
        ("names in capitals", "STORE,Date,PROMO\n3,2015-08-22,1\n4,2015-08-22,0\n"),
        ("other names of the columns", "Shop,ds,On Promotion\n3,2015-08-22,1\n4,2015-08-22,0\n"),
        ("an alias beside the name", "store,date,day,promo\n3,2015-08-22,22,1\n4,2015-08-22,22,0\n"),
        ("times at midnight", "store,date,promo\n3,2015-08-22 00:00:00,1\n4,2015-08-22T00:00:00Z,0\n"),
        ("blank lines", "store,date,promo\n\n3,2015-08-22,1\n\n4,2015-08-22,0\n\n"),
        ("a short line", "store,date,promo,open\n3,2015-08-22,1,\n4,2015-08-22,0\n"),
        ("zeros in front", "store,date,promo\n0003,2015-08-22,1\n004,2015-08-22,0\n"),
        (
            "more columns",
            "store,date,promo,state_holiday,schoolHoliday,Customers\n3,2015-08-22,1,,,5\n4,2015-08-22,0,,,\n",
        ),
    ],
)
def test_usual_spellings_of_a_csv_are_read(forecaster: Forecaster, tmp_path: Path, name: str, text: str) -> None:
    items = [{"store": 3 + place, "date": "2015-08-22", "promo": promo} for place, promo in enumerate((True, False))]
    rows, _ = forecast(forecaster, tmp_path, text)
    assert [float(row["sales"]) for row in rows] == pytest.approx(asked(forecaster, *items), rel=1e-5), name


def test_empty_fields_are_not_stated(forecaster: Forecaster, tmp_path: Path) -> None:
    text = "store,date,open,promo,stateholiday,schoolholiday\n{}\n"
    for date, kinds in (("2015-08-22", {}), ("2015-11-07", {"promo assumed": 1, "beyond_horizon": 1})):
        bare, counted = forecast(forecaster, tmp_path, text.format(f"1,{date},,,,"))
        expected = asked(forecaster, {"store": 1, "date": date})
        assert [float(row["sales"]) for row in bare] == pytest.approx(expected, rel=1e-5)
        assert {kind: counted[kind] for kind in ("promo assumed", "beyond_horizon") if counted[kind]} == kinds
    stated = "\n".join(f"1,{dt.date(2015, 11, 7) + dt.timedelta(days)},1,0,0,0" for days in range(20))
    _, counted = forecast(forecaster, tmp_path, text.format(stated))
    fields = ("open assumed", "promo assumed", "school_holiday assumed")
    assert all(0 < counted[field] < 15 for field in fields), "the last days look ahead at assumed ones"


@pytest.mark.parametrize("nothing", ["", " ", "NA", "N/A", "NaN", "nan", "null", "NULL", "None"])
def test_gaps_of_other_programs_are_not_stated(forecaster: Forecaster, tmp_path: Path, nothing: str) -> None:
    """Spellings of a gap in training are gaps here too, and other columns keep them."""
    header = "store,date,note,open,promo,stateholiday,schoolholiday"
    text = f"{header}\n1,2015-11-07,{nothing}{f',{nothing}' * 4}\n"
    rows, kinds = forecast(forecaster, tmp_path, text)
    assert rows[0]["note"] == nothing
    expected = asked(forecaster, {"store": 1, "date": "2015-11-07"})
    assert [float(row["sales"]) for row in rows] == pytest.approx(expected, rel=1e-5)
    assert kinds["open assumed"] == kinds["promo assumed"] == kinds["school_holiday assumed"] == 1
    if nothing.strip():
        assert "date: " in refused(forecaster, tmp_path, f"store,date\n1,{nothing}\n")


def test_forecast_reads_all_values_that_train_reads(forecaster: Forecaster, demo_folder: Path, tmp_path: Path) -> None:
    """pandas turns whole numbers, flags and holidays of columns with gaps to floats; `read_tables` knows that."""
    rows, kinds = forecast(forecaster, tmp_path, (demo_folder / "test.csv").read_bytes())
    plan = pd.read_csv(demo_folder / "test.csv", dtype={"StateHoliday": str})
    plan["StateHoliday"] = plan["StateHoliday"].replace("0", "0.0")
    for name in ("Store", "Open", "Promo"):
        plan[name] = plan[name].astype(float)
    plan["SchoolHoliday"] = plan["SchoolHoliday"] == 1
    text = plan.to_csv(index=False, na_rep="NaN")
    assert ",NaN," in text
    assert ",0.0,True\n" in text
    assert forecast(forecaster, tmp_path, text) == (rows, kinds)


def test_a_row_counts_once_for_each_kind(forecaster: Forecaster, tmp_path: Path) -> None:
    """The weather table ends with the plan, on 2015-09-17."""
    rows, kinds = forecast(forecaster, tmp_path, "store,date\n1,2015-11-07\n2,2015-11-07\n1,2015-08-22\n1,2014-05-02\n")
    assert len(rows) == 4
    assert (kinds["promo assumed"], kinds["weather assumed"], kinds["beyond_horizon"], kinds["training_period"]) == (
        2,
        2,
        2,
        1,
    )


# Mistakes.


def test_wrong_rows_are_named_by_their_lines(forecaster: Forecaster, tmp_path: Path) -> None:
    wrong = ["99,2015-08-22,1", "1,2015-02-30,1", "1,2015-08-22,maybe", "x,2015-08-22,1", ",2015-08-22,1"]
    wrong += ["1,,1", "1,1999-01-01,1", "-1,2015-08-22,1"]
    rows = ["1,2015-08-22,1"] * 20
    for place, row in enumerate(wrong):
        rows[2 * place + 1] = row
    text = refused(forecaster, tmp_path, HEADER + "\n".join(rows) + "\n")
    assert "8 rows can't be forecast, so nothing was written" in text
    lines = [line.split(":")[0].strip() for line in text.splitlines() if line.startswith("  line")]
    assert lines == ["line 3", "line 5", "line 7", "line 9", "line 11"]
    assert "and 3 more" in text
    for part in ("store 99 is not known", "2015-02-30", "maybe", "'x'", "column store: the cell is empty"):
        assert part in text


def test_one_wrong_row_rejects_the_file(forecaster: Forecaster, tmp_path: Path) -> None:
    text = refused(forecaster, tmp_path, HEADER + "1,2015-08-22,1\n\n1,2015-08-22,2\n")
    assert text.splitlines()[0].endswith(": 1 row can't be forecast, so nothing was written")
    assert text.splitlines()[1:] == ["  line 4: column promo: '2': neither 0 nor 1; write 0 or 1"]


def test_a_file_with_only_wrong_rows_is_rejected(forecaster: Forecaster, tmp_path: Path) -> None:
    text = refused(forecaster, tmp_path, HEADER + "99,2015-08-22,1\n1,2015-02-30,\n-1,2015-08-22,1\n")
    assert "3 rows can't be forecast" in text
    starts = [line.strip().split(": ")[:2] for line in text.splitlines()[1:]]
    assert starts[0][0] == "line 2"
    assert starts[0][1].startswith("store 99 is not known")
    assert starts[1] == ["line 3", "column date"]
    assert starts[2] == ["line 4", "store '-1' is not known to the model; its ids are numbers, such as 1"]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "the file or its first line is empty; put the columns' names in the first line"),
        ("\n\n", "the file or its first line is empty; put the columns' names in the first line"),
        ("store,date\n", "no rows below the header; add them"),
        ("item,when\n1,2015-08-22\n", "no column store and date; its columns are item, when"),
        ("store,when\n1,2015-08-22\n", "no column date"),
        ("shop,branch,date\n1,1,2015-08-22\n", "two columns for store: 'shop' and 'branch'; keep one"),
        ('store,date\n1,"2015-08-22\n', "double quotes"),
        ("store,date\n1,2015-08-22\n1,2,3,4,5\n", "in line 3, saw 5; separate fields by commas"),
        (b"store,date,note\n1,2015-08-22,caf\xe9\n", "not UTF-8 text (byte 32); save it as CSV in UTF-8"),
        (b"\xff\xfes\x00t\x00o\x00r\x00e\x00\n\x00", "not UTF-8 text (byte 0); save it as CSV in UTF-8"),
        # pandas alone would move the columns by one
        ("store,date\n1,2015-08-22,1\n", "line 2 has more fields than the header; separate fields by commas"),
        ("store,store,date\n1,2,2015-08-22\n", "two columns for store: 'store' and 'store'; keep one"),
        ("store,Store,date\n1,2,2015-08-22\n", "two columns for store: 'store' and 'Store'"),
        ("store,date,StateHoliday,state_holiday\n1,2015-08-22,a,0\n", "two columns for state_holiday"),
    ],
)
def test_files_that_are_no_such_csv_are_rejected(
    forecaster: Forecaster, tmp_path: Path, text: str | bytes, complaint: str
) -> None:
    assert complaint in refused(forecaster, tmp_path, text)


def test_a_missing_file_is_rejected(forecaster: Forecaster, tmp_path: Path) -> None:
    for source, remedy in ((tmp_path / "nowhere.csv", "add it"), (tmp_path, "make it a file that you may read")):
        with pytest.raises(RowsError, match=f"{source.name}: .*; {remedy}"):
            forecast_file(forecaster, source, tmp_path / "out.csv")
    assert [*tmp_path.iterdir()] == []


# Intervals and quantiles.


@pytest.mark.parametrize(
    ("options", "names"),
    [
        (AnswerOptions(levels=[80, 97.5]), ["low_80", "high_80", "low_97.5", "high_97.5"]),
        (AnswerOptions(quantiles=[0.1, 0.5], objective="mean"), ["quantile_0.1", "quantile_0.5"]),
        (AnswerOptions(objective="rmspe"), []),
    ],
)
def test_a_file_has_the_intervals_that_the_service_answers(
    forecaster: Forecaster, tmp_path: Path, options: AnswerOptions, names: list[str]
) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text("store,date,open\n1,2015-08-22,\n3,2015-09-11,\n3,2015-09-12,0\n")
    forecast_file(forecaster, source, out, options)
    rows = pd.read_csv(out)
    assert [*rows.columns] == ["store", "date", "open", "sales", *names, "assumed", "warnings"]
    items = [{"store": 1, "date": "2015-08-22"}, {"store": 3, "date": "2015-09-11"}]
    items += [{"store": 3, "date": "2015-09-12", "open": False}]  # type: ignore[dict-item]
    (answer,) = forecaster.predict([parse_request({"items": items, **options.model_dump(exclude_none=True)})])
    assert isinstance(answer, Forecasts)
    for row, forecast in zip(rows.to_dict("records"), answer.items, strict=True):
        assert isinstance(forecast, ItemForecast)
        expected = [forecast.sales]
        expected += [end for interval in forecast.intervals or () for end in (interval.low, interval.high)]
        expected += [quantile.sales for quantile in forecast.quantiles or ()]
        assert [row[name] for name in ("sales", *names)] == expected
    assert rows.loc[2, ["sales", *names]].eq(0).all()


def test_a_model_without_calibration_has_no_intervals(forecaster: Forecaster, tmp_path: Path) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("store,date\n1,2015-08-22\n")
    without = Forecaster(replace(forecaster.model, calibration=None))
    with pytest.raises(RowsError, match=r"^levels: the model has no calibration"):
        forecast_file(without, source, tmp_path / "out.csv", AnswerOptions(levels=[80]))
    assert not (tmp_path / "out.csv").exists()
    assert forecast_file(without, source, tmp_path / "out.csv")[0] == 1
