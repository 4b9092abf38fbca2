/** One photo, large: a dialog that goes through the photos of the list, with zoom. */

import { PlainElement } from "../../shared/element.js";
import { percent } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { sign } from "../shapes.js";
import { CANT_TELL, UNLABELLED } from "../store.js";
import { HOW, since } from "../words.js";

/** @import {HistoryEvent} from "../types.js" */
/** @import {ProjectStore} from "../store.js" */

const [NEAREST, FARTHEST] = [1, 8];

class PhotoPreview extends PlainElement {
  static properties = {
    store: { attribute: false },
    zoom: { state: true },
    history: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    this.zoom = 1;
    /** @type {HistoryEvent[]} */
    this.history = [];
    this.shown = -1;
    this.onChange = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of ["view", "labels", "names", "predictions"]) this.store.addEventListener(type, this.onChange);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of ["view", "labels", "names", "predictions"]) this.store.removeEventListener(type, this.onChange);
  }

  get dialog() {
    return /** @type {HTMLDialogElement} */ (this.querySelector("dialog"));
  }

  updated() {
    const row = this.store.view.preview;
    if (row !== null && !this.dialog.open) this.dialog.showModal();
    if (row === null && this.dialog.open) this.dialog.close();
    const image = this.querySelector("img");
    if (image) image.style.width = `${100 * this.zoom}%`;
    if (row === null || row === this.shown) return;
    this.shown = row;
    this.zoom = 1;
    this.history = [];
    this.loadHistory(row);
  }

  /** @param {number} row */
  async loadHistory(row) {
    const found = await this.store.attempt(() => this.store.api.get(`/events?photo=${this.store.hash(row)}`));
    if (found && row === this.store.view.preview) this.history = found.events;
  }

  close() {
    this.shown = -1;
    if (this.store.view.preview !== null) this.store.setView({ preview: null });
  }

  /** @param {number} step */
  turn(step) {
    const { order, view } = this.store;
    const next = order[order.indexOf(view.preview ?? -1) + step];
    if (next === undefined) return;
    this.store.setFocus(next);
    this.store.setView({ preview: next });
  }

  /** @param {number} factor */
  scale(factor) {
    this.zoom = Math.max(NEAREST, Math.min(FARTHEST, this.zoom * factor));
  }

  /** @param {number} label */
  give(label) {
    this.dispatchEvent(new CustomEvent("give", { detail: label, bubbles: true }));
  }

  /** @param {KeyboardEvent} event */
  onKeyDown(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "ArrowRight" || event.key === "ArrowLeft") {
      if (this.zoom > 1) return; // the arrows move the photo then
      this.turn(event.key === "ArrowRight" ? 1 : -1);
    } else if (event.key === "+" || event.key === "=") this.scale(1.5);
    else if (event.key === "-") this.scale(1 / 1.5);
    else if (event.key === " " && !(event.target instanceof HTMLButtonElement)) this.dialog.close();
    else return;
    event.preventDefault();
  }

  render() {
    const row = this.store.view.preview;
    const photo = row === null ? undefined : this.store.photos[row];
    return html`<dialog class="preview" aria-label="Large photo" @close=${this.close} @keydown=${this.onKeyDown}>
      ${photo === undefined || row === null ? nothing : this.renderPhoto(row, photo)}
    </dialog>`;
  }

  /**
   * @param {number} row
   * @param {import("../types.js").Photo} photo
   */
  renderPhoto(row, { name, width, height }) {
    const { store } = this;
    const label = store.labels[row] ?? UNLABELLED;
    const guess = store.predictedLabel(row);
    return html`
      <div class="preview-tools">
        <button @click=${() => this.turn(-1)} ?disabled=${store.order.indexOf(row) <= 0} aria-label="Photo before">←</button>
        <button @click=${() => this.turn(1)} ?disabled=${store.order.at(-1) === row} aria-label="Next photo">→</button>
        <button @click=${() => this.scale(1.5)} ?disabled=${this.zoom >= FARTHEST} aria-label="Larger">+</button>
        <button @click=${() => this.scale(1 / 1.5)} ?disabled=${this.zoom <= NEAREST} aria-label="Smaller">−</button>
        <p class="grow"><strong>${name}</strong> <span class="muted">${width} × ${height}</span></p>
        <button autofocus @click=${() => this.dialog.close()}>Back <kbd>Esc</kbd></button>
      </div>
      <div class="preview-photo" tabindex="0" role="region" aria-label="Photo, which the arrow keys move if it is large">
        <img src=${store.thumb(row, 1024)} alt=${name}></div>
      <div class="preview-words">
        <p>${label === UNLABELLED ? "No label." : html`${label > 0 ? sign(store.names.get(label)) : ""} <strong>${store.nameOf(label)}</strong>.`}
          ${
            guess
              ? html`<span class="muted">The model's guess: ${sign(guess)} ${guess.name}, sure to ${percent(store.predictions?.confidence[row] ?? 0)}.</span>`
              : nothing
          }
        </p>
        <div class="chips">${[...store.names.values()]
          .filter(({ retired }) => !retired)
          .map(
            (label) => html`<button class="chip" @click=${() => this.give(label.id)}>${sign(label)} ${label.name}
            ${label.number < 10 ? html`<kbd aria-hidden="true">${label.number}</kbd>` : nothing}</button>`,
          )}<button class="chip" @click=${() => this.give(CANT_TELL)}><b aria-hidden="true">?</b> Can't tell
            <kbd aria-hidden="true">0</kbd></button></div>
        ${
          this.history.length === 0
            ? nothing
            : html`<details><summary>History of this photo</summary><ul class="notes">${this.history.map(
                ({ who, time, label: given, how }) =>
                  html`<li>${given === null ? "no label" : store.nameOf(given)}, ${HOW[how] ?? how}: ${who}, ${since(time)}</li>`,
              )}</ul></details>`
        }
      </div>`;
  }
}
customElements.define("shopcat-label-preview", PhotoPreview);
