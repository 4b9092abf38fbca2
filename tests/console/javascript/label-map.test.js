/** The map of photos: view, geometry, the random sample, and how much is drawn while it moves. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { BYTES, CROSS, drawOrder, KIND, marksOf, RING, rgb } from "../../../console/static/label/map/drawing/marks.js";
import { Pace } from "../../../console/static/label/map/drawing/pace.js";
import { Sample, shuffled } from "../../../console/static/label/map/drawing/sample.js";
import {
  centreOf,
  inPolygon,
  nearest,
  neighbourTowards,
  nextSize,
  resized,
} from "../../../console/static/label/map/geometry.js";
import { KEYS, press } from "../../../console/static/label/map/keys.js";
import { parsePlace, placeText, View, WHOLE } from "../../../console/static/label/map/view.js";

globalThis.localStorage ??= { getItem: () => null };

/** Return places that look random and are the same each time. @param {number} count */
function places(count) {
  return Float32Array.from({ length: 2 * count }, (_, index) => 2 * ((Math.sin(index * 12.9898) * 43758.5453) % 1));
}

/** Return places of a lattice: row 3 * y + x is at (x, y) / 2 - 0.5. */
const LATTICE = Float32Array.from({ length: 18 }, (_, index) => {
  const row = Math.floor(index / 2);
  return (index % 2 === 0 ? row % 3 : Math.floor(row / 3)) / 2 - 0.5;
});

/** Say if a point is in a polygon by the winding number: another way than that of the map. */
function winds([x, y], corners) {
  let turns = 0;
  for (const [index, [x1, y1]] of corners.entries()) {
    const [x2, y2] = corners[(index + 1) % corners.length];
    const side = (x2 - x1) * (y - y1) - (x - x1) * (y2 - y1);
    if (y1 <= y && y2 > y && side > 0) turns += 1;
    if (y1 > y && y2 <= y && side < 0) turns -= 1;
  }
  return turns % 2 !== 0;
}

test("a point of the map and its point of the screen belong together, and y goes up", () => {
  const view = new View({ x: 0.2, y: -0.1, zoom: 3 }, 800, 600);
  const [left, top] = view.toScreen(0.3, 0.4);
  const [x, y] = view.toMap(left, top);
  assert.ok(Math.abs(x - 0.3) < 1e-9 && Math.abs(y - 0.4) < 1e-9);
  assert.ok(view.toScreen(0, 1)[1] < view.toScreen(0, 0)[1]);
  assert.deepEqual(view.toScreen(0.2, -0.1), [400, 300]);
});

test("zooming keeps the point under the pointer, also at the limits of the zoom", () => {
  for (const factor of [2, 0.25, 1e6, 1e-6]) {
    const view = new View({ x: 0.1, y: 0.1, zoom: 2 }, 800, 600);
    const under = view.toMap(500, 200);
    const after = new View(view.zoomed(factor, 500, 200), 800, 600);
    const [left, top] = after.toScreen(...under);
    assert.ok(after.place.zoom >= 0.5 && after.place.zoom <= 400);
    if (factor > 0.3) assert.ok(Math.hypot(left - 500, top - 200) < 1e-6, `${factor}: ${left}, ${top}`);
  }
});

test("a photo that is followed comes into view, and one in view moves nothing", () => {
  const view = new View({ x: 0, y: 0, zoom: 10 }, 800, 600);
  assert.deepEqual(view.showing(0.01, 0.02), view.place);
  const [left, top] = new View(view.showing(0.9, -0.8), 800, 600).toScreen(0.9, -0.8);
  assert.ok(Math.abs(left - 740) < 1e-6 && Math.abs(top - 540) < 1e-6, `${left}, ${top}`);
});

test("the place survives the address, and nonsense there is the whole map", () => {
  const place = { x: -0.25, y: 0.125, zoom: 7.5 };
  assert.deepEqual(parsePlace(placeText(place)), place);
  assert.equal(placeText(WHOLE), "");
  for (const text of ["", "a,b,c", "1,2", "0,0,0", "0,0,-3", "NaN,0,1", null, undefined, "Infinity,0,1"])
    assert.deepEqual(parsePlace(text), WHOLE, String(text));
  assert.ok(parsePlace("99,-99,1e9").zoom <= 400);
});

test("picking finds the nearest photo within reach and no other", () => {
  const positions = places(2000);
  for (const [x, y] of [
    [0, 0],
    [0.7, -0.3],
    [-1.9, 1.9],
  ]) {
    const distances = Array.from({ length: 2000 }, (_, row) =>
      Math.hypot(positions[2 * row] - x, positions[2 * row + 1] - y),
    );
    const least = Math.min(...distances);
    assert.equal(nearest(positions, x, y, 10), distances.indexOf(least));
    assert.equal(nearest(positions, x, y, least * 0.99), -1);
  }
  assert.equal(nearest(new Float32Array(), 0, 0, 1), -1);
});

