/** The shared modules that need no browser. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { area, linear, path, stepsOf, ticks } from "../../../console/static/shared/chart/scale.js";
import {
  addDays,
  breedName,
  change,
  dayNumber,
  isDay,
  plainDay,
  shortDay,
  signed,
  weekday,
} from "../../../console/static/shared/format.js";
import { sectionsOf } from "../../../console/static/shared/sections.js";

test("days are the calendar's, in every time zone of the reader", () => {
  assert.equal(addDays("2015-12-31", 1), "2016-01-01");
  assert.equal(addDays("2016-03-01", -1), "2016-02-29");
  assert.equal(dayNumber("1970-01-02"), 1);
  assert.equal(weekday("2015-08-03"), 0);
  assert.equal(shortDay("2015-09-05"), "Sat 5 Sep");
  assert.equal(plainDay("2015-09-05"), "5 Sep 2015");
  assert.ok(!isDay("2015-02-30"));
  assert.ok(!isDay("2015-2-3"));
});

test("differences have a sign, and a small one is no minus zero", () => {
  assert.equal(signed(-0.2), "+0");
  assert.equal(signed(-1200), "−1,200");
  assert.equal(change(1.403112), "+40.3 %");
  assert.equal(change(0.9), "−10.0 %");
  assert.equal(change(null), "");
  assert.equal(breedName("british_shorthair"), "British shorthair");
});

test("ticks are round, begin with 0 and reach the highest value", () => {
  for (const highest of [0.3, 1, 7, 99, 100, 101, 20469, 1e6]) {
    const marks = ticks(highest, 5);
    assert.equal(marks[0], 0);
    assert.ok((marks.at(-1) ?? 0) >= highest * 0.999999, `${highest}: ${marks}`);
    assert.ok(marks.length >= 3 && marks.length <= 8, `${highest}: ${marks}`);
  }
  assert.deepEqual(ticks(0, 5), [0, 1]);
  assert.deepEqual(ticks(Number.NaN, 5), [0, 1]);
});

test("a scale keeps proportions, and paths have no needless digits", () => {
  assert.equal(linear([0, 10], [100, 0])(5), 50);
  assert.equal(
    path([
      [1 / 3, 2],
      [3, 4],
    ]),
    "M0.3 2L3 4",
  );
  assert.equal(
    area([
      { x: 1, low: 2, high: 3 },
      { x: 4, low: 5, high: 6 },
    ]),
    "M1 3L4 6L4 5L1 2Z",
  );
  assert.equal(area([]), "");
});

test("the steps of a waterfall multiply to its end", () => {
  const steps = stepsOf(
    { label: "a", value: 100 },
    [
      { label: "b", multiplier: 1.5 },
      { label: "c", multiplier: 0.5 },
    ],
    "d",
  );
  assert.deepEqual(
    steps.map(({ from, to }) => [from, to]),
    [
      [0, 100],
      [100, 150],
      [150, 75],
      [0, 75],
    ],
  );
});

test("a card is divided at its headings", () => {
  const sections = sectionsOf(
    "Note\n\n# Title\n\n## A\n\n- x\n  y\n- z\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n## B\n\ntext\n",
  );
  assert.deepEqual(
    sections.map(({ title, blocks }) => [title, blocks.length]),
    [
      ["", 1],
      ["A", 2],
      ["B", 1],
    ],
  );
});
