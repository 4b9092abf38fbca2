/**
 * Dots and pictures without WebGL: dots are stamped into the pixels, because a drawing call for each dot takes longer.
 */

import { BADGE, BORDERS, INNER, OUTER, PICTURE, RINGED, SIZES } from "./frame.js";
import { BYTES, KIND, RING } from "./marks.js";
import { EDGE, PATHS } from "./masks.js";
import { SQUARE } from "./sheet.js";

/** @import {Colour, Frame, Renderer} from "./frame.js" */
/** @import {Sheet} from "./sheet.js" */

/**
 * Pixels of a dot: those that cover what is below, and others with red, green, blue and opacity.
 * @typedef {{half: number, solid: Int16Array, colours: Uint32Array, mixed: Int16Array, parts: Uint8ClampedArray}} Stamp
 */

const css = (/** @type {Colour} */ [red, green, blue]) => `rgb(${red} ${green} ${blue})`;

/** @implements {Renderer} */
export class CanvasRenderer {
  /** @type {"canvas"} */
  kind = "canvas";

  /**
   * @param {HTMLCanvasElement} canvas
   * @param {Sheet} sheet
   */
  constructor(canvas, sheet) {
    this.canvas = canvas;
    this.sheet = sheet;
    this.context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { alpha: false }));
    const brush = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
    this.brush = /** @type {CanvasRenderingContext2D} */ (brush);
    this.paths = PATHS.map((path) => new Path2D(path));
    /** Stamp of each look, and the look of each row: many photos look the same. @type {Stamp[]} */
    this.stamps = [];
    this.looks = new Uint16Array();
    /** A row of each look. @type {number[]} */
    this.examples = [];
    this.stamped = "";
    /** @type {Float32Array} */
    this.from = new Float32Array();
    /** @type {Float32Array} */
    this.to = new Float32Array();
    /** @type {Uint8Array} */
    this.marks = new Uint8Array();
    /** @type {Uint32Array} */
    this.order = new Uint32Array();
    /** @type {Float32Array} */
    this.pictures = new Float32Array();
    this.image = new ImageData(1, 1);
  }

  /** @param {{from: Float32Array, to: Float32Array}} places */
  setPlaces({ from, to }) {
    this.from = from;
    this.to = to;
  }

  /** @param {Uint8Array} marks */
  setMarks(marks) {
    this.marks = marks;
    this.looks = new Uint16Array(marks.length / BYTES);
    this.examples = [];
    this.stamped = "";
    const colours = new Uint32Array(marks.buffer);
    /** @type {Map<number, number>} */
    const known = new Map();
    for (let row = 0; row < this.looks.length; row += 1) {
      const [shape = 0, kind = 0, ring = 0] = [marks[BYTES * row + 4], marks[BYTES * row + 5], marks[BYTES * row + 6]];
      const key = /** @type {number} */ (colours[2 * row]) + (shape + 16 * kind + 64 * ring) * 2 ** 32;
      const look = known.get(key) ?? known.size;
      if (look === known.size) {
        known.set(key, look);
        this.examples.push(row);
      }
      this.looks[row] = look;
    }
  }

  /** @param {Uint32Array} rows */
  setOrder(rows) {
    this.order = rows;
  }

  /** @param {Float32Array} pictures */
  setPictures(pictures) {
    this.pictures = pictures;
  }

  close() {}

  /** @param {Frame} frame */
  draw(frame) {
    const { context, canvas } = this;
    const { width, height } = canvas;
    if (this.image.width !== width || this.image.height !== height) this.image = context.createImageData(width, height);
    const stamped = `${frame.size * frame.ratio},${JSON.stringify(frame.theme)}`;
    if (stamped !== this.stamped) this.stamps = this.examples.map((row) => this.stampOf(frame, row));
    this.stamped = stamped;
    const pixels = new Uint32Array(this.image.data.buffer);
    pixels.fill(packed(frame.theme.card));
    for (const [first, count] of frame.ranges)
      for (let index = first; index < first + count; index += 1)
        this.stamp(frame, pixels, /** @type {number} */ (this.order[index]));
    context.setTransform(1, 0, 0, 1, 0, 0);
    context.putImageData(this.image, 0, 0);
    for (let index = 0; index < frame.pictures; index += 1)
      this.drawPicture(frame, this.pictures.subarray(PICTURE * index, PICTURE * (index + 1)));
    context.globalAlpha = 1;
  }

  /**
   * @param {Frame} frame
   * @param {Uint32Array} pixels
   * @param {number} row
   */
  stamp(frame, pixels, row) {
    const { from, to } = this;
    const { view, ratio, glide } = frame;
    const { width, height } = this.image;
    const [x, y] = [2 * row, 2 * row + 1];
    const across = (from[x] ?? 0) * (1 - glide) + (to[x] ?? 0) * glide;
    const up = (from[y] ?? 0) * (1 - glide) + (to[y] ?? 0) * glide;
    const left = Math.round((view.width / 2 + (across - view.place.x) * view.scale) * ratio);
    const top = Math.round((view.height / 2 - (up - view.place.y) * view.scale) * ratio);
    const { half, solid, colours, mixed, parts } = /** @type {Stamp} */ (
      this.stamps[/** @type {number} */ (this.looks[row])]
    );
    if (left < half || top < half || left >= width - half || top >= height - half) return;
    const middle = top * width + left;
    for (let pixel = 0; pixel < colours.length; pixel += 1)
      pixels[middle + (solid[2 * pixel + 1] ?? 0) * width + (solid[2 * pixel] ?? 0)] = colours[pixel] ?? 0;
    const data = this.image.data;
    for (let pixel = 0; pixel < mixed.length / 2; pixel += 1) {
      const place = middle + (mixed[2 * pixel + 1] ?? 0) * width + (mixed[2 * pixel] ?? 0);
      const cover = (parts[4 * pixel + 3] ?? 0) / 255;
      for (let channel = 0; channel < 3; channel += 1) {
        const below = data[4 * place + channel] ?? 0;
        data[4 * place + channel] = below + ((parts[4 * pixel + channel] ?? 0) - below) * cover;
      }
    }
  }

  /**
   * Return the pixels of a row's dot.
   * @param {Frame} frame
   * @param {number} row
   */
  stampOf({ size, ratio, theme }, row) {
    const mark = this.marks.subarray(BYTES * row, BYTES * (row + 1));
    const [red = 0, green = 0, blue = 0, opacity = 0, shape = 0, kind = 0, ring = 0] = mark;
    const { brush } = this;
    const diameter = size * ratio * (SIZES[kind] ?? 1);
    const chosen = diameter / 2 + (OUTER + INNER) * ratio;
    const reach = ring === RING.selected ? chosen : (diameter * (ring === RING.unsure ? RINGED : 1)) / 2;
    const half = Math.ceil(reach) + 1;
    brush.canvas.width = 2 * half + 1;
    brush.canvas.height = 2 * half + 1;
    brush.translate(half + 0.5, half + 0.5);
    if (ring === RING.selected) {
      disc(brush, chosen, theme.ink);
      disc(brush, chosen - OUTER * ratio, theme.card);
    }
    brush.save();
    brush.globalAlpha = opacity / 255;
    this.drawSign(brush, diameter, [red, green, blue], shape, kind, theme.ink);
    brush.restore();
    if (ring === RING.unsure) {
      brush.strokeStyle = css(theme.unsure);
      brush.lineWidth = ratio;
      brush.beginPath();
      brush.arc(0, 0, (diameter * RINGED * 0.8) / 2, 0, 7);
      brush.stroke();
    }
    return stampFrom(brush.getImageData(0, 0, 2 * half + 1, 2 * half + 1), half);
  }

  /**
   * Draw a label's sign around the origin.
   * @param {CanvasRenderingContext2D} context
   * @param {number} diameter
   * @param {Colour} colour
   * @param {number} shape
   * @param {number} kind
   * @param {Colour} ink
   */
  drawSign(context, diameter, colour, shape, kind, ink) {
    const path = /** @type {Path2D} */ (this.paths[shape]);
    const opacity = context.globalAlpha;
    context.scale(diameter / 19, diameter / 19);
    context.translate(-8, -8);
    context.fillStyle = css(colour);
    context.globalAlpha = opacity * (kind === KIND.labelled ? 1 : kind === KIND.predicted ? 0.35 : 0.8);
    context.fill(path);
    if (kind === KIND.plain) return;
    context.globalAlpha = opacity;
    context.lineWidth = EDGE;
    context.strokeStyle = css(kind === KIND.labelled ? ink : colour);
    context.stroke(path);
  }

  /**
   * @param {Frame} frame
   * @param {Float32Array} picture
   */
  drawPicture({ view, ratio, glide, theme }, picture) {
    const { context } = this;
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0, width = 0, height = 0, centre = 0, middle = 0] = picture;
    const [red = 0, green = 0, blue = 0, opacity = 0, shape = 0, kind = 0, ring = 0] = picture.subarray(8);
    const [left, top] = view.toScreen(x0 + (x1 - x0) * glide, y0 + (y1 - y0) * glide);
    const part = SQUARE / Math.max(width, height) / 2; // pixels of the sheet in one of the picture
    /** @type {Colour} */
    const colour = [red * 255, green * 255, blue * 255];
    context.setTransform(ratio, 0, 0, ratio, left * ratio, top * ratio);
    context.globalAlpha = opacity;
    context.fillStyle = css(theme.card);
    context.fillRect(-width, -height, 2 * width, 2 * height);
    context.drawImage(
      this.sheet.canvas,
      ...[centre - width * part, middle - height * part, 2 * width * part, 2 * height * part],
      ...[-width, -height, 2 * width, 2 * height],
    );
    const isChosen = ring === RING.selected;
    const border = isChosen ? OUTER + INNER : (BORDERS[kind] ?? 1);
    const frames = isChosen
      ? [
          [OUTER, 0, theme.ink],
          [INNER, OUTER, theme.card],
        ]
      : [[border, 0, kind === KIND.plain ? theme.card : colour]];
    if (ring === RING.unsure) frames.push([1.5, border + 0.75, theme.unsure]);
    for (const [line, inset, stroke] of /** @type {[number, number, Colour][]} */ (frames)) {
      context.lineWidth = line;
      context.strokeStyle = css(stroke);
      const edge = inset + line / 2;
      context.strokeRect(edge - width, edge - height, 2 * (width - edge), 2 * (height - edge));
    }
    if (kind === KIND.plain) return;
    context.translate(border + BADGE / 2 - width, border + BADGE / 2 - height);
    context.save();
    this.drawSign(context, BADGE, theme.card, shape, KIND.labelled, colour);
    context.restore();
    this.drawSign(context, BADGE, colour, shape, kind, theme.ink);
  }
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {number} radius
 * @param {Colour} colour
 */
