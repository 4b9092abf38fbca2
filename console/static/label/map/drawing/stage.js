/** The picture of a map: it chooses what is drawn, when, and by which renderer. */

import { pointOf } from "../geometry.js";
import { View, WHOLE, within } from "../view.js";
import { CanvasRenderer } from "./canvas.js";
import { PICTURE } from "./frame.js";
import { BYTES, drawOrder, RING } from "./marks.js";
import { Pace } from "./pace.js";
import { Sample, shuffled } from "./sample.js";
import { ACROSS, Sheet, SQUARE } from "./sheet.js";
import { WebglRenderer } from "./webgl.js";

/** @import {ProjectStore} from "../../store.js" */
/** @import {Renderer, Theme} from "./frame.js" */
/** @import {Parts} from "./marks.js" */
/** @import {Place} from "../view.js" */

const GLIDE = 300; // milliseconds
/** Milliseconds without a movement until all is drawn, which takes long for many photos and would disturb a slow movement. */
const REST = { small: 70, large: 160 };
const SMALL = 20_000; // photos
const GATHER = 80; // milliseconds in which pictures that come are gathered
const [STEPS, DEEPEST] = [2, 20]; // steps of a doubling of the zoom at which more pictures come, and the last one
const APART = 0.6; // share of a picture's side that is between two centres at least
const MOST_RATIO = 2; // pixels of the canvas in a CSS pixel: more can't be seen, and costs
const calm = matchMedia("(prefers-reduced-motion: reduce)");

export class Stage {
  /**
   * @param {HTMLElement} box element that the canvas fills
   * @param {ProjectStore} store
   * @param {() => void} onDraw called after each drawing
   */
  constructor(box, store, onDraw) {
    this.box = box;
    this.onDraw = onDraw;
    this.view = new View(WHOLE, 1, 1);
    this.pending = 0;
    this.sheet = new Sheet(store, () => {
      // Pictures come one by one, and a drawing shows all that have come.
      this.pending ||= window.setTimeout(() => {
        this.pending = 0;
        this.ask();
      }, GATHER);
    });
    this.pace = new Pace();
    /** @type {Float32Array} */
    this.from = new Float32Array();
    /** @type {Float32Array} */
    this.to = new Float32Array();
    /** @type {Uint8Array} */
    this.marks = new Uint8Array();
    /** Width of a photo by its height, by row. @type {Float32Array} */
    this.shapes = new Float32Array();
    this.seed = 1;
    this.order = new Uint32Array();
    /** @type {Parts} */
    this.parts = [0, 0, 0];
    this.sample = new Sample(this.to, this.order);
    /** Rows that are drawn as pictures. @type {number[]} */
    this.pictures = [];
    this.began = Number.NEGATIVE_INFINITY;
    this.moved = Number.NEGATIVE_INFINITY;
    this.asked = 0;
    this.closed = false;
    this.drawn = { time: Number.NEGATIVE_INFINITY, cost: 0, complete: false };
    /** Colours of the page; null until they are known. @type {Theme | null} */
    this.theme = null;
    this.canvas = document.createElement("canvas");
    box.prepend(this.canvas);
    /** @type {Renderer} */
    this.renderer = this.start();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(box);
  }

  close() {
    this.closed = true;
    this.observer.disconnect();
    clearTimeout(this.pending);
    cancelAnimationFrame(this.asked);
    this.renderer.close();
  }

  /**
   * Return a renderer: by WebGL 2 where there is one, otherwise by Canvas 2D.
   * @returns {Renderer}
   */
  start() {
    const gl = this.canvas.getContext("webgl2", { antialias: false });
    if (gl === null) return new CanvasRenderer(this.canvas, this.sheet);
    this.canvas.addEventListener("webglcontextlost", (event) => {
      if (this.closed || event.target !== this.canvas) return;
      event.preventDefault(); // so that it comes back
      this.fallBack(/** @type {HTMLCanvasElement} */ (event.target));
    });
    return new WebglRenderer(this.canvas, gl, this.sheet);
  }

  /**
   * Draw by Canvas 2D until the lost context comes back.
   * @param {HTMLCanvasElement} lost
   */
  fallBack(lost) {
    const canvas = document.createElement("canvas");
    const use = (/** @type {HTMLCanvasElement} */ next, /** @type {Renderer} */ renderer) => {
      this.canvas.replaceWith(next);
      this.canvas = next;
      this.renderer = renderer;
      this.pace = new Pace();
      this.load();
      this.resize();
    };
    use(canvas, new CanvasRenderer(canvas, this.sheet));
    const back = () => {
      const gl = lost.getContext("webgl2");
      if (gl !== null && this.canvas === canvas) use(lost, new WebglRenderer(lost, gl, this.sheet));
    };
    lost.addEventListener("webglcontextrestored", back, { once: true });
  }

