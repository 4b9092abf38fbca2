/** Scales of the charts: from values to pixels, the values that get a line, and the steps of a waterfall. */

/** @typedef {(value: number) => number} Scale */

/**
 * @typedef {object} Step
 * @property {string} label
 * @property {number | null} multiplier null for the first and the last row
 * @property {number} from value before the step
 * @property {number} to value after it
 */

/**
 * Return a linear scale.
 * @param {[number, number]} values
 * @param {[number, number]} pixels
 * @returns {Scale}
 */
export function linear([low, high], [from, to]) {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

/**
 * Return round values from 0 to at least the highest value: about `count` steps of 1, 2, 2.5 or 5 times a power of 10.
 * @param {number} highest
 * @param {number} count
 * @returns {number[]}
 */
export function ticks(highest, count) {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / count;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * /** @type {number} */ ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999));
  const steps = Math.ceil(highest / step - 1e-9);
  return Array.from({ length: steps + 1 }, (_, index) => index * step);
}

/**
 * Return the path of a line through points, as SVG writes it.
 * @param {[number, number][]} points
 */
export const path = (points) => points.map(([x, y], index) => `${index ? "L" : "M"}${round(x)} ${round(y)}`).join("");

/**
 * Return the path of the area between two lines with the same positions.
 * @param {{x: number, low: number, high: number}[]} points
 */
export function area(points) {
  if (points.length === 0) return "";
  const upper = points.map(({ x, high }) => /** @type {[number, number]} */ ([x, high]));
  const lower = points.map(({ x, low }) => /** @type {[number, number]} */ ([x, low])).reverse();
  return `${path([...upper, ...lower])}Z`;
}

/** @param {number} pixels */
const round = (pixels) => Math.round(pixels * 10) / 10;

/**
 * Return the steps of a product: the start, each factor, and the end.
 * @param {{label: string, value: number}} start
 * @param {{label: string, multiplier: number}[]} factors
 * @param {string} end label of the last row
 * @returns {Step[]}
 */
export function stepsOf(start, factors, end) {
  let value = start.value;
  const steps = [{ label: start.label, multiplier: /** @type {number | null} */ (null), from: 0, to: value }];
  for (const { label, multiplier } of factors) {
    steps.push({ label, multiplier, from: value, to: value * multiplier });
    value *= multiplier;
  }
  return [...steps, { label: end, multiplier: null, from: 0, to: value }];
}
