/** Colours and shapes of the labels, without anything that needs a browser. */

/** Colours that colour-blind people tell apart (Okabe and Ito 2008); those of `labelling.projects.labels`. */
export const PALETTE = ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#F0E442", "#666666"];

/** Outlines in a box of 16 x 16, for SVG and for `Path2D`. */
export const SHAPES = [
  "M8 1a7 7 0 1 0 0 14a7 7 0 0 0 0-14z", // circle
  "M2 2h12v12h-12z", // square
  "M8 1l7.5 13.5h-15z", // triangle
  "M8 0l8 8l-8 8l-8-8z", // diamond
  "M5.5 1h5v4.5h4.5v5h-4.5v4.5h-5v-4.5h-4.5v-5h4.5z", // plus
  "M8 15l7.5-13.5h-15z", // triangle, upside down
  "M8 0l2.2 5.3l5.8.5l-4.4 3.8l1.4 5.7l-5-3.1l-5 3.1l1.4-5.7l-4.4-3.8l5.8-.5z", // star
  "M4.5 1h7l4 7l-4 7h-7l-4-7z", // hexagon
];

/**
 * Return the shape of a label: no two of the first 64 labels share colour and shape.
 * @param {number} id
 */
export const shapeOf = (id) => (id - 1 + Math.floor((id - 1) / SHAPES.length)) % SHAPES.length;