  /** Give the renderer all that it draws. */
  load() {
    this.canvas.dataset.renderer = this.renderer.kind;
    this.renderer.setPlaces({ from: this.from, to: this.to });
    this.renderer.setMarks(this.marks);
    this.arrange();
  }

  resize() {
    const ratio = this.ratio;
    const { clientWidth, clientHeight } = this.box;
    if (clientWidth === 0 || clientHeight === 0) return;
    this.view = new View(this.view.place, clientWidth, clientHeight);
    this.canvas.width = Math.round(clientWidth * ratio);
    this.canvas.height = Math.round(clientHeight * ratio);
    this.sample = new Sample(this.to, this.order);
    this.draw(true);
  }

  get ratio() {
    return Math.min(MOST_RATIO, devicePixelRatio);
  }

  /**
   * Show photos at places; those that had one before glide there.
   * @param {Float32Array} places
   * @param {(row: number) => number} [before] row that a photo had before; -1 if it is new
   */
  show(places, before = (row) => row) {
    const [now, count] = [this.places(), places.length / 2];
    const from = new Float32Array(places);
    for (let row = 0; row < count; row += 1) {
      const old = before(row);
      if (old >= 0 && old < now.length / 2) from.set(pointOf(now, old), 2 * row);
    }
    this.from = from;
    this.to = places;
    this.began = calm.matches || now.length === 0 ? Number.NEGATIVE_INFINITY : performance.now();
    if (this.order.length !== count) this.order = shuffled(count, this.seed);
    if (this.marks.length !== count * BYTES) this.marks = new Uint8Array(count * BYTES);
    this.sample = new Sample(this.to, this.order);
    this.load();
    this.move();
  }

  /** Draw another random sample as pictures. */
  shuffle() {
    this.seed += 1;
    this.order = shuffled(this.order.length, this.seed);
    this.sample = new Sample(this.to, this.order);
    this.arrange();
    this.ask();
  }

  /** @param {Uint8Array} marks */
  mark(marks) {
    if (marks.length !== this.to.length * 4) return; // of other rows than the map's
    this.marks = marks;
    this.renderer.setMarks(marks);
    this.arrange();
    this.ask();
  }

  arrange() {
    const { rows, parts } = drawOrder(this.marks, this.order);
    this.parts = parts;
    this.renderer.setOrder(rows);
  }

  /** @param {Place} place */
  goTo(place) {
    this.view = new View(within(place), this.view.width, this.view.height);
    this.move();
  }

  /** Draw quickly for a moment, since something moves. */
  move() {
    this.moved = performance.now();
    this.drawn.complete = false;
    this.ask();
  }

  /** Ask for a drawing. */
  ask() {
    this.drawn.complete = false;
    this.asked ||= requestAnimationFrame((now) => this.step(now));
  }

  /** @param {number} now */
  step(now) {
    this.asked = 0;
    const moves = this.glide < 1 || performance.now() - this.moved < this.rest;
    if (moves && this.drawn.time > Number.NEGATIVE_INFINITY) this.pace.note(now - this.drawn.time, this.drawn.cost);
    this.draw(!moves);
    if (moves) {
      this.drawn.time = now;
      this.ask();
    } else {
      this.drawn.time = Number.NEGATIVE_INFINITY;
      this.pace.rest();
      this.drawn.complete = true;
    }
  }

  get rest() {
    return this.order.length > SMALL ? REST.large : REST.small;
  }

  /** Return the share of the way that photos have gone to their places. */
  get glide() {
    const passed = Math.min(1, (performance.now() - this.began) / GLIDE);
    return passed * passed * (3 - 2 * passed);
  }

  /** Return where the photos are at this moment. */
  places() {
    const glide = this.glide;
    if (glide >= 1) return this.to;
    return this.to.map((place, index) => place * glide + /** @type {number} */ (this.from[index]) * (1 - glide));
  }

  /** CSS pixels of a dot: fewer photos and a nearer view have larger ones. */
  get size() {
    const count = this.order.length;
    const size = count > SMALL ? 6 : count > 4000 ? 8 : 12;
    return Math.min(15, size + 1.2 * Math.log2(Math.max(1, this.view.place.zoom)));
  }

