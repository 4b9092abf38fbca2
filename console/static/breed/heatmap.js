/** A heatmap over a photo, painted from the answer's grid: the same colours as the service's own overlay has. */

import { MAGMA } from "./magma.js";

/** @import {Box, Heatmap} from "../shared/answers.js" */

/** Share of the grid's largest value; a smaller span is rounding noise. */
const FLAT = 1e-6;

/**
 * Scale a grid's values to 0 (dark) to 1 (light). It is 0 everywhere if all values are the same, or none exceeds `low`.
 * @param {number[][]} grid
 * @param {number | null} low the value that becomes 0; null for the grid's smallest
 * @returns {number[][]}
 */
export function scaled(grid, low) {
  const values = grid.flat();
  const smallest = Math.min(...values);
  const largest = Math.max(...values);
  const from = low ?? smallest;
  const flat = largest - Math.max(from, smallest) <= FLAT * Math.max(Math.abs(smallest), Math.abs(largest));
  return grid.map((row) => row.map((value) => (flat ? 0 : (value - from) / (largest - from))));
}

/**
 * Return a grid's value between the centres of its cells. Beyond the outermost centres it stays constant.
 * @param {number[][]} grid
 * @param {number} row position from 0, the upper edge, to 1, the lower edge
 * @param {number} column position from 0, the left edge, to 1, the right edge
 */
export function bilinear(grid, row, column) {
  const [top, bottom, down] = neighbours(row, grid.length);
  const [left, right, across] = neighbours(column, /** @type {number[]} */ (grid[0]).length);
  const cell = (/** @type {number} */ y, /** @type {number} */ x) => /** @type {number} */ (grid[y]?.[x]);
  const upper = cell(top, left) * (1 - across) + cell(top, right) * across;
  const lower = cell(bottom, left) * (1 - across) + cell(bottom, right) * across;
  return upper * (1 - down) + lower * down;
}

/**
 * Return the cells on both sides of a position, and the share of the second.
 * @param {number} at
 * @param {number} cells
 * @returns {[number, number, number]}
 */
function neighbours(at, cells) {
  const place = Math.min(cells - 1, Math.max(0, at * cells - 0.5));
  const first = Math.floor(place);
  return [first, Math.min(cells - 1, first + 1), place - first];
}

/**
 * Return the pixels of a heatmap over its box, red, green, blue and opaque; null if the grid is blank.
 * @param {Heatmap} heatmap
 * @param {number} width
 * @param {number} height
 * @returns {Uint8ClampedArray<ArrayBuffer> | null}
 */
export function pixelsOf(heatmap, width, height) {
  const grid = scaled(heatmap.grid, heatmap.class === null ? null : 0);
  if (grid.flat().every((value) => value === 0)) return null;
  const pixels = new Uint8ClampedArray(4 * width * height);
  for (let y = 0; y < height; y += 1) {
    for (let x = 0; x < width; x += 1) {
      const value = bilinear(grid, (y + 0.5) / height, (x + 0.5) / width);
      // 256 steps of equal width, with the value 1 in the last one.
      const step = Math.min(255, Math.max(0, Math.floor(value * 256)));
      const at = 4 * (y * width + x);
      pixels.set(MAGMA.subarray(3 * step, 3 * step + 3), at);
      pixels[at + 3] = 255;
    }
  }
  return pixels;
}

/**
 * Return the rectangle of a box on a picture of the photo, in whole pixels.
 * @param {Box} box
 * @param {number} share width of the picture by the width of the photo
 */
export function rectangle(box, share) {
  const [left, top] = [Math.round(box.left * share), Math.round(box.top * share)];
  const [right, bottom] = [Math.round(box.right * share), Math.round(box.bottom * share)];
  return { left, top, width: Math.max(1, right - left), height: Math.max(1, bottom - top) };
}

/**
 * Paint a photo and the heatmap over it.
 * @param {HTMLCanvasElement} canvas
 * @param {ImageBitmap} photo
 * @param {Heatmap | null} heatmap
 * @param {number} opacity share of the heatmap in a pixel's colour
 */
export function paint(canvas, photo, heatmap, opacity) {
  const context = canvas.getContext("2d");
  if (context === null) return;
  context.drawImage(photo, 0, 0, canvas.width, canvas.height);
  if (heatmap === null) return;
  const { left, top, width, height } = rectangle(heatmap.box, canvas.width / heatmap.width);
  const pixels = pixelsOf(heatmap, width, height);
  if (pixels === null) return;
  const layer = new OffscreenCanvas(width, height);
  layer.getContext("2d")?.putImageData(new ImageData(pixels, width, height), 0, 0);
  context.globalAlpha = opacity;
  context.drawImage(layer, left, top);
  context.globalAlpha = 1;
  context.strokeStyle = "rgb(255 255 255 / 70%)";
  context.strokeRect(left + 0.5, top + 0.5, width - 1, height - 1);
}

/**
 * Paint the colours from weak to strong.
 * @param {HTMLCanvasElement} canvas
 */
export function paintScale(canvas) {
  const context = canvas.getContext("2d");
  if (context === null) return;
  for (let x = 0; x < canvas.width; x += 1) {
    const step = 3 * Math.floor((x / canvas.width) * 256);
    context.fillStyle = `rgb(${MAGMA[step]} ${MAGMA[step + 1]} ${MAGMA[step + 2]})`;
    context.fillRect(x, 0, 1, canvas.height);
  }
}
