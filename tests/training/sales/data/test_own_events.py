"""A user's own events: the table events.csv and the panel made from it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from sales.columns.events import own_event_columns
from sales.panel import Panel
from training.sales.data.panel import panel_from_tables
from training.sales.data.problems import TablesError
from training.sales.data.tables import read_tables


def panel_with(demo_folder: Path, tmp_path: Path, text: str) -> Panel:
    folder = tmp_path / "tables"
    shutil.copytree(demo_folder, folder)
    (folder / "events.csv").write_text(text, encoding="utf-8")
    return panel_from_tables(read_tables(folder))


def test_events_are_days_of_their_stores(demo_folder: Path, tmp_path: Path) -> None:
    panel = panel_with(
        demo_folder,
        tmp_path,
        "name,date,to,store,state\nFair,2015-08-10,2015-08-12,3,\nOpening,2015-09-01,,,NW\nFair,2016-01-04,,,\n",
    )
    assert panel.levels["OwnEvent"] == ("", "Fair", "Opening")
    code = own_event_columns(panel, np.arange(panel.calendar.open.shape[1]))["OwnEvent"]
    days = panel.calendar.day
    fair = days(np.datetime64("2015-08-10").item())
    assert code[2, fair - 1 : fair + 4].tolist() == [0, 1, 1, 1, 0]
    assert code[[0, 1, 3], fair].tolist() == [0, 0, 0]
    states = np.array(panel.levels["State"])[panel.state]
    assert (code[:, days(np.datetime64("2015-09-01").item())] == np.where(states == "NW", 2, 0)).all()
    assert (code[:, days(np.datetime64("2016-01-04").item())] == 1).all()
    assert (code > 0).sum() == 3 + (states == "NW").sum() + 12


def test_a_panel_with_events_survives_the_bundle(demo_folder: Path, tmp_path: Path) -> None:
    panel = panel_with(demo_folder, tmp_path, "name,date\nFair,2015-08-10\n")
    copy = Panel.of(panel.arrays(), panel.levels)
    np.testing.assert_array_equal(copy.own_events, panel.own_events)


def test_wrong_events_are_named(demo_folder: Path, tmp_path: Path) -> None:
    text = "name,from,to,store,state\nFair,2015-08-12,2015-08-10,3,\nOpening,2015-09-01,,99,\nSale,2015-09-01,,,XX\n"
    with pytest.raises(TablesError) as caught:
        panel_with(demo_folder, tmp_path, text)
    problems = [(problem.column, problem.cause) for problem in caught.value.problems]
    assert ("from, to", "ends before it begins (line 2: '2015-08-12, 2015-08-10')") in problems
    assert ("store", "not in store.csv (line 3: '99')") in problems
    assert ("state", "not in state_names.csv (line 4: 'XX')") in problems
