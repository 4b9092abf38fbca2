"""Files of several parts, forecast in chunks: the result is that of one part, and of the service."""

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
from training.sales.forecast_files.output import Results


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_a_file_of_several_parts_is_forecast_as_one(
    forecaster: Forecaster, demo_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    """A store's rows are in several parts, and their statements are still one plan."""
    lines = (demo_folder / "test.csv").read_text().splitlines()
    lines = [lines[0].replace("Id", "Number"), *lines[1:300]]
    lines[100:100] = ["", ""]
    lines[50] = lines[50].replace(",1,", ",0,")
    source = tmp_path / "rows.csv"
    source.write_text("\n".join(lines) + "\n")
    written = []
    for part, chunk in ((1000, 1000), (37, 20)):
        monkeypatch.setattr("training.sales.forecast_files.formats.PART", part)
        monkeypatch.setattr("training.sales.forecast_files.forecast.CHUNK", chunk)
        out = tmp_path / f"out{part}.{suffix}"
        count, kinds = forecast_file(forecaster, source, out, AnswerOptions(levels=[80]))
        frame = pd.read_csv(out, dtype=str) if suffix == "csv" else pd.read_parquet(out)
        assert len(frame) == count == 299
        written.append((frame, kinds))
    pd.testing.assert_frame_equal(written[0][0], written[1][0])
    assert written[0][1] == written[1][1]
    source.write_text("\n".join([*lines, "9999,99,6,2015-08-22,1,1,0,0"]) + "\n")
    with pytest.raises(RowsError, match=f"line {len(lines) + 1}: store 99 is not known"):
        forecast_file(forecaster, source, tmp_path / "none.csv")


def test_a_file_of_all_kinds_of_rows_has_the_answers_of_the_service(forecaster: Forecaster, tmp_path: Path) -> None:
    """Every column of the output, for rows that state facts, contradict each other and are beyond the horizon."""
    rng = np.random.default_rng(0)
    days = pd.Timestamp("2015-07-20") + pd.to_timedelta(rng.integers(0, 80, 500), "D")
    frame = pd.DataFrame({"store": rng.integers(1, 13, 500), "date": days.strftime("%Y-%m-%d")})
    frame["open"] = rng.choice(["", "1", "0"], 500, p=[0.6, 0.3, 0.1])
    frame["promo"] = rng.choice(["", "1", "0"], 500)
    frame["state_holiday"] = rng.choice(["", "0", "a"], 500, p=[0.6, 0.35, 0.05])
    frame["mean_temperature"] = rng.choice(["", "12.5", "-80"], 500, p=[0.8, 0.1, 0.1])
    frame.to_csv(tmp_path / "rows.csv", index=False)
    forecast_file(forecaster, tmp_path / "rows.csv", tmp_path / "out.csv")
    rows = pd.read_csv(tmp_path / "out.csv", keep_default_na=False).to_dict("records")
    items = []
    for row in frame.to_dict("records"):
        item = {"store": row["store"], "date": row["date"]}
        item |= {name: row[name] == "1" for name in ("open", "promo") if row[name]}
        item |= {"state_holiday": row["state_holiday"]} if row["state_holiday"] else {}
        item |= {"weather": {"mean_temperature": float(t)}} if (t := row["mean_temperature"]) else {}
        items.append(item)
    (answer,) = forecaster.predict([parse_request({"items": items})])
    assert isinstance(answer, Forecasts)
    for row, result in zip(rows, answer.items, strict=True):
        assert isinstance(result, ItemForecast)
        assert row["sales"] == result.sales
        assert row["assumed"] == ";".join(result.assumed)
        codes = [*dict.fromkeys(warning.code for warning in result.warnings)]
        assert [*dict.fromkeys(name.partition(":")[0] for name in row["warnings"].split(";") if name)] == codes


def test_a_failure_while_writing_leaves_the_old_file(
    forecaster: Forecaster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second part can't be read again."""
    monkeypatch.setattr("training.sales.forecast_files.formats.PART", 2)
    source, out = tmp_path / "rows.csv", tmp_path / "out.csv"
    source.write_text("store,date\n" + "1,2015-08-22\n" * 5)
    out.write_text("from last week\n")

    def interrupted(*args: Any) -> pd.DataFrame:
        if args[-1] == 2:
            raise KeyboardInterrupt
        return frame(*args)

    frame = Results.frame
    monkeypatch.setattr(Results, "frame", interrupted)
    with pytest.raises(KeyboardInterrupt):
        forecast_file(forecaster, source, out)
    assert out.read_text() == "from last week\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out.csv", "rows.csv"]
