/** The parts of the forecast page that need no browser. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import { curl, literal, python } from "../../../console/static/forecast/calls.js";
import { csvOf } from "../../../console/static/forecast/csv.js";
import { chartDays, lastYear } from "../../../console/static/forecast/data.js";
import {
  daysOf,
  explanationRequest,
  forecastRequest,
  noChanges,
  readView,
  runsOf,
  whatIfOf,
  writeView,
} from "../../../console/static/forecast/plan.js";
import { assumedNotes, columnName, warningNotes } from "../../../console/static/forecast/words.js";

const VIEW = { store: "1", start: "2015-08-01", days: 3, weeks: 1, explain: "", changes: noChanges() };

/** @param {string} date */
const planned = (date) => ({
  date,
  sales: null,
  open: true,
  promo: false,
  state_holiday: "0",
  school_holiday: false,
  assumed: [],
});
const PLAN = new Map(["2015-08-01", "2015-08-02", "2015-08-03"].map((date) => [date, planned(date)]));

test("days of the address are runs, over the end of a month and a leap day too", () => {
  const days = ["2016-02-28", "2016-02-29", "2016-03-01", "2016-03-03"];
  assert.equal(runsOf([...days].reverse()), "2016-02-28..2016-03-01,2016-03-03");
  assert.deepEqual(daysOf("2016-02-28..2016-03-01,2016-03-03"), days);
});

test("a wrong list of days is as none", () => {
  for (const text of ["", "x", "2015-02-30", "2015-08-02..2015-08-01", "2015-8-1", null])
    assert.deepEqual(daysOf(text), []);
  assert.equal(daysOf("0001-01-01..9999-12-31").length, 366);
});

test("the address keeps a view", () => {
  const view = { ...VIEW, explain: "2015-08-02", changes: noChanges() };
  view.changes.promo.set("2015-08-01", true).set("2015-08-02", false);
  view.changes.state_holiday.set("2015-08-03", "a");
  view.changes.open.set("2015-08-03", false);
  const query = new URLSearchParams(writeView(view));
  assert.equal(query.get("no-open"), "2015-08-03");
  assert.deepEqual(readView(query, VIEW), view);
});

test("what an address has wrong is that of the usual view", () => {
  const query = new URLSearchParams("start=tomorrow&days=0&history=-1&explain=<script>&promo=2015-99-99");
  assert.deepEqual(readView(query, VIEW), VIEW);
  assert.equal(readView(new URLSearchParams("days=100000"), VIEW).days, 3);
});

test("only what differs from the plan is a change", () => {
  const changes = noChanges();
  changes.promo.set("2015-08-01", true).set("2015-08-02", false).set("2015-12-24", true);
  const view = { ...VIEW, changes };
  assert.deepEqual(whatIfOf(view, PLAN), { promo: [true, null, null] });
  assert.deepEqual(forecastRequest(view, 1, PLAN, true), {
    store: 1,
    start: "2015-08-01",
    days: 3,
    levels: [80, 90],
    what_if: { promo: [true, null, null] },
  });
  assert.deepEqual(forecastRequest(VIEW, "a", PLAN, false), { store: "a", start: "2015-08-01", days: 3 });
});

test("the explanation of a day has the other changed days, because they are one plan", () => {
  const changes = noChanges();
  changes.promo.set("2015-08-03", true);
  changes.open.set("2015-08-03", false);
  assert.deepEqual(explanationRequest({ ...VIEW, explain: "2015-08-01", changes }, 1, PLAN), {
    items: [
      { store: 1, date: "2015-08-01" },
      { store: 1, date: "2015-08-03", promo: true, open: false },
    ],
  });
});

test("the call with curl is one that a shell reads back, with quotes in a store's name", () => {
  const request = { store: 'O\'Hare "x" $HOME', start: "2015-08-01", days: 1 };
  const command = curl("http://127.0.0.1:1", "sales", request, true).replace(/^curl -s/, "printf '%s\\n'");
  const lines = execFileSync("sh", ["-c", command], { env: { SHOPCAT_KEY: "k" }, encoding: "utf8" }).split("\n");
  assert.equal(lines[0], "http://127.0.0.1:1/predictions/sales");
  assert.equal(lines[2], "x-api-key: k");
  assert.deepEqual(JSON.parse(lines.at(-2) ?? ""), request);
});

test("the call with Python has Python's words", () => {
  const text = python("http://h", "shops", { store: 1, what_if: { promo: [true, null] } }, false);
  assert.match(text, /client = shopcat.Client\("http:\/\/h", sales_model="shops"\)/);
  assert.match(text, /client.what_if\(\n {4}store=1,\n {4}promo=\[True, None\],\n\)/);
  assert.equal(literal("a\"b\\'"), '"a\\"b\\\\\'"');
});

test("a CSV file quotes, and no cell is a formula", () => {
  const days = [
    {
      date: "2015-08-01",
      sales: 9695.153,
      intervals: [{ level: 80, low: 1, high: 2 }],
      assumed: ["weather", "promo"],
      warnings: [{ code: "unseen", field: 'a,"b"', detail: "" }],
    },
  ];
  const [header, row, end] = csvOf("=1+1", days, PLAN).split("\r\n");
  assert.equal(header, "store,date,open,promo,state_holiday,school_holiday,sales,low_80,high_80,assumed,warnings");
  assert.equal(row, '\'=1+1,2015-08-01,true,false,0,false,9695.153,1,2,weather;promo,"unseen:a,""b"""');
  assert.equal(end, "");
});

test("the chart has the history, the forecast, and the second line only where it differs", () => {
  const forecasts = ["2015-08-01", "2015-08-02", "2015-08-03"].map((date, index) => ({
    date,
    sales: 100,
    assumed: [],
    warnings: [],
    what_if: { sales: index ? 100 : 150, difference: index ? 0 : 50, ratio: 1, assumed: [], warnings: [] },
  }));
  const days = chartDays(VIEW, PLAN, forecasts);
  assert.equal(days.length, 10);
  assert.deepEqual(
    days.slice(-3).map((day) => day.changed),
    [150, 100, null],
  );
});

test("last year is a sum only if all of its open days are known", () => {
  const year = new Map([["2014-08-02", { ...planned("2014-08-02"), sales: 5 }]]);
  assert.equal(lastYear({ ...VIEW, days: 1 }, year), 5);
  assert.equal(lastYear({ ...VIEW, days: 2 }, year), null);
  year.set("2014-08-03", { ...planned("2014-08-03"), open: false });
  assert.equal(lastYear({ ...VIEW, days: 2 }, year), 5);
});

test("warnings and assumptions are told once, with their days", () => {
  const warning = { code: "unseen", field: "Promo_bw", detail: "" };
  const days = ["2015-08-01", "2015-08-02"].map((date) => ({
    date,
    sales: 1,
    assumed: ["weather"],
    warnings: [warning],
  }));
  assert.deepEqual(warningNotes(days), [
    {
      text: "Promotion in the week before has a value that the model never met; it is treated as unknown.",
      days: "all days",
    },
  ]);
  assert.equal(assumedNotes(days)[0]?.days, "all days");
  assert.equal(columnName("MyColumn"), "MyColumn");
});
