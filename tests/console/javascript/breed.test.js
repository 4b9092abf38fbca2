/** The parts of the page for breeds that need no browser. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { parametersOf } from "../../../console/static/breed/ask.js";
import { bilinear, pixelsOf, rectangle, scaled } from "../../../console/static/breed/heatmap.js";
import { MAGMA } from "../../../console/static/breed/magma.js";

/** @param {object} change */
const heatmap = (change) => ({
  method: "gradcam",
  class: "Bengal",
  versus: null,
  grid: [[0, 1]],
  min: 0,
  max: 1,
  all_zero: false,
  box: { left: 0, top: 0, right: 2, bottom: 1 },
  width: 2,
  height: 1,
  ...change,
});

test("the colours are those of the service", () => {
  const file = readFileSync(new URL("../../../pets/magma.bin", import.meta.url));
  assert.deepEqual([...MAGMA], [...file]);
});

test("a grid is scaled as in pets.heatmap", () => {
  assert.deepEqual(
    scaled(
      [
        [2, 3],
        [4, 6],
      ],
      null,
    ),
    [
      [0, 0.25],
      [0.5, 1],
    ],
  );
  assert.deepEqual(
    scaled(
      [
        [2, 3],
        [4, 8],
      ],
      0,
    ),
    [
      [0.25, 0.375],
      [0.5, 1],
    ],
  );
  assert.deepEqual(scaled([[3, 3]], null), [[0, 0]]);
  assert.deepEqual(scaled([[-2, -1]], 0), [[0, 0]]);
});

test("between the cells' centres a grid is a plane, and constant beyond", () => {
  const grid = [
    [0, 1],
    [2, 3],
  ];
  assert.equal(bilinear(grid, 0.5, 0.5), 1.5);
  assert.equal(bilinear(grid, 0.25, 0.5), 0.5);
  assert.equal(bilinear(grid, 0, 0), 0);
  assert.equal(bilinear(grid, 1, 1), 3);
  assert.equal(bilinear([[7]], 0.3, 0.9), 7);
});

test("evidence begins at 0, activation at its smallest value, and a blank grid paints nothing", () => {
  const light = [...MAGMA.slice(-3), 255];
  assert.deepEqual([...(pixelsOf(heatmap({}), 2, 1) ?? [])], [...MAGMA.slice(0, 3), 255, ...light]);
  assert.deepEqual([...(pixelsOf(heatmap({ grid: [[5, 6]], class: null }), 2, 1) ?? [])].slice(0, 3), [
    ...MAGMA.slice(0, 3),
  ]);
  assert.notDeepEqual([...(pixelsOf(heatmap({ grid: [[5, 6]] }), 2, 1) ?? [])].slice(0, 3), [...MAGMA.slice(0, 3)]);
  assert.equal(pixelsOf(heatmap({ grid: [[0, 0]] }), 2, 1), null);
  assert.equal(pixelsOf(heatmap({ grid: [[-1, -2]] }), 2, 1), null);
});

test("a box is never empty, however small the picture", () => {
  const box = { left: 10, top: 20, right: 11, bottom: 21 };
  assert.deepEqual(rectangle(box, 0.1), { left: 1, top: 2, width: 1, height: 1 });
});

test("a question has only the parameters that its heatmap knows", () => {
  const question = { class: "Bengal", versus: "Sphynx", closer: false };
  const text = (/** @type {any} */ change) => parametersOf({ ...question, ...change }).toString();
  assert.equal(text({ method: "activation" }), "top_k=5&heatmap=activation&overlay=none");
  assert.equal(text({ method: "gradcam" }), "top_k=5&heatmap=gradcam&overlay=none&class=Bengal");
  assert.equal(
    text({ method: "contrast", closer: true }),
    "top_k=5&heatmap=contrast&overlay=none&class=Bengal&versus=Sphynx&look=closer",
  );
});
