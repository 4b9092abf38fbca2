/** Orders and filters of the photos: pure functions over arrays by row. */

/** @import {Predictions} from "../types.js" */

/** @typedef {"map" | "arrival" | "unsure" | "unlabelled"} Order */

/** @type {[Order, string][]} */
export const ORDERS = [
  ["map", "As on the map"],
  ["unlabelled", "Unlabelled first"],
  ["unsure", "Least sure first"],
  ["arrival", "As they came"],
];

/** Cells of the curve along each side. */
const SIDE = 1024;

/**
 * Return the place of a cell on Hilbert's curve, which visits neighbours one after another.
 * @param {number} x cell from 0
 * @param {number} y
 */
export function hilbert(x, y) {
  let place = 0;
  for (let half = SIDE / 2; half > 0; half /= 2) {
    const [right, below] = [Number((x & half) > 0), Number((y & half) > 0)];
    place += half * half * ((3 * right) ^ below);
    if (below === 0) {
      if (right === 1) [x, y] = [SIDE - 1 - x, SIDE - 1 - y];
      [x, y] = [y, x];
    }
  }
  return place;
}

/**
 * Return the rows in an order in which neighbours on the map mostly follow each other.
 * @param {Float32Array} positions `[x, y]` of each row, from -1 to 1
 */
export function mapOrder(positions) {
  const cell = (/** @type {number} */ value) =>
    Math.max(0, Math.min(SIDE - 1, Math.floor(((value + 1) / 2) * (SIDE - 1))));
  const places = new Float64Array(positions.length / 2);
  for (let row = 0; row < places.length; row++)
    places[row] = hilbert(cell(positions[2 * row] ?? 0), cell(positions[2 * row + 1] ?? 0));
  return sorted(places);
}

/**
 * Return the rows by ascending value; rows with equal values keep their order, and NaN comes last.
 * @param {ArrayLike<number>} values
 */
export function sorted(values) {
  const value = (/** @type {number} */ row) => values[row] ?? Number.NaN;
  return Array.from(values, (_, row) => row).sort((one, other) => {
    const [first, second] = [value(one), value(other)];
    if (Number.isNaN(first) || Number.isNaN(second)) return Number(Number.isNaN(first)) - Number(Number.isNaN(second));
    return first - second || one - other;
  });
}

/**
 * Return rows with the unlabelled ones first, each part in the order given.
 * @param {number[]} rows
 * @param {Int32Array} labels
 */
export function unlabelledFirst(rows, labels) {
  const open = (/** @type {number} */ row) => labels[row] === -1;
  return [...rows.filter(open), ...rows.filter((row) => !open(row))];
}

/**
 * Return true for a photo that a filter shows.
 * @param {string} filter "all", "unlabelled", "differs", or the number of a label
 * @param {number} row
 * @param {Int32Array} labels
 * @param {Predictions | null} predictions
 */
export function passes(filter, row, labels, predictions) {
  const label = labels[row] ?? -1;
  if (filter === "all") return true;
  if (filter === "unlabelled") return label === -1;
  if (filter === "differs") return label > 0 && predictions !== null && differs(predictions.labels[row], label);
  return label === Number(filter);
}

/**
 * @param {number | undefined} predicted
 * @param {number} label
 */
const differs = (predicted, label) => predicted !== undefined && predicted > 0 && predicted !== label;

/**
 * Return a group's rows with the outliers first: by the distance to the centre of the group on a map.
 * @param {number[]} rows
 * @param {Float32Array} positions
 */
export function outliersFirst(rows, positions) {
  const at = (/** @type {number} */ row) =>
    /** @type {const} */ ([positions[2 * row] ?? 0, positions[2 * row + 1] ?? 0]);
  const centre = [0, 0].map((_, axis) => median(rows.map((row) => at(row)[axis] ?? 0)));
  const distances = rows.map((row) => -Math.hypot(at(row)[0] - (centre[0] ?? 0), at(row)[1] - (centre[1] ?? 0)));
  return sorted(distances).map((place) => /** @type {number} */ (rows[place]));
}

/**
 * The median, not the mean: a few outliers don't move it.
 * @param {number[]} values
 */
function median(values) {
  const ascending = [...values].sort((one, other) => one - other);
  return ascending[Math.floor(ascending.length / 2)] ?? 0;
}
