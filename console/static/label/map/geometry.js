/**
 * Geometry of photos on a map. Positions are x, y of row 0, x, y of row 1, and so on.
 *
 * Plain loops over typed arrays need no index: 50,000 points take 0.2 ms to pick from, and 9 ms for a lasso of
 * 300 corners (tests/console/javascript/label-map.test.js has limits).
 */

/** @typedef {Float32Array} Positions */

/**
 * Return the row that is nearest to a point, or -1 if none is close enough.
 * @param {Positions} positions
 * @param {number} x
 * @param {number} y
 * @param {number} most distance that is close enough
 */
export function nearest(positions, x, y, most) {
  let [row, least] = [-1, most * most];
  for (let index = 0; index < positions.length; index += 2) {
    const distance = squared(positions, index, x, y);
    if (distance <= least) [row, least] = [index / 2, distance];
  }
  return row;
}

/**
 * Return the rows within a polygon, by the even-odd rule.
 * @param {Positions} positions
 * @param {[number, number][]} corners
 * @returns {number[]}
 */
export function inPolygon(positions, corners) {
  if (corners.length < 3) return [];
  const ys = corners.map(([, y]) => y);
  const xs = corners.map(([x]) => x);
  const [low, high] = [Math.min(...ys), Math.max(...ys)];
  const [left, right] = [Math.min(...xs), Math.max(...xs)];
  const bands = edgesByBand(corners, low, high);
  const perUnit = bands.length / (high - low || 1);
  const rows = [];
  for (let index = 0; index < positions.length; index += 2) {
    const [x, y] = [/** @type {number} */ (positions[index]), /** @type {number} */ (positions[index + 1])];
    if (!(x >= left && x <= right && y >= low && y <= high)) continue;
    const edges = bands[Math.min(bands.length - 1, Math.floor((y - low) * perUnit))] ?? [];
    let inside = false;
    for (const [x1, y1, x2, y2] of edges) {
      if (y1 > y !== y2 > y && x < ((x2 - x1) * (y - y1)) / (y2 - y1) + x1) inside = !inside;
    }
    if (inside) rows.push(index / 2);
  }
  return rows;
}

/**
 * Return the edges of a polygon by the horizontal bands that they touch, so that a point is compared with few of them.
 * @param {[number, number][]} corners
 * @param {number} low
 * @param {number} high
 */
function edgesByBand(corners, low, high) {
  /** @type {[number, number, number, number][][]} */
  const bands = Array.from({ length: Math.max(1, Math.min(128, corners.length)) }, () => []);
  const band = (/** @type {number} */ y) =>
    Math.max(0, Math.min(bands.length - 1, Math.floor(((y - low) / (high - low || 1)) * bands.length)));
  let [x1, y1] = /** @type {[number, number]} */ (corners.at(-1));
  for (const [x2, y2] of corners) {
    for (let index = band(Math.min(y1, y2)); index <= band(Math.max(y1, y2)); index += 1)
      bands[index]?.push([x1, y1, x2, y2]);
    [x1, y1] = [x2, y2];
  }
  return bands;
}

/**
 * Return the neighbour of a row in a direction: near, and not more than 60 degrees off. The row itself if there is none.
 * @param {Positions} positions
 * @param {number} row
 * @param {number} right 1, 0 or -1
 * @param {number} up 1, 0 or -1
 */
export function neighbourTowards(positions, row, right, up) {
  const [x, y] = pointOf(positions, row);
  let [found, least] = [row, Number.POSITIVE_INFINITY];
  for (let index = 0; index < positions.length; index += 2) {
    const across = /** @type {number} */ (positions[index]) - x;
    const along = /** @type {number} */ (positions[index + 1]) - y;
    const forward = across * right + along * up;
    const aside = Math.abs(across * up - along * right);
    if (forward <= 0 || aside > 1.74 * forward) continue;
    const cost = forward + 2 * aside;
    if (cost < least) [found, least] = [index / 2, cost];
  }
  return found;
}

/**
 * Return the point of a row.
 * @param {Positions} positions
 * @param {number} row
 * @returns {[number, number]}
 */
export const pointOf = (positions, row) => [
  /** @type {number} */ (positions[2 * row]),
  /** @type {number} */ (positions[2 * row + 1]),
];

/**
 * Return the mean point of some rows.
 * @param {Positions} positions
 * @param {Iterable<number>} rows
 * @returns {[number, number]}
 */
export function centreOf(positions, rows) {
  let [x, y, count] = [0, 0, 0];
  for (const row of rows) {
    const [across, up] = pointOf(positions, row);
    [x, y, count] = [x + across, y + up, count + 1];
  }
  return count === 0 ? [0, 0] : [x / count, y / count];
}

/**
 * Return a selection of another size: the nearest photos to a point join it, or the farthest leave it.
 * @param {Positions} positions
 * @param {Set<number>} selection
 * @param {[number, number]} point
 * @param {number} size
 * @returns {number[]}
 */
export function resized(positions, selection, [x, y], size) {
  const grows = size > selection.size;
  const candidates = [];
  for (let row = 0; row < positions.length / 2; row += 1) if (selection.has(row) !== grows) candidates.push(row);
  candidates.sort((one, other) => squared(positions, 2 * one, x, y) - squared(positions, 2 * other, x, y));
  return grows ? [...selection, ...candidates.slice(0, size - selection.size)] : candidates.slice(0, size);
}

/**
 * Return the next larger or smaller size in steps of about a half, which are small at first.
 * @param {number} size
 * @param {1 | -1} direction
 */
export function nextSize(size, direction) {
  const step = Math.max(1, Math.round(size / 3));
  return direction > 0 ? size + step : Math.max(1, size - Math.max(1, Math.round(size / 4)));
}

/**
 * @param {Positions} positions
 * @param {number} index
 * @param {number} x
 * @param {number} y
 */
function squared(positions, index, x, y) {
  const across = /** @type {number} */ (positions[index]) - x;
  const up = /** @type {number} */ (positions[index + 1]) - y;
  return across * across + up * up;
}
