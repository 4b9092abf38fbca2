/** A chart of daily values: history, forecast with bands, and a second forecast. One day of it can be chosen. */

import { html, nothing, svg } from "../../vendor/lit.js";
import { PlainElement } from "../element.js";
import { between, dayNumber, shortDay, signed, weekday, whole } from "../format.js";
import { area, linear, path, ticks } from "./scale.js";

/** @import {Interval} from "../answers.js" */
/** @import {Scale} from "./scale.js" */

/**
 * A day of the chart. A closed day has no values; its place stays empty.
 * @typedef {object} ChartDay
 * @property {string} date
 * @property {number | null} past sales that are known
 * @property {number | null} forecast
 * @property {Interval[]} bands widest first
 * @property {number | null} changed forecast with the changes
 * @property {boolean} closed
 */

const MARGIN = { top: 16, right: 16, bottom: 28, left: 56 };
const HEIGHT = 340;
const NARROW = { height: 260, width: 560, left: 44 };

export class Timeline extends PlainElement {
  static properties = {
    days: { attribute: false },
    cutoff: {},
    selected: {},
    label: {},
    width: { state: true },
    at: { state: true },
  };

  constructor() {
    super();
    /** @type {ChartDay[]} */
    this.days = [];
    this.cutoff = "";
    this.selected = "";
    this.label = "";
    this.width = 0;
    /** Day under the pointer or the keyboard's cursor, as an index; -1 before any. */
    this.at = -1;
    this.observer = new ResizeObserver(([entry]) => {
      this.width = Math.round(entry?.contentRect.width ?? 0);
    });
  }

  connectedCallback() {
    super.connectedCallback();
    this.observer.observe(this);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.observer.disconnect();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has("days") && !changed.has("selected")) return;
    const chosen = this.days.findIndex((day) => day.date === this.selected);
    if (chosen >= 0) this.at = chosen;
    else if (this.at >= this.days.length || this.at < 0) this.at = this.days.findIndex((day) => day.forecast !== null);
  }

  get narrow() {
    return this.width < NARROW.width;
  }

  get height() {
    return this.narrow ? NARROW.height : HEIGHT;
  }

  get left() {
    return this.narrow ? NARROW.left : MARGIN.left;
  }

  render() {
    const day = this.days[this.at];
    return html`
      <p class="readout" aria-hidden="true">${day ? readout(day) : nothing}</p>
      <div class="plot">
        ${this.width > 0 && this.days.length > 0 ? this.renderChart() : nothing}
        <div class="plot-cursor" role="slider" tabindex="0" aria-label="Day of the chart"
          aria-valuemin="0" aria-valuemax=${Math.max(0, this.days.length - 1)} aria-valuenow=${Math.max(0, this.at)}
          aria-valuetext=${day ? describe(day) : "no day"}
          @keydown=${this.onKey} @pointermove=${this.onMove} @click=${this.onClick}></div>
      </div>`;
  }

  renderChart() {
    const bottom = this.height - MARGIN.bottom;
    const x = linear([-0.5, this.days.length - 0.5], [this.left, this.width - MARGIN.right]);
    const values = this.days.flatMap((day) => [
      day.past,
      day.forecast,
      day.changed,
      ...day.bands.map((band) => band.high),
    ]);
    const marks = ticks(Math.max(...values.map((value) => value ?? 0)), this.narrow ? 4 : 5);
    const y = linear([0, /** @type {number} */ (marks.at(-1))], [bottom, MARGIN.top]);
    return html`<svg role="img" aria-label=${this.label} width=${this.width} height=${this.height}
      viewBox="0 0 ${this.width} ${this.height}">
      ${marks.map(
        (mark) => svg`<line class="grid" x1=${this.left} x2=${this.width - MARGIN.right} y1=${y(mark)} y2=${y(mark)} />
          <text class="tick" x=${this.left - 8} y=${y(mark) + 4} text-anchor="end">${tickText(mark)}</text>`,
      )}
      ${this.renderDates(x, bottom)} ${this.renderCutoff(x, bottom)} ${this.renderSeries(x, y)} ${this.renderCursor(x, y, bottom)}
    </svg>`;
  }

  /**
   * @param {Scale} x
   * @param {number} bottom
   */
  renderDates(x, bottom) {
    const room = Math.max(1, Math.ceil(64 / (7 * (x(1) - x(0)))));
    let mondays = 0;
    return this.days.map((day, index) => {
      if (weekday(day.date) !== 0) return nothing;
      const labelled = mondays % room === 0;
      mondays += 1;
      const edge = x(index - 0.5);
      const fits = edge < this.width - 56;
      return svg`<line class="grid" x1=${edge} x2=${edge} y1=${bottom} y2=${bottom + (labelled ? 6 : 3)} />
        ${labelled && fits ? svg`<text class="tick" x=${edge + 3} y=${bottom + 18}>${dateText(day.date)}</text>` : nothing}`;
    });
  }

  /**
   * @param {Scale} x
   * @param {number} bottom
   */
  renderCutoff(x, bottom) {
    const index = dayNumber(this.cutoff) - dayNumber(/** @type {ChartDay} */ (this.days[0]).date);
    if (!(index >= 0 && index < this.days.length - 1)) return nothing;
    const edge = x(index + 0.5);
    return svg`<line class="cutoff" x1=${edge} x2=${edge} y1=${MARGIN.top - 6} y2=${bottom} />
      ${this.narrow ? nothing : svg`<text class="tick" x=${edge + 6} y=${MARGIN.top + 4}>forecast</text>`}`;
  }

  /**
   * @param {Scale} x
   * @param {Scale} y
   */
  renderSeries(x, y) {
    const levels = [...new Set(this.days.flatMap((day) => day.bands.map((band) => band.level)))].sort((a, b) => b - a);
    const bands = levels.map((level, depth) => {
      const points = this.days.flatMap((day, index) => {
        const band = day.closed ? undefined : day.bands.find((candidate) => candidate.level === level);
        return band ? [{ x: x(index), low: y(band.low), high: y(band.high) }] : [];
      });
      return svg`<path class="band band-${depth}" d=${area(points)} />`;
    });
    const closed = this.days.map((day, index) =>
      day.closed
        ? svg`<line class="closed" x1=${x(index - 0.3)} x2=${x(index + 0.3)} y1=${y(0)} y2=${y(0)} />`
        : nothing,
    );
    return [
      bands,
      closed,
      this.renderLine("past", x, y),
      this.renderLine("forecast", x, y),
      this.renderLine("changed", x, y),
    ];
  }

  /**
   * @param {"past" | "forecast" | "changed"} name
   * @param {Scale} x
   * @param {Scale} y
   */
  renderLine(name, x, y) {
    /** @type {[number, number][]} */
    const points = [];
    for (const [index, day] of this.days.entries()) {
      const value = day[name];
      if (value !== null && !(day.closed && value === 0)) points.push([x(index), y(value)]);
    }
    const radius = this.narrow ? 1.8 : 2.6;
    return svg`<path class="line ${name}" d=${path(points)} />
      ${points.map(([cx, cy]) => svg`<circle class="point ${name}" cx=${cx} cy=${cy} r=${radius} />`)}`;
  }

  /**
   * @param {Scale} x
   * @param {Scale} y
   * @param {number} bottom
   */
  renderCursor(x, y, bottom) {
    const marks = [];
    const chosen = this.days.findIndex((day) => day.date === this.selected);
    if (chosen >= 0) {
      marks.push(
        svg`<rect class="chosen" x=${x(chosen - 0.5)} width=${x(1) - x(0)} y=${MARGIN.top} height=${bottom - MARGIN.top} />`,
      );
    }
    const day = this.days[this.at];
    if (day === undefined) return marks;
    marks.push(svg`<line class="cursor" x1=${x(this.at)} x2=${x(this.at)} y1=${MARGIN.top} y2=${bottom} />`);
    for (const name of /** @type {const} */ (["past", "forecast", "changed"])) {
      const value = day[name];
      if (value !== null) marks.push(svg`<circle class="ring ${name}" cx=${x(this.at)} cy=${y(value)} r="5" />`);
    }
    return marks;
  }

  /** @param {PointerEvent | MouseEvent} event */
  dayAt(event) {
    const box = /** @type {Element} */ (event.currentTarget).getBoundingClientRect();
    const share = (event.clientX - box.left - this.left) / (this.width - MARGIN.right - this.left);
    return Math.min(this.days.length - 1, Math.max(0, Math.floor(share * this.days.length)));
  }

  /** @param {PointerEvent} event */
  onMove(event) {
    this.at = this.dayAt(event);
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    this.at = this.dayAt(event);
    this.choose();
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const last = this.days.length - 1;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowLeft: -1,
      ArrowDown: -1,
      ArrowRight: 1,
      ArrowUp: 1,
      PageDown: -7,
      PageUp: 7,
      Home: -last,
      End: last,
    };
    if (event.key === "Enter" || event.key === " ") this.choose();
    else if (event.key in steps)
      this.at = Math.min(last, Math.max(0, this.at + /** @type {number} */ (steps[event.key])));
    else return;
    event.preventDefault();
  }

  choose() {
    const day = this.days[this.at];
    if (day === undefined || day.forecast === null) return;
    this.dispatchEvent(new CustomEvent("day-chosen", { detail: day.date, bubbles: true }));
  }
}
customElements.define("shopcat-timeline", Timeline);

