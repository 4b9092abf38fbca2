/** Masks of the labels' shapes, which both renderers draw dots with. */

import { SHAPES } from "../../shapes.js";

/** Outlines in a box of 16 x 16: the labels' shapes, and a cross for "can't tell" (`CROSS` of marks.js). */
export const PATHS = [...SHAPES, "M3 1l5 5l5-5l2 2l-5 5l5 5l-2 2l-5-5l-5 5l-2-2l5-5l-5-5z"];
export const N_SHAPES = PATHS.length;
/** Width of a shape's edge in the box of 16 x 16. */
export const EDGE = 1.7;
/** Pixels of a mask's side. */
export const SIDE = 32;
const [SCALE, MARGIN] = [SIDE * 0.052, SIDE * 0.084]; // room for the edge, and an empty border

/** Return the masks of all shapes: two bytes a pixel, the cover of the inside and that of the edge. */
export function drawMasks() {
  const canvas = document.createElement("canvas");
  canvas.width = SIDE;
  canvas.height = SIDE;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d", { willReadFrequently: true }));
  context.setTransform(SCALE, 0, 0, SCALE, MARGIN, MARGIN);
  context.lineWidth = EDGE;
  context.lineJoin = "round";
  const masks = new Uint8Array(N_SHAPES * SIDE * SIDE * 2);
  PATHS.forEach((path, shape) => {
    const outline = new Path2D(path);
    for (const [channel, draw] of [() => context.fill(outline), () => context.stroke(outline)].entries()) {
      context.clearRect(-4, -4, 24, 24);
      draw();
      const pixels = context.getImageData(0, 0, SIDE, SIDE).data;
      const start = shape * SIDE * SIDE;
      for (let pixel = 0; pixel < SIDE * SIDE; pixel += 1)
        masks[2 * (start + pixel) + channel] = /** @type {number} */ (pixels[4 * pixel + 3]);
    }
  });
  return masks;
}
