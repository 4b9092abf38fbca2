/**
 * A sheet of small pictures: the squares of the photos that are shown as pictures, in one canvas.
 *
 * Pictures come from the project's atlases, which have 1,024 squares each. Where an atlas has few of the pictures in view,
 * single thumbnails are fewer bytes. One sheet needs the same memory for 500 photos and for 50,000.
 */

/** @import {ProjectStore} from "../../store.js" */

/** @typedef {{rows: number[], run: () => Promise<void>}} Job a request, and the rows that it is for */

/** Pixels of a square, squares of a line, and squares of an atlas. */
export const [SQUARE, ACROSS] = [64, 32];
const CAPACITY = ACROSS * ACROSS;
const KEPT = 3; // decoded atlases, 16 MB each
const ENOUGH = 24; // pictures of an atlas that are worth all of it
const AT_ONCE = 6; // requests

export class Sheet {
  /**
   * @param {ProjectStore} store
   * @param {() => void} onChange called when pictures have come
   */
  constructor(store, onChange) {
    this.store = store;
    this.onChange = onChange;
    this.canvas = document.createElement("canvas");
    this.canvas.width = SQUARE * ACROSS;
    this.canvas.height = SQUARE * ACROSS;
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    this.context = /** @type {CanvasRenderingContext2D} */ (context);
    /** Square of each row that has one, those used last at the end. @type {Map<number, number>} */
    this.slots = new Map();
    /** Rows on their way, and rows that can't be had. @type {Set<number>} */
    this.asked = new Set();
    /** @type {Map<number, ImageBitmap>} */
    this.atlases = new Map();
    this.running = 0;
    /** @type {Job[]} */
    this.queue = [];
    /** Lines of squares that changed since the last call of `changes`. @type {Set<number>} */
    this.changed = new Set();
    this.version = store.rowsVersion;
  }

  /** Forget all pictures, since the rows have changed. */
  reset() {
    this.version = this.store.rowsVersion;
    this.slots.clear();
    this.asked.clear();
    this.atlases.clear();
    this.queue = [];
  }

  /**
   * Return the square of a row; undefined if its picture has not come.
   * @param {number} row
   */
  slot(row) {
    return this.slots.get(row);
  }

  /**
   * Ask for the pictures of rows, most important first.
   * @param {number[]} rows
   */
  want(rows) {
    const missing = [];
    for (const row of rows.slice(0, CAPACITY)) {
      const slot = this.slots.get(row);
      if (slot === undefined) {
        if (!this.asked.has(row)) missing.push(row);
      } else {
        this.slots.delete(row);
        this.slots.set(row, slot);
      }
    }
    if (missing.length === 0) return;
    // What was asked for and has not begun is no longer in view.
    for (const job of this.queue.splice(0)) this.forget(job);
    /** @type {Map<number, number[]>} */
    const byAtlas = new Map();
    for (const row of missing) {
      const atlas = Math.floor(row / CAPACITY);
      byAtlas.set(atlas, [...(byAtlas.get(atlas) ?? []), row]);
    }
    for (const [atlas, members] of byAtlas) {
      if (members.length >= ENOUGH || this.atlases.has(atlas)) this.add(members, () => this.fromAtlas(atlas, members));
      else for (const row of members) this.add([row], () => this.fromThumbnail(row));
    }
    this.pump();
  }

  /**
   * @param {number[]} rows
   * @param {() => Promise<void>} run
   */
  add(rows, run) {
    for (const row of rows) this.asked.add(row);
    this.queue.push({ rows, run });
  }

  /** @param {Job} job */
  forget({ rows }) {
    for (const row of rows) this.asked.delete(row);
  }

  pump() {
    for (; this.running < AT_ONCE && this.queue.length > 0; this.running += 1)
      this.run(/** @type {Job} */ (this.queue.shift()));
  }

  /** @param {Job} job */
  async run(job) {
    const version = this.version;
    // A picture that can't be had stays a dot until the rows change.
    const isDone = await job.run().then(
      () => true,
      () => false,
    );
    if (isDone && version === this.version) this.forget(job);
    this.running -= 1;
    this.pump();
  }

  /**
   * @param {number} atlas
   * @param {number[]} rows
   */
  async fromAtlas(atlas, rows) {
    const version = this.version;
    const { api } = this.store;
    const address = `${api.address}/atlases/${atlas}.webp?rows_version=${encodeURIComponent(version)}`;
    const image = this.atlases.get(atlas) ?? (await bitmap(address));
    if (version !== this.version) return;
    this.atlases.delete(atlas);
    this.atlases.set(atlas, image);
    for (const oldest of [...this.atlases.keys()].slice(0, -KEPT)) {
      this.atlases.get(oldest)?.close();
      this.atlases.delete(oldest);
    }
    for (const row of rows) {
      const place = row % CAPACITY;
      this.put(row, image, (place % ACROSS) * SQUARE, Math.floor(place / ACROSS) * SQUARE, SQUARE, SQUARE);
    }
    this.onChange();
  }

  /** @param {number} row */
  async fromThumbnail(row) {
    const version = this.version;
    const image = await bitmap(this.store.thumb(row, 64));
    if (version !== this.version) return;
    this.put(row, image, 0, 0, image.width, image.height);
    image.close();
    this.onChange();
  }

  /**
   * Draw a picture into a square; the one that was not used for longest goes.
   * @param {number} row
   * @param {ImageBitmap} image
   * @param {number} left
   * @param {number} top
   * @param {number} width
   * @param {number} height
   */
  put(row, image, left, top, width, height) {
    const [oldest] = this.slots;
    const slot = this.slots.size < CAPACITY || oldest === undefined ? this.slots.size : oldest[1];
    if (this.slots.size >= CAPACITY && oldest !== undefined) this.slots.delete(oldest[0]);
    this.slots.set(row, slot);
    const [x, y] = [(slot % ACROSS) * SQUARE, Math.floor(slot / ACROSS) * SQUARE];
    this.context.clearRect(x, y, SQUARE, SQUARE);
    const [right, down] = [Math.floor((SQUARE - width) / 2), Math.floor((SQUARE - height) / 2)];
    this.context.drawImage(image, left, top, width, height, x + right, y + down, width, height);
    this.changed.add(Math.floor(slot / ACROSS));
  }

  /** Mark all lines as changed, for a renderer that has none of them. */
  touch() {
    for (const slot of this.slots.values()) this.changed.add(Math.floor(slot / ACROSS));
  }

  /** Return the lines of squares that changed since the last call, with their pixels. */
  changes() {
    const lines = [...this.changed].map((line) => ({
      top: line * SQUARE,
      pixels: this.context.getImageData(0, line * SQUARE, this.canvas.width, SQUARE).data,
    }));
    this.changed.clear();
    return lines;
  }
}

/**
 * Return the decoded picture of an address.
 * @param {string} address
 */
async function bitmap(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`no picture at ${address}`);
  return createImageBitmap(await response.blob());
}