test("a lasso has the photos that the winding number has, for round, hollow and crossing outlines", () => {
  const positions = places(3000);
  const circle = Array.from({ length: 200 }, (_, step) => [Math.cos(step / 32), Math.sin(step / 32)]);
  const bay = [
    [-1, -1],
    [1, -1],
    [1, 1],
    [0, -0.5],
    [-1, 1],
  ];
  const bow = [
    [-1, -1],
    [1, 1],
    [1, -1],
    [-1, 1],
  ];
  for (const corners of [circle, bay, bow, bay.toReversed()]) {
    const expected = [];
    for (let row = 0; row < 3000; row += 1)
      if (winds([positions[2 * row], positions[2 * row + 1]], corners)) expected.push(row);
    assert.deepEqual(inPolygon(positions, corners), expected);
    assert.ok(expected.length > 100);
  }
  assert.deepEqual(inPolygon(positions, circle.slice(0, 2)), []);
  assert.deepEqual(
    inPolygon(positions, [
      [0, 0],
      [0, 0],
      [0, 0],
    ]),
    [],
  );
});

test("a lasso of 300 corners around 50,000 photos takes less than 20 ms of the processor, and a click less than 5", () => {
  const positions = places(50_000);
  const corners = Array.from({ length: 300 }, (_, step) => [1.9 * Math.cos(step / 47.7), 1.9 * Math.sin(step / 47.7)]);
  const best = (run) =>
    Math.min(
      ...Array.from({ length: 7 }, () => {
        const start = process.cpuUsage();
        run();
        return process.cpuUsage(start).user / 1000;
      }),
    );
  assert.ok(inPolygon(positions, corners).length > 25_000);
  assert.ok(best(() => inPolygon(positions, corners)) < 20);
  assert.ok(best(() => nearest(positions, 0, 0, 0.1)) < 5);
});

test("arrows go to the neighbour in their direction, and stay at the edge", () => {
  assert.equal(neighbourTowards(LATTICE, 4, 1, 0), 5);
  assert.equal(neighbourTowards(LATTICE, 4, -1, 0), 3);
  assert.equal(neighbourTowards(LATTICE, 4, 0, 1), 7);
  assert.equal(neighbourTowards(LATTICE, 4, 0, -1), 1);
  assert.equal(neighbourTowards(LATTICE, 5, 1, 0), 5);
});

test("all photos are reached by arrows", () => {
  const positions = places(200);
  const seen = new Set([0]);
  for (const row of seen)
    for (const [right, up] of [
      [1, 0],
      [-1, 0],
      [0, 1],
      [0, -1],
    ])
      seen.add(neighbourTowards(positions, row, right, up));
  assert.ok(seen.size >= 196, `${seen.size} of 200`);
});

test("a selection grows by the nearest photos and shrinks by the farthest", () => {
  assert.deepEqual(centreOf(LATTICE, [0, 8]), [0, 0]);
  assert.deepEqual(new Set(resized(LATTICE, new Set([4]), [0, 0], 5)), new Set([4, 1, 3, 5, 7]));
  assert.deepEqual(new Set(resized(LATTICE, new Set([4, 1, 0, 8]), [0, 0], 2)), new Set([4, 1]));
  let size = 1;
  for (let step = 0; step < 12; step += 1) size = nextSize(size, 1);
  assert.ok(size > 15 && size < 60, `${size}`);
  for (let step = 0; step < 40; step += 1) size = nextSize(size, -1);
  assert.equal(size, 1);
});

test("a shuffle has each row once, and another seed another order", () => {
  const order = shuffled(1000, 1);
  assert.deepEqual(
    [...order].sort((one, other) => one - other),
    Array.from({ length: 1000 }, (_, row) => row),
  );
  assert.deepEqual(shuffled(1000, 1), order);
  assert.notDeepEqual(shuffled(1000, 2), order);
  const mean = order.slice(0, 200).reduce((sum, row) => sum + row, 0) / 200;
  assert.ok(mean > 420 && mean < 580, `${mean}`);
});

test("pictures overlap none, stay as one zooms in, and become more", () => {
  const positions = places(3000);
  const sample = new Sample(positions, shuffled(3000, 1));
  const spacing = (level) => 0.4 / 2 ** level;
  let before = [];
  for (let level = 0; level < 5; level += 1) {
    const rows = [...sample.at(level, spacing)];
    assert.deepEqual(rows.slice(0, before.length), before);
    assert.ok(rows.length > before.length);
    for (const [index, row] of rows.entries())
      for (const other of rows.slice(0, index)) {
        const [right, up] = [0, 1].map((axis) => Math.abs(positions[2 * row + axis] - positions[2 * other + axis]));
        assert.ok(Math.max(right, up) >= spacing(level));
      }
    before = rows;
  }
});