/** @param {number} value */
const tickText = (value) => (value >= 1000 ? `${value / 1000}k` : String(value));

/** @param {string} date */
const dateText = (date) => shortDay(date).slice(4);

/**
 * Return a day of the chart as text.
 * @param {ChartDay} day
 */
export function describe(day) {
  const parts = [shortDay(day.date)];
  if (day.past !== null) parts.push(day.closed ? "closed" : `sold ${whole(day.past)}`);
  if (day.forecast !== null)
    parts.push(day.closed && day.forecast === 0 ? "closed" : `forecast ${whole(day.forecast)}`);
  if (day.changed !== null) parts.push(`with your changes ${whole(day.changed)}`);
  if (!day.closed) parts.push(...[...day.bands].reverse().map((band) => `${band.level} % range ${between(band)}`));
  return parts.join(", ");
}

/** @param {ChartDay} day */
function readout(day) {
  const shown = day.closed && !day.forecast && !day.changed;
  return html`<strong>${shortDay(day.date)}</strong>
    ${shown ? html`<span>closed</span>` : nothing}
    ${day.past !== null && !day.closed ? html`<span class="past">sold <b>${whole(day.past)}</b></span>` : nothing}
    ${day.forecast !== null && !shown ? html`<span class="forecast">forecast <b>${whole(day.forecast)}</b></span>` : nothing}
    ${
      day.changed !== null
        ? html`<span class="changed">with changes <b>${whole(day.changed)}</b> (${signed(day.changed - (day.forecast ?? 0))})</span>`
        : nothing
    }
    ${shown ? nothing : [...day.bands].reverse().map((band) => html`<span class="muted">${band.level} % range ${between(band)}</span>`)}`;
}
