/** A random sample of the photos, which is shown as pictures and grows as one zooms in. */

/**
 * Return the rows in a random order.
 * @param {number} count
 * @param {number} seed
 */
export function shuffled(count, seed) {
  const rows = Uint32Array.from({ length: count }, (_, row) => row);
  let state = seed >>> 0;
  for (let last = count - 1; last > 0; last -= 1) {
    // Mulberry32: a random number of 32 bits from a counter.
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)) ^ mixed;
    const place = ((mixed ^ (mixed >>> 14)) >>> 0) % (last + 1);
    const row = /** @type {number} */ (rows[last]);
    rows[last] = /** @type {number} */ (rows[place]);
    rows[place] = row;
  }
  return rows;
}

/**
 * Photos that are pictures at each zoom. A level has those of the level before, and others that keep a
 * distance from all.
 */
export class Sample {
  /**
   * @param {Float32Array} positions
   * @param {Uint32Array} order random order of the rows
   */
  constructor(positions, order) {
    this.positions = positions;
    this.order = order;
    /** @type {Uint32Array[]} */
    this.levels = [];
  }

  /**
   * Return the rows that are pictures at a level.
   * @param {number} level 0, 1, 2 and so on
   * @param {(level: number) => number} spacing distance that pictures keep from each other at a level
   * @returns {Uint32Array}
   */
  at(level, spacing) {
    while (this.levels.length <= level) this.levels.push(this.next(spacing(this.levels.length)));
    return /** @type {Uint32Array} */ (this.levels[level]);
  }

  /** @param {number} spacing */
  next(spacing) {
    const { positions, order } = this;
    const before = this.levels.at(-1) ?? new Uint32Array();
    const across = Math.ceil(4 / spacing); // cells of a line, more than a map has
    /** @type {Map<number, number>} */
    const cells = new Map();
    const taken = new Set(before);
    const rows = [...before];
    const cellOf = (/** @type {number} */ row) =>
      Math.floor((positions[2 * row] ?? 0) / spacing) + across * Math.floor((positions[2 * row + 1] ?? 0) / spacing);
    const isFree = (/** @type {number} */ row) => {
      const cell = cellOf(row);
      for (let up = -across; up <= across; up += across) {
        for (let right = -1; right <= 1; right += 1) {
          const other = cells.get(cell + up + right);
          if (other !== undefined && this.overlap(row, other, spacing)) return false;
        }
      }
      return true;
    };
    for (const row of before) cells.set(cellOf(row), row);
    for (const row of order) {
      if (taken.has(row) || !isFree(row)) continue;
      cells.set(cellOf(row), row);
      rows.push(row);
    }
    return Uint32Array.from(rows);
  }

  /**
   * @param {number} row
   * @param {number} other
   * @param {number} spacing
   */
  overlap(row, other, spacing) {
    const { positions } = this;
    const right = Math.abs((positions[2 * row] ?? 0) - (positions[2 * other] ?? 0));
    return right < spacing && Math.abs((positions[2 * row + 1] ?? 0) - (positions[2 * other + 1] ?? 0)) < spacing;
  }
}