test("slow frames draw fewer dots, fast ones more, and no display starves the map", () => {
  const pace = new Pace(25);
  const run = (frames, costPerDot, fixed = 4) => {
    let gap = 0;
    for (let frame = 0; frame < frames; frame += 1) {
      const { cost } = pace.budget(100_000, 0);
      gap = Math.max(16.7, fixed + cost * costPerDot);
      pace.note(gap, cost);
    }
    return gap;
  };
  const slow = run(60, 0.005);
  assert.ok(slow > 15 && slow < 30, `${slow} ms`);
  const some = pace.budget(100_000, 0).share;
  assert.ok(some > 0.02 && some < 0.06, `${some}`);
  run(60, 0.0001);
  assert.equal(pace.budget(100_000, 0).share, 1);
  run(60, 1);
  assert.ok(pace.budget(100_000, 0).cost >= 1500);
});

test("a small map is always drawn whole, with its pictures", () => {
  const pace = new Pace();
  for (let frame = 0; frame < 50; frame += 1) pace.note(200, pace.budget(564, 60).cost);
  const { share, pictures } = pace.budget(564, 60);
  assert.deepEqual({ share, pictures }, { share: 1, pictures: 60 });
});

/** Return a store of six photos: two with labels, one that nobody can tell, others predicted or not. */
const store = {
  labels: Int32Array.from([1, 2, 0, -1, -1, -1]),
  predictions: { labels: Int32Array.from([1, 2, 1, 1, 2, -1]) },
  selection: new Set([4]),
  names: new Map([
    [1, { colour: "#0072B2", shape: 0 }],
    [2, { colour: "#E69F00", shape: 1 }],
  ]),
  faded: (row) => row === 0 || row === 4,
  unsure: (row) => row === 3,
};

test("labels differ by colour and shape, predictions by kind, and a selected photo is never faded", () => {
  const marks = marksOf(store, [1, 2, 3], [4, 5, 6]);
  const look = (row) => [...marks.subarray(BYTES * row, BYTES * row + 7)];
  assert.deepEqual(look(0), [0, 0x72, 0xb2, 50, 0, KIND.labelled, RING.none]);
  assert.deepEqual(look(1), [0xe6, 0x9f, 0, 255, 1, KIND.labelled, RING.none]);
  assert.deepEqual(look(2), [4, 5, 6, 255, CROSS, KIND.labelled, RING.none]);
  assert.deepEqual(look(3), [0, 0x72, 0xb2, 255, 0, KIND.predicted, RING.unsure]);
  assert.deepEqual(look(4), [0xe6, 0x9f, 0, 255, 1, KIND.predicted, RING.selected]);
  assert.deepEqual(look(5), [1, 2, 3, 255, 0, KIND.plain, RING.none]);
  assert.equal(rgb("red"), null);
});

test("plain dots are below, selected ones on top, and the order within is the random one", () => {
  const { rows, parts } = drawOrder(marksOf(store, [0, 0, 0], [0, 0, 0]), Uint32Array.from([5, 4, 3, 2, 1, 0]));
  assert.deepEqual([...rows], [5, 3, 2, 1, 0, 4]);
  assert.deepEqual(parts, [1, 4, 1]);
});

test("the help names each key of the map, and no other", () => {
  const names = [..."abcdefghijklmnopqrstuvwxyz+-[]", " ", "Home", "End", "Enter", "Escape", "Backspace", "Delete"];
  const events = [
    ...names.map((key) => ({ key })),
    ...["Left", "Right", "Up", "Down"].map((side) => ({ key: `Arrow${side}` })),
    { key: "ArrowUp", shiftKey: true },
    { key: "a", ctrlKey: true },
  ];
  const nothing = new Proxy({}, { get: () => () => {} });
  const words = {
    ArrowLeft: "←",
    ArrowRight: "→",
    ArrowUp: "↑",
    ArrowDown: "↓",
    "-": "−",
    Escape: "Esc",
    " ": "Space",
  };
  const means = events
    .filter((event) => press(event, nothing))
    .map(({ key, shiftKey, ctrlKey }) => {
      if (shiftKey) return "Shift and an arrow";
      return ctrlKey ? "Ctrl+A" : (words[key] ?? key);
    });
  const named = KEYS.flatMap(([keys]) =>
    keys.split(", ").flatMap((part) => (part.includes(" and ") ? [part] : part.split(" "))),
  );
  const common = ["Space"]; // the help names it once for all parts
  const modifiers = ["Shift", "Alt"]; // of the pointer, not of a key
  assert.deepEqual(
    [...new Set(means)].sort(),
    [...named.filter((name) => !modifiers.includes(name)), ...common].sort(),
  );
});
