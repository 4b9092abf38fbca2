/** A second look: labels that the model doubts, odd photos, near copies, and photos about which people disagree. */

import { PlainElement } from "../../shared/element.js";
import { percent, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import "../grid/list.js";
import { later } from "../store/values.js";

/** @import {Pick} from "../grid/list.js" */
/** @import {ProjectStore} from "../store.js" */
/** @import {Checks} from "../types.js" */

/** @typedef {"noise" | "odd" | "duplicates" | "disagreements"} Check */

/** @type {[Check, string, string][]} */
const CHECKS = [
  [
    "noise",
    "Doubtful labels",
    "The model would not have given these labels. It did not see the photo's own label when it judged.",
  ],
  ["odd", "Odd photos", "These are unlike all others: perhaps no photos of this kind. Can't tell is an answer too."],
  [
    "duplicates",
    "Near copies",
    "Copies follow each other, and are selected together. They should have the same label.",
  ],
  ["disagreements", "Disagreements", "People gave these photos different labels. Decide together."],
];

class LabelChecks extends PlainElement {
  static properties = {
    store: { attribute: false },
    checks: { state: true },
    check: { state: true },
    picked: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {Checks | null} */
    this.checks = null;
    /** @type {Check} */
    this.check = "noise";
    /** @type {Set<number>} */
    this.picked = new Set();
    this.load = () => this.read();
    this.onLabels = later(1000, this.load);
  }

  connectedCallback() {
    super.connectedCallback();
    this.store.addEventListener("photos", this.load);
    this.store.addEventListener("labels", this.onLabels);
    this.read();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.store.removeEventListener("photos", this.load);
    this.store.removeEventListener("labels", this.onLabels);
    this.onLabels.cancel();
  }

  /** Ask for the checks again: labels have changed, perhaps those of others. */
  async read() {
    this.onLabels.cancel();
    const checks = await this.store.attempt(() => this.store.api.get("/checks"));
    if (checks === null) return;
    this.checks = checks;
    const rows = new Set(this.store.rows(this.hashes(this.check)));
    this.picked = new Set([...this.picked].filter((row) => rows.has(row)));
  }

  /** @param {Check} check */
  hashes(check) {
    if (this.checks === null) return [];
    if (check === "duplicates") return this.checks.duplicates.flat();
    return this.checks[check].map(({ sha256 }) => sha256);
  }

  /** Return words about the photos of a check, by row. */
  notes() {
    const { store, checks, check } = this;
    /** @type {[string, string][]} */
    const notes = [];
    if (check === "noise")
      for (const { sha256, probability } of checks?.noise ?? []) notes.push([sha256, `${percent(probability)} likely`]);
    if (check === "duplicates")
      for (const [index, group] of (checks?.duplicates ?? []).entries())
        for (const sha256 of group) notes.push([sha256, `group ${index + 1}`]);
    if (check === "disagreements")
      for (const { sha256, labels } of checks?.disagreements ?? [])
        notes.push([
          sha256,
          Object.entries(labels)
            .map(([who, label]) => `${who}: ${store.nameOf(label)}`)
            .join(", "),
        ]);
    return new Map(notes.flatMap(([sha256, words]) => store.rows([sha256]).map((row) => [row, words])));
  }

  /** @param {Pick} event */
  pick({ detail: { rows, mode } }) {
    const picked = mode === "replace" ? new Set() : new Set(this.picked);
    for (const row of rows.flatMap((row) => this.together(row)))
      if (mode === "remove" || (mode === "toggle" && this.picked.has(row))) picked.delete(row);
      else picked.add(row);
    this.picked = picked;
  }

  /** Return the rows that are picked together with one: the copies. @param {number} row */
  together(row) {
    const group =
      this.check === "duplicates" && this.checks?.duplicates.find((hashes) => hashes.includes(this.store.hash(row)));
    return group ? this.store.rows(group) : [row];
  }

  /** @param {number | null} label */
  async give(label) {
    const answer = await this.store.label(label, "click", this.picked);
    if (answer === null) return;
    this.picked = new Set();
    await this.read();
  }

  focus() {
    this.focusOn("shopcat-label-list");
  }

  render() {
    const rows = this.store.rows(this.hashes(this.check));
    const words = CHECKS.find(([check]) => check === this.check)?.[2];
    return html`<section class="card photos-card" aria-labelledby="checks-title">
      <h2 id="checks-title">Look again</h2>
      <div class="flow check-choices" role="group" aria-label="What to look at">${CHECKS.map(
        ([
          check,
          title,
        ]) => html`<button aria-pressed=${check === this.check} class=${check === this.check ? "chosen" : ""}
          @click=${() => {
            this.check = check;
            this.picked = new Set();
          }}>${title} <span class="number">${whole(this.hashes(check).length)}</span></button>`,
      )}</div>
      <p class="hint">${words} Select photos, then choose a label above.</p>
      ${this.checks === null ? html`<p class="waiting">Looking at all photos…</p>` : nothing}
      ${
        this.checks !== null && rows.length === 0
          ? html`<p>Nothing to look at${this.check === "noise" ? ": give two labels to a few photos first, or all labels fit" : ""}.</p>`
          : html`<shopcat-label-list id="checks" name="Photos to look at again" .store=${this.store} .rows=${rows}
              .picked=${this.picked} .notes=${this.notes()} size="144" @pick=${this.pick}></shopcat-label-list>`
      }
    </section>`;
  }
}
customElements.define("shopcat-label-checks", LabelChecks);
