/** A waterfall as a table: each row is a step from one value to the next, with its bar, its factor and its total. */

import { html, svg } from "../../vendor/lit.js";
import { signed, whole } from "../format.js";
import { linear } from "./scale.js";

/** @import {Step} from "./scale.js" */

/** Width of the drawing. The bars stretch with the column, because no text is in them. */
const WIDTH = 300;
const ROW = 22;

/**
 * Return the waterfall.
 * @param {Step[]} steps
 * @param {string} caption
 */
export function waterfall(steps, caption) {
  const x = linear([0, Math.max(1, ...steps.map((step) => step.to))], [0, WIDTH]);
  return html`<table class="waterfall">
    <caption>${caption}</caption>
    <thead>
      <tr>
        <th scope="col">Because of</th>
        <th scope="col" class="bar-column"><span class="unseen">Bar</span></th>
        <th scope="col" class="number">Times</th>
        <th scope="col" class="number">Change</th>
        <th scope="col" class="number">Makes</th>
      </tr>
    </thead>
    <tbody>
      ${steps.map((step, index) => row(step, index === 0 || index === steps.length - 1, x))}
    </tbody>
  </table>`;
}

/**
 * @param {Step} step
 * @param {boolean} isTotal
 * @param {import("./scale.js").Scale} x
 */
function row({ label, multiplier, from, to }, isTotal, x) {
  const kind = isTotal ? "total" : to >= from ? "more" : "less";
  const [start, end] = from < to ? [from, to] : [to, from];
  return html`<tr class=${kind}>
    <th scope="row">${label}</th>
    <td class="bar-column">
      <svg class="effect" viewBox="0 0 ${WIDTH} ${ROW}" preserveAspectRatio="none" aria-hidden="true">
        ${svg`<rect class=${kind} x=${x(start)} y="3" width=${Math.max(1.5, x(end) - x(start))} height=${ROW - 6} />`}
      </svg>
    </td>
    <td class="number">${multiplier === null ? "" : `× ${multiplier.toFixed(2)}`}</td>
    <td class="number">${isTotal ? "" : signed(to - from)}</td>
    <td class="number">${whole(to)}</td>
  </tr>`;
}
