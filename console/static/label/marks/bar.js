/** The labels: a button for each, with its key and its number of photos, a field for a new one, and undo. */

import { PlainElement } from "../../shared/element.js";
import { count, whole } from "../../shared/format.js";
import { html, nothing, repeat } from "../../vendor/lit.js";
import { sign } from "../shapes.js";
import { CANT_TELL, UNLABELLED } from "../store.js";
import "./editor.js";
import "./history.js";

/** @import {Label} from "../types.js" */
/** @import {ProjectStore} from "../store.js" */

class LabelBar extends PlainElement {
  static properties = {
    store: { attribute: false },
    keys: { type: Boolean },
    asks: { attribute: false },
    open: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    this.keys = true;
    /** True while the part that is open asks for labels, so that it needs no selection. */
    this.asks = false;
    /** @type {"" | "editor" | "history"} */
    this.open = "";
    this.onChange = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of ["labels", "names", "selection"]) this.store.addEventListener(type, this.onChange);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of ["labels", "names", "selection"]) this.store.removeEventListener(type, this.onChange);
  }

  /** Ask the page to label the photos of the part that is open. @param {number | null} label */
  give(label) {
    this.dispatchEvent(new CustomEvent("give", { detail: label, bubbles: true }));
  }

  /** @param {SubmitEvent} event */
  async create(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const field = /** @type {HTMLInputElement} */ (form.elements.namedItem("name"));
    const name = field.value.trim();
    if (name === "") return;
    const known = [...this.store.names.values()].find(
      (label) => label.name.toLowerCase() === name.toLowerCase() && !label.retired,
    );
    const label = known ?? (await this.store.createLabel(name));
    if (label === null) return;
    field.value = "";
    if (this.asks || this.store.chosen().length > 0) this.give(label.id);
    else this.store.say(`The label ${label.name} is ready. Select photos to give it.`, { until: ["selection"] });
  }

  /** @param {"editor" | "history"} panel */
  toggle(panel) {
    this.open = this.open === panel ? "" : panel;
  }

  render() {
    const { store } = this;
    const labels = [...store.names.values()].filter(({ retired }) => !retired);
    const counts = new Map();
    for (const label of store.labels) counts.set(label, (counts.get(label) ?? 0) + 1);
    return html`<section class="label-bar" aria-label="Labels">
      <div class="chips">
        ${repeat(
          labels,
          ({ id }) => id,
          (label) => this.renderChip(label, counts.get(label.id) ?? 0),
        )}
        <button class="chip" @click=${() => this.give(CANT_TELL)} aria-label=${`Can't tell: ${count(counts.get(CANT_TELL) ?? 0, "photo")}`}>
          <b aria-hidden="true">?</b> Can't tell ${this.renderKey(0)}
          <span class="number">${whole(counts.get(CANT_TELL) ?? 0)}</span></button>
        <button class="chip" @click=${() => this.give(null)} aria-label=${`Take the label away: ${count(counts.get(UNLABELLED) ?? 0, "photo")} have none`}>
          ${sign(undefined)} No label <span class="number">${whole(counts.get(UNLABELLED) ?? 0)}</span></button>
      </div>
      <form class="new-label" @submit=${this.create}>
        <input name="name" aria-label="New label" placeholder="New label" maxlength="100" autocomplete="off" list="label-names">
        <datalist id="label-names">${labels.map(({ name }) => html`<option value=${name}></option>`)}</datalist>
        <button>Add</button>
      </form>
      <div class="flow">
        <button @click=${() => store.undo()} aria-keyshortcuts="Control+Z" aria-label="Undo" title="Undo: Ctrl+Z">↶</button>
        <button @click=${() => store.redo()} aria-keyshortcuts="Control+Shift+Z" aria-label="Redo"
          title="Redo: Ctrl+Shift+Z">↷</button>
        <button aria-expanded=${this.open === "history"} @click=${() => this.toggle("history")}>History</button>
        ${labels.length > 0 ? html`<button aria-expanded=${this.open === "editor"} @click=${() => this.toggle("editor")}>Edit labels</button>` : nothing}
      </div>
      ${this.open === "editor" ? html`<shopcat-label-editor .store=${store}></shopcat-label-editor>` : nothing}
      ${this.open === "history" ? html`<shopcat-label-history .store=${store}></shopcat-label-history>` : nothing}
    </section>`;
  }

  /**
   * @param {Label} label
   * @param {number} photos
   */
  renderChip(label, photos) {
    return html`<button class="chip" @click=${() => this.give(label.id)} aria-label=${`Label ${label.name}: ${count(photos, "photo")}`}>
      ${sign(label)} <span class="chip-name">${label.name}</span> ${this.renderKey(label.number)}
      <span class="number">${whole(photos)}</span></button>`;
  }

  /** @param {number} key */
  renderKey(key) {
    return this.keys && key < 10 ? html`<kbd aria-hidden="true">${key}</kbd>` : nothing;
  }
}
customElements.define("shopcat-label-bar", LabelBar);
