/** Separate labels: find the space and the direction in which they lie furthest apart, and say how well that works. */

import { PlainElement } from "../../shared/element.js";
import { percent } from "../../shared/format.js";
import { announce } from "../../shared/live.js";
import { html, nothing } from "../../vendor/lit.js";
import { sign } from "../shapes.js";
import { separationWords } from "../words.js";

/** @import {SeparationAnswer} from "../types.js" */
/** @import {ProjectStore} from "../store.js" */

const EVENTS = ["positions", "photos", "labels", "names"];

class LabelSeparate extends PlainElement {
  static properties = {
    store: { attribute: false },
    words: { attribute: false },
    chosen: { state: true },
    waiting: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {Set<number>} */
    this.chosen = new Set();
    /** True if nothing else says how well the labels are separated. */
    this.words = false;
    this.waiting = false;
    this.onChange = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    // With two labels there is nothing to choose.
    const labels = this.used();
    if (labels.length === 2) this.chosen = new Set(labels.map(({ id }) => id));
    for (const type of EVENTS) this.store.addEventListener(type, this.onChange);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of EVENTS) this.store.removeEventListener(type, this.onChange);
  }

  /** Return the labels that photos have. */
  used() {
    return [...this.store.names.values()].filter(({ id, retired }) => !retired && this.store.labels.includes(id));
  }

  /** @param {string} [space] */
  async separate(space) {
    this.waiting = true;
    const found = await this.store.separate([...this.chosen], space);
    this.waiting = false;
    if (found) announce(separationWords(found));
  }

  /** @param {number} id */
  toggle(id) {
    const chosen = new Set(this.chosen);
    if (!chosen.delete(id)) chosen.add(id);
    this.chosen = chosen;
  }

  render() {
    const labels = this.used();
    return html`<fieldset class="separate">
      <legend class="label">Labels to separate, two or more</legend>
      <div class="flow">
        ${labels.map(
          (label) => html`<label class="switch"><input type="checkbox" .checked=${this.chosen.has(label.id)}
            @change=${() => this.toggle(label.id)}> ${sign(label)} ${label.name}</label>`,
        )}
        <button class="primary" ?disabled=${this.chosen.size < 2 || this.waiting} @click=${() => this.separate()}>${
          this.waiting ? "Trying all spaces…" : "Show the best map for them"
        }</button>
      </div>
      ${labels.length < 2 ? html`<p class="hint">Give two labels to some photos first.</p>` : nothing}
      ${this.store.separation ? this.renderResult(this.store.separation) : nothing}
    </fieldset>`;
  }

  /** @param {SeparationAnswer} result */
  renderResult({ score, ranking, ...separation }) {
    return html`${this.words ? html`<p class=${separation.warning ? "notice" : ""}>${separationWords(separation)}</p>` : nothing}
      ${score === null ? nothing : html`<p class="hint">Score on photos that the map was not fitted to: ${score.toFixed(2)}; 0.50 is chance, 1.00 is perfect.</p>`}
      <details><summary>All spaces, the best first</summary><ol class="ranking">${ranking.map(
        ({
          space,
          score: value,
        }) => html`<li><button class="quiet small" @click=${() => this.separate(space)}>${this.spaceWords(space)}</button>
          <span class="muted">${percent(value)}</span></li>`,
      )}</ol></details>`;
  }

  /** @param {string} name */
  spaceWords(name) {
    return this.store.spaces.spaces.find((space) => space.name === name)?.text ?? name;
  }
}
customElements.define("shopcat-label-separate", LabelSeparate);
