/**
 * The review of a group: all its photos side by side, so that the eye finds the odd one out.
 *
 * What is deselected becomes a negative: a search avoids photos like it, and the label is not suggested for it again.
 * What is kept stays in the review when it searches for more, until a label is given.
 */

import { PlainElement } from "../../shared/element.js";
import { count } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import "../grid/list.js";
import { outliersFirst } from "../grid/order.js";
import { UNLABELLED } from "../store.js";

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
    out: { state: true },
    labelled: { state: true },
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
    /** Rows that were kept before the search, which come first. @type {number[]} */
    this.sure = [];
    /** Rows that were taken out. @type {Set<number>} */
    this.out = new Set();
    /** True to find photos that have a label too. */
    this.labelled = false;
    /** @type {Map<number, string>} */
    this.notes = new Map();
    /** Number of found photos above the cut. */
    this.shown = PAGE;
    this.waiting = false;
    /** How the label will be given, for the history. */
    this.how = "click";
    /** @type {SimilarPhoto[]} */
    this.found = [];
    /** Hashes of the rows. @type {Map<number, string>} */
    this.hashes = new Map();
    this.onPhotos = () => this.followRows();
  }

  connectedCallback() {
    super.connectedCallback();
    this.store.addEventListener("photos", this.onPhotos);
    if (this.kind === "similar") this.search(this.store.examples().filter((row) => !this.hasLabel(row)));
    else this.reviewSelection();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.store.removeEventListener("photos", this.onPhotos);
  }

  firstUpdated() {
    this.focus();
  }

  /** @param {Map<string, unknown>} changes */
  willUpdate(changes) {
    if (changes.has("rows") || changes.has("out"))
      this.hashes = new Map([...this.rows, ...this.out].map((row) => [row, this.store.hash(row)]));
  }

  /** New photos have changed the rows: a row now names another photo. */
  followRows() {
    const now = (/** @type {Iterable<number>} */ rows) =>
      this.store.rows(Array.from(rows, (row) => this.hashes.get(row) ?? ""));
    this.sure = now(this.sure);
    this.out = new Set(now(this.out));
    if (this.kind === "similar") this.cut(this.shown);
    else this.rows = now(this.rows);
  }

  async reviewSelection() {
    this.kind = "selection";
    this.how = this.store.how;
    const rows = [...this.store.selection];
    this.rows = rows;
    this.notes = new Map();
    const positions = await this.store.map().catch(() => null);
    if (positions && this.kind === "selection" && this.rows === rows) this.rows = outliersFirst(rows, positions);
  }

  /**
   * Search with the selection, and with what was taken out so far as negatives.
   * @param {number[]} sure rows that stay in the review
   */
  async search(sure) {
    this.kind = "similar";
    this.how = "similar";
    this.sure = sure;
    const found = await this.find(Math.max(200, this.shown));
    if (found === null) return;
    this.cut(Math.min(Math.max(this.shown, PAGE), found.length));
    this.store.say(found.length ? `${count(this.shown, "photo")} like these.` : "Nothing else is like these.");
  }

  /** @param {number} most */
  async find(most) {
    this.waiting = true;
    const found = await this.store.similar(most, this.labelled);
    this.waiting = false;
    if (found) this.found = found;
    return found;
  }

  /**
   * Show the most similar photos, after those that were kept before.
   * @param {number} number
   */
  cut(number) {
    const photos = this.found.slice(0, number);
    const notes = photos.filter(({ near_duplicate: near }) => near);
    this.shown = number;
    this.notes = new Map([
      ...this.store.rows(notes.map(({ sha256 }) => sha256)).map((row) => /** @type {const} */ ([row, "near copy"])),
      ...this.sure.map((row) => /** @type {const} */ ([row, "chosen"])),
    ]);
    this.rows = [...new Set([...this.sure, ...this.store.rows(photos.map(({ sha256 }) => sha256))])];
  }

  async more() {
    if (this.shown + PAGE > this.found.length && this.found.length < MOST)
      await this.find(Math.min(MOST, this.found.length * 2 + PAGE));
    this.cut(Math.min(this.shown + PAGE, this.found.length));
    this.store.say(`${count(this.rows.length, "photo")} now.`);
  }

  /** @param {number} row */
  hasLabel(row) {
    return this.store.labels[row] !== UNLABELLED;
  }

  /** Number of photos with a label that a search leaves out. */
  get leftOut() {
    const examples = new Set([...this.store.examples(), ...this.store.negatives]);
    return this.store.labels.reduce((sum, label, row) => sum + Number(label !== UNLABELLED && !examples.has(row)), 0);
  }

  async switchLabelled() {
    this.labelled = !this.labelled;
    if (await this.find(Math.max(200, this.shown))) this.cut(Math.min(Math.max(this.shown, PAGE), this.found.length));
  }

  /** Rows of the list that are kept. */
  get kept() {
    return this.rows.filter((row) => !this.out.has(row));
  }

  /** @param {Pick} event */
  pick({ detail: { rows, mode } }) {
    const out = new Set(this.out);
    for (const row of rows)
      if (mode === "remove" || (mode === "toggle" && !out.has(row))) out.add(row);
      else out.delete(row);
    this.out = out;
    this.store.say(`${this.kept.length} of ${this.rows.length} kept.`);
  }

  /**
   * Label what is kept, and go back.
   * @param {number | null} label
   */
  async give(label) {
    const answer = await this.store.label(label, this.how, this.kept, label === null ? [] : this.out);
    if (answer !== null) this.close();
  }

  /** Take what is kept over as the selection. */
  keepSelection() {
    const out = [...this.store.negatives, ...this.out];
    this.store.select(this.kept);
    this.store.negatives = new Set(out);
  }

  findSimilar() {
    const { kept } = this;
    if (this.waiting) return;
    if (kept.length === 0) {
      this.store.say("Keep one photo at least: the search looks for photos like those that are kept.");
      return;
    }
    this.keepSelection();
    this.shown = PAGE;
    this.search(kept);
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
    const { kept } = this;
    return html`<section class="card photos-card" aria-labelledby="review-title">
      <div class="card-head">
        <h2 id="review-title">${similar ? "Like the ones that you chose" : "Which one does not belong?"}</h2>
        <button @click=${this.back}>Back <kbd>Esc</kbd></button>
      </div>
      <p class="hint">${
        similar
          ? "The most similar photos come first, after those that you chose before. Click those that are wrong, then choose a label above for the rest."
          : "The oddest photos come first. Click those that don't belong, then choose a label above for the rest."
      }</p>
      <div class="list-tools">
        <p class="counts grow"><strong>${kept.length}</strong> of ${this.rows.length} kept</p>
        ${similar ? this.renderCut() : nothing}
        ${similar ? this.renderLabelled() : nothing}
        <button @click=${this.findSimilar} ?disabled=${this.waiting || kept.length === 0}
          title=${kept.length === 0 ? "Keep one photo at least." : ""}>Find similar to what is kept <kbd>f</kbd></button>
      </div>
      ${this.waiting ? html`<p class="hint">Searching all photos…</p>` : nothing}
      <shopcat-label-list id="review" way="keep" name="Photos to review" .store=${this.store} .rows=${this.rows}
        .picked=${new Set(kept)} .notes=${this.notes} size="144" @pick=${this.pick}></shopcat-label-list>
    </section>`;
  }

  renderCut() {
    return html`<label class="cut">Number of photos: ${this.shown}
      <input type="range" min="1" max=${Math.max(1, this.found.length)} .value=${String(this.shown)}
        @input=${(/** @type {Event} */ event) => this.cut(Number(/** @type {HTMLInputElement} */ (event.target).value))}></label>
      <button @click=${this.more} ?disabled=${this.waiting}>More</button>`;
  }

  renderLabelled() {
    const { leftOut } = this;
    if (leftOut === 0) return nothing;
    const words = this.labelled
      ? `${count(leftOut, "labelled photo")} ${leftOut === 1 ? "is" : "are"} searched too`
      : `${count(leftOut, "labelled photo")} ${leftOut === 1 ? "is" : "are"} left out`;
    return html`<p class="hint">${words}. <button class="quiet small" aria-pressed=${this.labelled} ?disabled=${this.waiting}
      @click=${this.switchLabelled}>Include labelled photos</button></p>`;
  }
}
customElements.define("shopcat-label-review", LabelReview);

export { LabelReview };
