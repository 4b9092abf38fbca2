/** The parts of the label page that need no browser. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import {
  hilbert,
  mapOrder,
  outliersFirst,
  passes,
  sorted,
  unlabelledFirst,
} from "../../../console/static/label/grid/order.js";
import { stepsOf } from "../../../console/static/label/marks/steps.js";
import { PALETTE, SHAPES, shapeOf } from "../../../console/static/label/palette.js";
import { changed, floatsOf, predictionsOf } from "../../../console/static/label/store/values.js";

test("each step of Hilbert's curve goes to a neighbour, and each cell has one place", () => {
  const side = 32;
  /** @type {[number, number][]} */
  const cells = [];
  for (let x = 0; x < side; x++) for (let y = 0; y < side; y++) cells[hilbert(x, y)] = [x, y];
  assert.equal(cells.filter(Boolean).length, side * side);
  for (let place = 1; place < side * side; place++) {
    const [[x, y], [u, v]] = [cells[place - 1] ?? [9, 9], cells[place] ?? [0, 0]];
    assert.equal(Math.abs(x - u) + Math.abs(y - v), 1);
  }
});

test("photos of one place on the map follow each other in the grid", () => {
  const corners = [
    [-1, -1],
    [1, 1],
    [-1, 1],
    [1, -1],
  ];
  const positions = Float32Array.from({ length: 80 }, (_, index) => {
    const row = Math.floor(index / 2);
    return 0.9 * (corners[row % 4]?.[index % 2] ?? 0) + 0.001 * row;
  });
  const order = mapOrder(positions);
  const changes = order.filter((row, place) => place > 0 && row % 4 !== (order[place - 1] ?? 0) % 4);
  assert.equal(changes.length, 3);
  assert.deepEqual(
    [...order].sort((one, other) => one - other),
    Array.from({ length: 40 }, (_, row) => row),
  );
});

test("a map outside of its box, or without photos, has an order too", () => {
  assert.deepEqual(mapOrder(new Float32Array(0)), []);
  assert.equal(mapOrder(Float32Array.from([-7, 9, Number.NaN, 0, 2, -2])).length, 3);
});

test("rows are sorted by value, equal ones stay, and those without a value come last", () => {
  assert.deepEqual(sorted(Float32Array.from([0.5, Number.NaN, 0.1, 0.5])), [2, 0, 3, 1]);
  assert.deepEqual(unlabelledFirst([3, 2, 1, 0], Int32Array.from([-1, 0, -1, 5])), [2, 0, 3, 1]);
});

test("filters show unlabelled photos, one label, can't tell, and guesses that differ", () => {
  const labels = Int32Array.from([-1, 0, 1, 2]);
  const predictions = predictionsOf({
    state: "trained",
    model: null,
    labels: [1, 1, 2, 2],
    confidence: [1, 1, 1, 1],
    margin: [1, 1, 1, 1],
    second: [2, 2, 1, 1],
    rows_version: "a",
  });
  const shown = (/** @type {string} */ filter) =>
    [0, 1, 2, 3].filter((row) => passes(filter, row, labels, predictions));
  assert.deepEqual(shown("all"), [0, 1, 2, 3]);
  assert.deepEqual(shown("unlabelled"), [0]);
  assert.deepEqual(shown("0"), [1]);
  assert.deepEqual(shown("2"), [3]);
  assert.deepEqual(shown("differs"), [2]);
  assert.equal(passes("differs", 2, labels, null), false);
});

test("in a review the photo far from the group comes first, however many lie close together", () => {
  const positions = Float32Array.from([0, 0, 0.1, 0, 5, 5, 0, 0.1, 0.1, 0.1]);
  assert.equal(outliersFirst([0, 1, 2, 3, 4], positions)[0], 2);
  assert.deepEqual(outliersFirst([], positions), []);
});

test("the colours are those of the library, and 64 labels have different signs", () => {
  const source = readFileSync(new URL("../../../labelling/projects/labels.py", import.meta.url), "utf8");
  assert.deepEqual(PALETTE, /PALETTE = \((.*)\)/.exec(source)?.[1]?.match(/#\w+/g));
  const signs = Array.from({ length: 64 }, (_, index) => `${index % 8} ${shapeOf(index + 1)}`);
  assert.equal(new Set(signs).size, 64);
  assert.ok(signs.every((_, index) => SHAPES[shapeOf(index + 1)]));
});

test("positions come as base64 of little-endian floats", () => {
  assert.deepEqual([...floatsOf(Buffer.from(new Float32Array([1, -0.5]).buffer).toString("base64"))], [1, -0.5]);
});

test("the history lists steps, the last one first, and an undo has the old and the new label", () => {
  const event = (
    /** @type {number} */ id,
    /** @type {number} */ batch,
    /** @type {number | null} */ label,
    how = "click",
  ) => ({
    id,
    time: id,
    who: "ann",
    batch,
    photo: String(id),
    label,
    how,
    space: null,
    source: null,
  });
  const steps = stepsOf([event(1, 1, 4), event(2, 1, 4), event(3, 2, null, "undo"), event(4, 2, 5, "undo")]);
  assert.deepEqual(
    steps.map(({ how, photos, labels }) => ({ how, photos, labels })),
    [
      { how: "undo", photos: 2, labels: [null, 5] },
      { how: "click", photos: 2, labels: [4] },
    ],
  );
});

test("an undo of nothing says so", () => {
  assert.equal(
    changed("Undone", { batch: null, last_event: 0, labels: {}, held_back: 0 }, "", "Nothing to undo."),
    "Nothing to undo.",
  );
  assert.equal(
    changed("Undone", { batch: 3, last_event: 9, labels: { a: 1, b: null }, held_back: 0 }, "Redo: Ctrl+Shift+Z", ""),
    "Undone: 2 photos changed. Redo: Ctrl+Shift+Z",
  );
});

test("an undo says that it takes back an answer of the audit, or that others have changed the photos since", () => {
  const answer = { batch: 3, last_event: 9, labels: {}, held_back: 1 };
  assert.equal(changed("Undone", answer, "Redo", ""), "Undone: 1 answer of the audit. Redo");
  assert.equal(
    changed("Undone", { ...answer, labels: { a: 1 } }, "Redo", ""),
    "Undone: 1 photo changed, and 1 answer of the audit. Redo",
  );
  assert.match(changed("Undone", { ...answer, held_back: 0 }, "Redo", ""), /others have changed these photos since/);
});