function disc(context, radius, colour) {
  context.fillStyle = css(colour);
  context.beginPath();
  context.arc(0, 0, radius, 0, 7);
  context.fill();
}

/**
 * Return the pixels of a drawn dot, without those that are empty.
 * @param {ImageData} image
 * @param {number} half
 * @returns {Stamp}
 */
function stampFrom({ data, width, height }, half) {
  /** @type {{solid: number[], colours: number[], mixed: number[], parts: number[]}} */
  const found = { solid: [], colours: [], mixed: [], parts: [] };
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const [red = 0, green = 0, blue = 0, opacity = 0] = data.subarray(4 * (y * width + x));
      if (opacity > 250) {
        found.solid.push(x - half, y - half);
        found.colours.push(packed([red, green, blue]));
      } else if (opacity > 4) {
        found.mixed.push(x - half, y - half);
        found.parts.push(red, green, blue, opacity);
      }
    }
  }
  return {
    half,
    solid: Int16Array.from(found.solid),
    colours: Uint32Array.from(found.colours),
    mixed: Int16Array.from(found.mixed),
    parts: Uint8ClampedArray.from(found.parts),
  };
}

/**
 * Return a colour as a pixel of an image; all machines that run browsers put the low byte first.
 * @param {Colour} colour
 */
function packed([red, green, blue]) {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}