  /**
   * CSS pixels of a picture's longer side.
   * @param {number} doublings of the zoom
   */
  side(doublings = Math.max(0, Math.log2(this.view.place.zoom))) {
    return Math.min(96, (this.view.width < 500 ? 36 : 42) + 10 * doublings);
  }

  /**
   * Draw a frame.
   * @param {boolean} complete false while something moves
   */
  draw(complete) {
    const { theme } = this;
    if (theme === null || this.order.length === 0 || this.view.width <= 1) return;
    this.choosePictures(complete);
    const dots = this.parts[0] + this.parts[1] + this.parts[2];
    const shown = this.pictures.length;
    const budget = complete ? { share: 1, pictures: shown, cost: dots } : this.pace.budget(dots, shown);
    this.drawn.cost = budget.cost;
    let start = 0;
    /** @type {[number, number][]} */
    const ranges = this.parts.map((count) => {
      const first = start;
      start += count;
      return [first, Math.ceil(count * budget.share)];
    });
    const { view, ratio, glide, size } = this;
    this.renderer.draw({ view, ratio, glide, ranges, size, pictures: budget.pictures, theme });
    this.onDraw();
  }

  /**
   * Choose the photos in view that are pictures, and ask for those that have not come.
   * @param {boolean} complete
   */
  choosePictures(complete) {
    const { view, to, sheet } = this;
    const zoom = Math.max(0, Math.log2(view.place.zoom));
    const level = Math.min(DEEPEST, Math.floor(STEPS * zoom));
    const unit = view.scale / view.place.zoom; // pixels of a unit of the map when all of it is in view
    const rows = this.sample.at(level, (step) => (APART * this.side(step / STEPS)) / (unit * 2 ** (step / STEPS)));
    const [right, up] = [view.width / view.scale / 2, view.height / view.scale / 2];
    const edge = this.side() / view.scale;
    const near = [];
    for (const row of rows) {
      const [x, y] = pointOf(to, row);
      if (Math.abs(x - view.place.x) < right + edge && Math.abs(y - view.place.y) < up + edge) near.push(row);
    }
    if (complete) sheet.want(near);
    const isChosen = (/** @type {number} */ row) => this.marks[BYTES * row + 6] === RING.selected;
    const shown = near.filter((row) => sheet.slot(row) !== undefined);
    this.pictures = [...shown.filter((row) => !isChosen(row)), ...shown.filter(isChosen)];
    this.renderer.setPictures(this.describe(this.pictures, this.side() / 2));
  }

  /**
   * Return pictures as numbers, see `PICTURE`.
   * @param {number[]} rows
   * @param {number} half
   */
  describe(rows, half) {
    const { marks, from, to } = this;
    const numbers = new Float32Array(PICTURE * rows.length);
    rows.forEach((row, index) => {
      const slot = this.sheet.slot(row) ?? 0;
      const [wide, high] = this.extent(row, half);
      const [red = 0, green = 0, blue = 0, opacity = 0, ...mark] = marks.subarray(BYTES * row, BYTES * (row + 1));
      numbers.set(
        [
          ...pointOf(from, row),
          ...pointOf(to, row),
          ...[wide, high],
          ...[((slot % ACROSS) + 0.5) * SQUARE, (Math.floor(slot / ACROSS) + 0.5) * SQUARE],
          ...[red, green, blue, opacity].map((value) => value / 255),
          ...mark,
        ],
        PICTURE * index,
      );
    });
    return numbers;
  }

  /**
   * Return half the width and height of a row's picture.
   * @param {number} row
   * @param {number} half
   * @returns {[number, number]}
   */
  extent(row, half) {
    const shape = this.shapes[row] ?? 1;
    return [half * Math.min(1, shape), half * Math.min(1, 1 / shape)];
  }

  /**
   * Return the row whose picture is at a point of the screen; -1 if there is none. The last picture is on top.
   * @param {number} left
   * @param {number} top
   */
  pictureAt(left, top) {
    const half = this.side() / 2;
    const found = this.pictures.findLast((row) => {
      const [x, y] = this.view.toScreen(...pointOf(this.to, row));
      const [wide, high] = this.extent(row, half);
      return Math.abs(x - left) <= wide && Math.abs(y - top) <= high;
    });
    return found ?? -1;
  }
}
