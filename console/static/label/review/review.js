/**
 * The review of a group: all its photos side by side, so that the eye finds the odd one out.
 *
 * What is deselected becomes a negative: a search avoids photos like it, and the label is not suggested for it again.
 */

import { PlainElement } from "../../shared/element.js";
import { count } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import "../grid/list.js";
import { outliersFirst } from "../grid/order.js";

/** @import {Pick} from "../grid/list.js" */
/** @import {ProjectStore} from "../store.js" */
/** @import {SimilarPhoto} from "../types.js" */

/** Photos that a search shows at first, and that "more" adds. */
const PAGE = 24;
const MOST = 1000;

/** @fires close when the review ends */
class LabelReview extends PlainElement {
  static properties = {
    store: { attribute: false },
    kind: {},
    rows: { state: true },
    kept: { state: true },
    notes: { state: true },
    shown: { state: true },
    waiting: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {"selection" | "similar"} */
    this.kind = "selection";
    /** @type {number[]} */
    this.rows = [];
    /** Rows that are kept. @type {Set<number>} */
    this.kept = new Set();
    /** @type {Map<number, string>} */
    this.notes = new Map();
    /** Number of found photos above the cut. */
    this.shown = PAGE;
    this.waiting = false;
    /** How the label will be given, for the history. */
    this.how = "click";
    /** @type {SimilarPhoto[]} */
    this.found = [];
    this.hashes = new Set();
    this.onPhotos = () => this.followRows();
  }

  connectedCallback() {
    super.connectedCallback();
    this.store.addEventListener("photos", this.onPhotos);
    if (this.kind === "similar") this.search();
    else this.reviewSelection();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.store.removeEventListener("photos", this.onPhotos);
  }

  firstUpdated() {
    this.focus();
  }

  /** New photos have changed the rows: end, because a row now names another photo. */
  followRows() {
    this.close();
  }

  async reviewSelection() {
    this.kind = "selection";
    this.how = this.store.how;
    const rows = [...this.store.selection];
    this.rows = rows;
    this.kept = new Set(rows);
    this.notes = new Map();
    const positions = await this.store.map().catch(() => null);
    if (positions && this.kind === "selection") this.rows = outliersFirst(rows, positions);
  }

  /** Search with the kept photos, and with what was deselected so far as negatives. */
  async search() {
    const { store } = this;
    this.kind = "similar";
    this.how = "similar";
    this.waiting = true;
    this.found = (await store.similar(Math.max(200, this.shown))) ?? [];
    this.waiting = false;
    this.cut(Math.min(Math.max(this.shown, PAGE), this.found.length));
    this.kept = new Set(this.rows);
    store.say(this.found.length ? `${count(this.rows.length, "photo")} like these.` : "Nothing else is like these.");
  }

  /**
   * Show the most similar photos.
   * @param {number} number
   */
  cut(number) {
    const known = new Set(this.rows);
    const photos = this.found.slice(0, number);
    this.shown = number;
    this.rows = this.store.rows(photos.map(({ sha256 }) => sha256));
    this.kept = new Set(this.rows.filter((row) => this.kept.has(row) || !known.has(row)));
    const notes = photos.filter(({ near_duplicate: near }) => near);
    this.notes = new Map(this.store.rows(notes.map(({ sha256 }) => sha256)).map((row) => [row, "near copy"]));
  }

  async more() {
    if (this.shown + PAGE > this.found.length && this.found.length < MOST) {
      this.found = (await this.store.similar(Math.min(MOST, this.found.length * 2 + PAGE))) ?? this.found;
    }
    this.cut(Math.min(this.shown + PAGE, this.found.length));
    this.store.say(`${count(this.rows.length, "photo")} now.`);
  }

  get dropped() {
    return this.rows.filter((row) => !this.kept.has(row));
  }

  /** @param {Pick} event */
  pick({ detail: { rows, mode } }) {
    const kept = new Set(this.kept);
    for (const row of rows)
      if (mode === "remove" || (mode === "toggle" && kept.has(row))) kept.delete(row);
      else kept.add(row);
    this.kept = kept;
    this.store.say(`${kept.size} of ${this.rows.length} kept.`);
  }

  /**
   * Label what is kept, and go back.
   * @param {number | null} label
   */
  async give(label) {
    const [kept, dropped] = [this.rows.filter((row) => this.kept.has(row)), this.dropped];
    const answer = await this.store.label(label, this.how, kept, dropped);
    if (answer !== null) this.close();
  }

  /** Take what is kept over as the selection. */
  keepSelection() {
    const dropped = [...this.store.negatives, ...this.dropped];
    this.store.select(this.rows.filter((row) => this.kept.has(row)));
    this.store.negatives = new Set(dropped);
  }

  findSimilar() {
    if (this.kept.size === 0) {
      this.store.say("Keep one photo at least: the search looks for photos like those that are kept.");
      return;
    }
    this.keepSelection();
    this.shown = PAGE;
    this.search();
  }

  back() {
    if (this.kind === "selection") this.keepSelection();
    this.close();
  }

  close() {
    this.dispatchEvent(new CustomEvent("close"));
  }

  focus() {
    this.focusOn("shopcat-label-list");
  }

  render() {
    const similar = this.kind === "similar";
    return html`<section class="card photos-card" aria-labelledby="review-title">
      <div class="card-head">
        <h2 id="review-title">${similar ? "Like the ones that you chose" : "Which one does not belong?"}</h2>
        <button @click=${this.back}>Back <kbd>Esc</kbd></button>
      </div>
      <p class="hint">${
        similar
          ? "The most similar photos come first. Click those that are wrong, then choose a label above for the rest."
          : "The oddest photos come first. Click those that don't belong, then choose a label above for the rest."
      }</p>
      <div class="list-tools">
        <p class="counts grow"><strong>${this.kept.size}</strong> of ${this.rows.length} kept</p>
        ${similar ? this.renderCut() : nothing}
        <button @click=${this.findSimilar} ?disabled=${this.waiting}>Find similar to what is kept <kbd>f</kbd></button>
      </div>
      ${this.waiting ? html`<p class="hint">Searching all photos…</p>` : nothing}
      <shopcat-label-list id="review" way="keep" name="Photos to review" .store=${this.store} .rows=${this.rows}
        .picked=${this.kept} .notes=${this.notes} size="144" @pick=${this.pick}></shopcat-label-list>
    </section>`;
  }

  renderCut() {
    return html`<label class="cut">Number of photos: ${this.shown}
      <input type="range" min="1" max=${Math.max(1, this.found.length)} .value=${String(this.shown)}
        @input=${(/** @type {Event} */ event) => this.cut(Number(/** @type {HTMLInputElement} */ (event.target).value))}></label>
      <button @click=${this.more} ?disabled=${this.waiting}>More</button>`;
  }
}
customElements.define("shopcat-label-review", LabelReview);

export { LabelReview };
