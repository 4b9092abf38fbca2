/**
 * A list of photos as a grid: a listbox with one tab stop, of which only the part in view is in the page.
 *
 * Two ways to pick: "select" is that of file managers (a click selects one photo, Ctrl adds, Shift takes a range);
 * in "keep" a click turns a photo on or off.
 */

import { PlainElement } from "../../shared/element.js";
import { html, ifDefined, nothing, repeat } from "../../vendor/lit.js";
import { sign } from "../shapes.js";
import { CANT_TELL, UNLABELLED } from "../store.js";

/** @import {ProjectStore} from "../store.js" */

/** Rows of cells beyond the view, so that scrolling shows no gap. */
const BEYOND = 2;
const GAP = 6;

class PhotoList extends PlainElement {
  static properties = {
    store: { attribute: false },
    rows: { attribute: false },
    picked: { attribute: false },
    notes: { attribute: false },
    way: {},
    name: {},
    size: { type: Number },
    index: { state: true },
    top: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {number[]} */
    this.rows = [];
    /** @type {Set<number>} */
    this.picked = new Set();
    /** Words about a photo, such as a score. @type {Map<number, string>} */
    this.notes = new Map();
    /** @type {"select" | "keep"} */
    this.way = "select";
    this.name = "Photos";
    this.size = 112;
    /** Place of the photo in focus. */
    this.index = 0;
    /** First photo of a range. */
    this.anchor = 0;
    this.top = 0;
    this.width = 0;
    this.height = 0;
    this.update_ = () => this.requestUpdate();
    this.follow = () => this.followFocus();
    this.resized = new ResizeObserver(() => this.measure());
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of ["labels", "names", "predictions", "view"]) this.store.addEventListener(type, this.update_);
    this.store.addEventListener("selection", this.follow);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of ["labels", "names", "predictions", "view"]) this.store.removeEventListener(type, this.update_);
    this.store.removeEventListener("selection", this.follow);
    this.resized.disconnect();
  }

  firstUpdated() {
    this.resized.observe(this.box);
    this.measure();
  }

  get box() {
    return /** @type {HTMLElement} */ (this.querySelector(".list"));
  }

  measure() {
    this.width = this.box.clientWidth;
    this.height = this.box.clientHeight;
    this.requestUpdate();
  }

  get columns() {
    return Math.max(1, Math.floor((this.width - GAP) / (this.size + GAP)));
  }

  /** Height of a cell: most photos are wider than high. */
  get high() {
    return Math.round(this.size * 0.8);
  }

  /** Height of a line of cells with its gap. */
  get step() {
    return this.high + GAP;
  }

  /** Show the photo in focus that another part has chosen. */
  followFocus() {
    const focus = this.store.focus;
    if (focus !== null && focus !== this.rows[this.index]) {
      const place = this.rows.indexOf(focus);
      if (place >= 0) this.go(place, { quiet: true });
    }
    this.requestUpdate();
  }

  /** @param {Map<string, unknown>} changes */
  willUpdate(changes) {
    if (!changes.has("rows")) return;
    const focus = this.store.focus;
    const place = focus === null ? -1 : this.rows.indexOf(focus);
    // A photo that has left the list makes room for the next one.
    this.index = place >= 0 ? place : Math.max(0, Math.min(this.index, this.rows.length - 1));
    this.anchor = this.index;
    this.store.order = this.rows;
  }

  /** @param {Map<string, unknown>} changes */
  updated(changes) {
    const lines = Math.ceil(this.rows.length / this.columns);
    const spacer = /** @type {HTMLElement} */ (this.querySelector(".spacer"));
    const cells = /** @type {HTMLElement} */ (this.querySelector(".cells"));
    spacer.style.height = `${lines * this.step + GAP}px`;
    cells.style.transform = `translateY(${this.firstLine * this.step + GAP}px)`;
    cells.style.gridTemplateColumns = `repeat(${this.columns}, minmax(0, 1fr))`;
    cells.style.gridAutoRows = `${this.high}px`;
    if (changes.has("size") || changes.has("rows")) this.reveal();
  }

  get firstLine() {
    return Math.max(0, Math.floor(this.top / this.step) - BEYOND);
  }

  /** Scroll until the photo in focus is in view. */
  reveal() {
    if (this.height === 0) return;
    const line = Math.floor(this.index / this.columns) * this.step;
    if (line < this.box.scrollTop) this.box.scrollTop = line;
    else if (line + this.step + GAP > this.box.scrollTop + this.height)
      this.box.scrollTop = line + this.step + GAP - this.height;
    this.top = this.box.scrollTop;
  }

  /**
   * @param {number} place
   * @param {{quiet?: boolean}} [options] quiet: the others know already
   */
  go(place, { quiet = false } = {}) {
    this.index = Math.max(0, Math.min(place, this.rows.length - 1));
    this.reveal();
    if (!quiet) this.store.setFocus(this.rows[this.index] ?? null);
  }

  /**
   * @param {Iterable<number>} rows
   * @param {"replace" | "add" | "remove" | "toggle"} mode
   */
  pick(rows, mode) {
    this.dispatchEvent(new CustomEvent("pick", { detail: { rows: [...rows], mode } }));
  }

  /** @param {number} place */
  pickRange(place) {
    const [first, last] = [Math.min(this.anchor, place), Math.max(this.anchor, place)];
    const rows = this.rows.slice(first, last + 1);
    if (this.way === "select") this.pick(rows, "replace");
    else this.pick(rows, this.picked.has(/** @type {number} */ (this.rows[this.anchor])) ? "add" : "remove");
  }

  /** @param {number} place */
  toggle(place) {
    this.anchor = place;
    this.pick(this.rows.slice(place, place + 1), "toggle");
  }

  /** @param {MouseEvent} event */
  onClick(event) {
    const cell = /** @type {HTMLElement} */ (event.target).closest("[role=option]");
    if (!(cell instanceof HTMLElement)) return;
    const place = Number(cell.dataset.place);
    this.go(place);
    if (event.shiftKey) this.pickRange(place);
    else if (
      this.way === "keep" ||
      event.ctrlKey ||
      event.metaKey ||
      /** @type {Element} */ (event.target).closest(".mark")
    )
      this.toggle(place);
    else {
      this.anchor = place;
      this.pick(this.rows.slice(place, place + 1), "replace");
    }
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    const place = this.placeOf(event.key);
    if (place !== null && !event.altKey) {
      this.go(place);
      if (event.shiftKey) this.pickRange(this.index);
      else if (this.way === "select" && !event.ctrlKey && !event.metaKey) {
        this.anchor = this.index;
        this.pick(this.rows.slice(this.index, this.index + 1), "replace");
      } else if (this.way === "keep") this.anchor = this.index;
    } else if (event.key === "Enter" || (event.key === " " && event.ctrlKey)) this.toggle(this.index);
    else if (event.key === " ") this.preview(this.index);
    else if (event.key === "a" && (event.ctrlKey || event.metaKey))
      this.pick(this.rows, this.way === "select" ? "replace" : "add");
    else return;
    event.preventDefault();
  }

  /**
   * Return the place that a key leads to, or null.
   * @param {string} key
   */
  placeOf(key) {
    const page = Math.max(1, Math.floor(this.height / this.step)) * this.columns;
    /** @type {Record<string, number>} */
    const steps = {
      ArrowRight: 1,
      ArrowLeft: -1,
      ArrowDown: this.columns,
      ArrowUp: -this.columns,
      PageDown: page,
      PageUp: -page,
    };
    if (key === "Home") return 0;
    if (key === "End") return this.rows.length - 1;
    const step = steps[key];
    if (step === undefined || this.rows.length === 0) return null;
    const next = this.index + step;
    return next < 0 || next >= this.rows.length ? this.index : next;
  }

  /** @param {number} place */
  preview(place) {
    const row = this.rows[place];
    if (row === undefined) return;
    this.store.order = this.rows;
    this.store.setView({ preview: row });
  }

  async focus() {
    await this.updateComplete; // a new list has no box yet
    this.box.focus();
  }

  onScroll() {
    const top = this.box.scrollTop;
    if (Math.floor(top / this.step) !== Math.floor(this.top / this.step)) this.top = top;
  }

  render() {
    const first = this.firstLine * this.columns;
    const lines = Math.ceil(this.height / this.step) + 2 * BEYOND + 1;
    const shown = this.rows.slice(first, first + lines * this.columns);
    const active =
      this.index >= first && this.index < first + shown.length ? `${this.id}-${this.rows[this.index]}` : undefined;
    return html`<div class="list" role="listbox" aria-multiselectable="true" aria-label=${this.name} tabindex="0"
      aria-activedescendant=${ifDefined(active)} @keydown=${this.onKeyDown} @scroll=${this.onScroll} @click=${this.onClick}
      @dblclick=${() => this.preview(this.index)}>
      <div class="spacer" role="presentation"><div class="cells" role="presentation">${repeat(
        shown,
        (row) => row,
        (row, place) => this.renderCell(row, first + place),
      )}</div></div>
    </div>`;
  }

  /**
   * @param {number} row
   * @param {number} place
   */
  renderCell(row, place) {
    const { store } = this;
    const picked = this.picked.has(row);
    const label = store.labels[row] ?? UNLABELLED;
    const classes = [
      "cell",
      picked ? "picked" : "",
      this.way === "keep" && !picked ? "dropped" : "",
      place === this.index ? "active" : "",
      store.faded(row) ? "faded" : "",
      store.unsure(row) ? "unsure" : "",
    ];
    return html`<div class=${classes.filter(Boolean).join(" ")} role="option" id=${`${this.id}-${row}`} data-place=${place}
      aria-selected=${picked} aria-posinset=${place + 1} aria-setsize=${this.rows.length} aria-label=${this.describe(row)}>
      <img src=${store.thumb(row, this.size > 160 ? 256 : this.size > 64 ? 256 : 64)} alt="" decoding="async" draggable="false">
      <span class="mark" aria-hidden="true"></span>
      ${this.notes.has(row) ? html`<span class="note" aria-hidden="true">${this.notes.get(row)}</span>` : nothing}
      ${this.renderBadge(row, label)}
    </div>`;
  }

  /**
   * @param {number} row
   * @param {number} label
   */
  renderBadge(row, label) {
    const { names } = this.store;
    if (label === CANT_TELL)
      return html`<span class="badge" aria-hidden="true"><b>?</b> <span>can't tell</span></span>`;
    if (label > 0)
      return html`<span class="badge" aria-hidden="true">${sign(names.get(label))} <span>${this.store.nameOf(label)}</span></span>`;
    const predicted = this.store.predictedLabel(row);
    if (predicted === undefined) return nothing;
    return html`<span class="badge guess" aria-hidden="true">${sign(predicted)} <span>${predicted.name}?</span></span>`;
  }

  /** Return the name of a photo's option, for screen readers. @param {number} row */
  describe(row) {
    const { store } = this;
    const label = store.labels[row] ?? UNLABELLED;
    const predicted = label === UNLABELLED ? store.predictedLabel(row) : undefined;
    const parts = [
      store.photos[row]?.name ?? "",
      label === UNLABELLED ? "no label" : store.nameOf(label),
      predicted ? `guess: ${predicted.name}` : "",
      store.unsure(row) ? "unsure" : "",
      this.notes.get(row) ?? "",
      this.way === "keep" ? (this.picked.has(row) ? "kept" : "taken out") : "",
    ];
    return parts.filter(Boolean).join(", ");
  }
}
customElements.define("shopcat-label-list", PhotoList);

/** @typedef {CustomEvent<{rows: number[], mode: "replace" | "add" | "remove" | "toggle"}>} Pick */
export { PhotoList };
