/**
 * Look of each photo's dot, in eight bytes a row: red, green, blue, opacity, shape, kind, ring, 0. WebGL reads them so.
 */

/** @import {ProjectStore} from "../../store.js" */

/** @typedef {[number, number, number]} Colour */
/**
 * Counts of an order of rows, by part: plain dots, those with a colour, selected ones.
 * @typedef {[number, number, number]} Parts
 */

export const BYTES = 8;
/** Shape of "can't tell", after the eight of the labels. */
export const CROSS = 8;
export const KIND = { plain: 0, predicted: 1, labelled: 2 };
export const RING = { none: 0, unsure: 1, selected: 2 };
const FADED = 50; // opacity of photos that need no look, of 255

/**
 * Return the looks of all rows.
 * @param {ProjectStore} store
 * @param {Colour} plain colour of photos without a label
 * @param {Colour} unclear colour of photos that nobody can tell
 */
export function marksOf(store, plain, unclear) {
  const { labels, predictions, selection, names } = store;
  /** @type {Map<number, {colour: Colour, shape: number}>} */
  const looks = new Map([[0, { colour: unclear, shape: CROSS }]]);
  for (const [id, { colour, shape }] of names) looks.set(id, { colour: rgb(colour) ?? plain, shape });
  const marks = new Uint8Array(BYTES * labels.length);
  for (let row = 0; row < labels.length; row += 1) {
    const label = labels[row] ?? -1;
    const look = looks.get(label < 0 ? (predictions?.labels[row] ?? -1) : label);
    const kind = look === undefined ? KIND.plain : label < 0 ? KIND.predicted : KIND.labelled;
    const isSelected = selection.has(row);
    const [red, green, blue] = look?.colour ?? plain;
    const start = BYTES * row;
    marks[start] = red;
    marks[start + 1] = green;
    marks[start + 2] = blue;
    marks[start + 3] = !isSelected && store.faded(row) ? FADED : 255;
    marks[start + 4] = look?.shape ?? 0;
    marks[start + 5] = kind;
    marks[start + 6] = isSelected ? RING.selected : store.unsure(row) ? RING.unsure : RING.none;
  }
  return marks;
}

/**
 * Return rows in the order to draw: plain ones, those with a colour, selected ones; random within each.
 *
 * So a share of each part is a random subset, and the later parts are on top.
 * @param {Uint8Array} marks
 * @param {Uint32Array} order random order of the rows
 * @returns {{rows: Uint32Array, parts: Parts}}
 */
export function drawOrder(marks, order) {
  const partOf = (/** @type {number} */ row) =>
    marks[BYTES * row + 6] === RING.selected ? 2 : marks[BYTES * row + 5] === KIND.plain ? 0 : 1;
  /** @type {Parts} */
  const parts = [0, 0, 0];
  for (const row of order) parts[partOf(row)] += 1;
  const next = [0, parts[0], parts[0] + parts[1]];
  const rows = new Uint32Array(order.length);
  for (const row of order) {
    const part = partOf(row);
    const place = /** @type {number} */ (next[part]);
    rows[place] = row;
    next[part] = place + 1;
  }
  return { rows, parts };
}

/**
 * Return the colour of a text such as "#1f77b4"; null if it is no such text.
 * @param {string} text
 * @returns {Colour | null}
 */
export function rgb(text) {
  const digits = /^#([0-9a-f]{6})$/i.exec(text.trim())?.[1];
  if (digits === undefined) return null;
  const number = Number.parseInt(digits, 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}
