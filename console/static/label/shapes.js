/** Signs of the labels: each label has a colour, a shape and its name, so that nobody needs to tell colours apart. */

import { html, svg } from "../vendor/lit.js";
import { PALETTE, SHAPES, shapeOf } from "./palette.js";

/** @import {Label} from "./types.js" */

/**
 * Return the sign of a label as a picture without a name: its text stands beside it. Without a label, it is a ring.
 * @param {Label | undefined} label
 */
export const sign = (label) =>
  html`<svg class="sign" viewBox="-1 -1 18 18" width="16" height="16" aria-hidden="true">${
    label === undefined
      ? svg`<circle cx="8" cy="8" r="6" fill="none" stroke="currentColor" stroke-width="2" stroke-dasharray="3 2" />`
      : svg`<path d=${SHAPES[label.shape]} fill=${label.colour} />`
  }</svg>`;

export { PALETTE, SHAPES, shapeOf };
