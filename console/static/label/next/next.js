/**
 * What to label next: typical photos, then doubtful ones, then groups to confirm; and, among them, blind questions of
 * the audit, so that nobody needs to sit down for these alone.
 */

import { PlainElement } from "../../shared/element.js";
import { count, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import "../audit/question.js";
import "../grid/list.js";
import { sign } from "../shapes.js";
import { UNLABELLED } from "../store.js";
import { partAddress } from "../words.js";

/** @import {Pick} from "../grid/list.js" */
/** @import {ProjectStore} from "../store.js" */
/** @import {Suggestion, SuggestionKind} from "../types.js" */

/** Blind questions for each number of labels; as `console.labels` counts them. */
const [QUESTIONS, LABELS] = [5, 20];
/** Answers between two blind questions, so that the page begins with what the model asks, and never only checks. */
const BETWEEN = 4;
/** Events of the store that change what is shown. */
const CHANGES = ["labels", "names", "audit", "progress", "photos"];

class LabelNext extends PlainElement {
  static properties = {
    store: { attribute: false },
    kind: { state: true },
    suggestion: { state: true },
    blind: { state: true },
    kept: { state: true },
    waiting: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {SuggestionKind | null} */
    this.kind = null;
    /** @type {Suggestion | null} */
    this.suggestion = null;
    /** Further groups of the same page. @type {Suggestion[]} */
    this.queue = [];
    /** Hash of a photo of the audit; "" if none is asked about now. */
    this.blind = "";
    /** @type {Set<number>} */
    this.kept = new Set();
    /** Answers since the last blind question. */
    this.between = 0;
    this.waiting = false;
    /** Photos that were skipped. @type {Set<string>} */
    this.skipped = new Set();
    this.onChange = () => {
      // Somebody has added photos, or taken a label away: there is something to ask again.
      if (this.kind === "done" && !this.waiting && this.store.labels.includes(UNLABELLED)) this.next();
      this.requestUpdate();
    };
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of CHANGES) this.store.addEventListener(type, this.onChange);
    this.next();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of CHANGES) this.store.removeEventListener(type, this.onChange);
  }

  /** Number of blind questions that are due. */
  due() {
    const { asked = 0, answered = 0 } = this.store.project?.audit ?? {};
    const labelled = this.store.labels.reduce((sum, label) => sum + Number(label >= 0), 0);
    return Math.min(asked, QUESTIONS * Math.floor(labelled / LABELS)) - answered;
  }

  async next() {
    this.blind = "";
    const had = this.contains(document.activeElement);
    if (this.between >= BETWEEN && this.due() > 0) {
      const found = await this.store.attempt(() => this.store.api.send("POST", "/audit/next"));
      this.blind = found?.photo?.sha256 ?? "";
    }
    if (!this.blind) {
      this.suggestion = this.queue.shift() ?? null;
      if (this.suggestion === null) await this.ask();
      this.kept = new Set(this.store.rows(this.suggestion?.photos ?? []));
    }
    await this.updateComplete;
    if (had || document.activeElement === document.body) this.focus();
  }

  async ask() {
    this.waiting = true;
    const answer = await this.store.attempt(() =>
      this.store.api.send("POST", "/suggestions", { count: Math.min(100, this.skipped.size + 1) }),
    );
    this.waiting = false;
    if (answer === null) return;
    this.kind = answer.kind;
    /** @type {Suggestion[]} */
    const fresh = answer.suggestions.filter(
      (/** @type {Suggestion} */ { photos }) => !photos.every((photo) => this.skipped.has(photo)),
    );
    this.suggestion = fresh.shift() ?? answer.suggestions[0] ?? null;
    this.queue = answer.kind === "group" ? fresh : [];
  }

  focus() {
    this.focusOn("shopcat-label-question, shopcat-label-list");
  }

  /**
   * Answer with a label.
   * @param {number | null} label
   */
  async give(label) {
    const { store, suggestion } = this;
    if (this.waiting || label === null) return;
    if (this.blind) {
      const answer = await store.attempt(() => store.api.send("POST", "/audit", { photo: this.blind, label }));
      if (answer === null) return;
      store.countAudit(answer);
      this.between = 0;
      store.say(`Answered: ${store.nameOf(label)}.`);
      await this.next();
      return;
    }
    if (suggestion === null) return;
    const rows = store.rows(suggestion.photos);
    const isGroup = this.kind === "group";
    const how = isGroup ? "confirm" : "suggestion";
    const kept = isGroup ? rows.filter((row) => this.kept.has(row)) : rows;
    const dropped = label === suggestion.labels[0] && isGroup ? rows.filter((row) => !this.kept.has(row)) : [];
    const answer = await store.label(label, how, kept, dropped);
    if (answer === null) return;
    this.between += 1;
    await this.next();
  }

  /** Accept the label that is suggested. */
  accept() {
    const label = this.suggestion?.labels[0];
    if (!this.blind && label !== undefined) this.give(label);
  }

  skip() {
    for (const photo of this.suggestion?.photos ?? []) this.skipped.add(photo);
    this.next();
  }

  /** @param {Pick} event */
  pick({ detail: { rows, mode } }) {
    const kept = new Set(this.kept);
    for (const row of rows)
      if (mode === "remove" || (mode === "toggle" && kept.has(row))) kept.delete(row);
      else kept.add(row);
    this.kept = kept;
    this.store.say(`${kept.size} of ${this.suggestion?.photos.length ?? 0} kept.`);
  }

  render() {
    return html`<section class="card next-card" aria-label="What next?">
      ${this.renderStage()}
      ${this.blind ? this.renderBlind() : this.renderSuggestion()}
    </section>`;
  }

  renderStage() {
    const { project, labelled } = this.store;
    const photos = (project?.photos ?? 0) - (project?.progress.broken ?? 0);
    return html`<div class="step-bar"><progress max=${Math.max(1, photos)} .value=${labelled} aria-label="Labelled photos"></progress>
      <p class="hint">${whole(labelled)} of ${count(photos, "photo")} labelled</p></div>`;
  }

  renderBlind() {
    return html`<shopcat-label-question .store=${this.store} .photo=${this.blind} heading="What is it?"
      hint="A random check, without the model's guess. Choose a label above."></shopcat-label-question>`;
  }

  /** Say that somebody else has answered since the photo was asked for. @param {Suggestion} suggestion */
  since({ photos }) {
    const [row = -1] = this.store.rows(photos);
    const label = this.store.labels[row] ?? UNLABELLED;
    return label === UNLABELLED ? null : `Somebody has labelled it ${this.store.nameOf(label)} since. You may skip it.`;
  }

  renderDone() {
    const { asked = 0, answered = 0 } = this.store.project?.audit ?? {};
    if (asked === answered)
      return html`<h2>Everything has a label</h2><p>Look again at the doubtful ones, or take the labels out.</p>`;
    return html`<h2>Everything on the map has a label</h2>
      <p>${count(asked - answered, "photo")} of the check <a href=${partAddress({ tab: "audit" })}>How good is it?</a> wait
        for an answer. Then look again at the doubtful ones, or take the labels out.</p>`;
  }

  renderSuggestion() {
    const { suggestion, store } = this;
    if (this.waiting && suggestion === null) return html`<p class="waiting">Looking for the most useful photo…</p>`;
    if (suggestion === null || this.kind === "done") return this.renderDone();
    const labels = suggestion.labels.map((id) => store.names.get(id)).filter((label) => label !== undefined);
    const [first, second] = labels;
    return html`
      ${
        this.kind === "group"
          ? html`<h2>All ${first?.name}?</h2><p class="hint">${suggestion.why} The oddest come first.</p>
            <shopcat-label-list id="group" way="keep" name=${`Photos to confirm as ${first?.name}`} .store=${store}
              .rows=${store.rows(suggestion.photos)} .picked=${this.kept} size="144" @pick=${this.pick}></shopcat-label-list>
            <p class="counts"><strong>${this.kept.size}</strong> of ${suggestion.photos.length} kept</p>`
          : html`<shopcat-label-question .store=${store} .photo=${suggestion.photos[0] ?? ""} heading="What is it?"
              hint=${this.since(suggestion) ?? suggestion.why}></shopcat-label-question>`
      }
      <div class="flow">
        ${first ? html`<button class="primary" @click=${this.accept}>${sign(first)} ${this.kind === "group" ? "Confirm" : "It is"} ${first.name} <kbd>a</kbd></button>` : nothing}
        ${second ? html`<button @click=${() => this.give(second.id)}>${sign(second)} It is ${second.name}</button>` : nothing}
        <button @click=${this.skip}>Skip <kbd>s</kbd></button>
        <span class="hint">Or choose a label above, or type a new one.</span>
      </div>`;
  }
}
customElements.define("shopcat-label-next", LabelNext);

export { LabelNext };
