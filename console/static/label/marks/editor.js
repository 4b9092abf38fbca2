/** Changes of the labels themselves: rename, colour, merge and retire. */

import { PlainElement } from "../../shared/element.js";
import { count } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { PALETTE, sign } from "../shapes.js";

/** @import {Label} from "../types.js" */
/** @import {ProjectStore} from "../store.js" */

/** Names of the palette's colours, which are those of Okabe and Ito. */
const COLOURS = ["blue", "orange", "green", "pink", "light blue", "red", "yellow", "grey"];

class LabelEditor extends PlainElement {
  static properties = { store: { attribute: false } };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    this.onChange = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of ["names", "labels"]) this.store.addEventListener(type, this.onChange);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of ["names", "labels"]) this.store.removeEventListener(type, this.onChange);
  }

  /**
   * @param {() => Promise<any>} run
   * @param {(answer: any) => string} words
   */
  async change(run, words) {
    const { store } = this;
    const answer = await store.attempt(async () => {
      const found = await run();
      await store.loadNames();
      return found ?? {};
    });
    if (answer !== null) store.say(words(answer));
  }

  /**
   * @param {Label} label
   * @param {Event} event
   */
  rename({ id, name }, event) {
    const field = /** @type {HTMLInputElement} */ (event.target);
    const wanted = field.value.trim();
    if (wanted === "" || wanted === name) {
      field.value = name;
      return;
    }
    this.change(
      () => this.store.api.send("PATCH", `/labels/${id}`, { name: wanted }),
      () => `${name} is now called ${wanted}.`,
    );
  }

  /**
   * @param {Label} label
   * @param {string} colour
   */
  recolour({ id, name }, colour) {
    this.change(
      () => this.store.api.send("PATCH", `/labels/${id}`, { colour }),
      () => `${name} has another colour.`,
    );
  }

  /**
   * @param {Label} label
   * @param {Event} event
   */
  merge({ id, name }, event) {
    const into = Number(/** @type {HTMLSelectElement} */ (event.target).value);
    if (!into) return;
    this.change(
      () => this.store.api.send("POST", `/labels/${id}/merge`, { into }),
      ({ photos }) => `${count(photos, "photo")} of ${name} are now ${this.store.nameOf(into)}. Undo: Ctrl+Z`,
    );
  }

  /** @param {Label} label */
  retire({ id, name }) {
    this.change(
      () => this.store.api.send("DELETE", `/labels/${id}`),
      () => `${name} can't be given any more. A new label of that name brings it back.`,
    );
  }

  render() {
    const labels = [...this.store.names.values()].filter(({ retired }) => !retired);
    return html`<ul class="editor" aria-label="Edit labels">${labels.map((label) => {
      const used = this.store.labels.includes(label.id);
      const others = labels.filter(({ id }) => id !== label.id);
      return html`<li>
        <label class="grow">${sign(label)} Name of ${label.name}
          <input maxlength="100" autocomplete="off" .value=${label.name} @change=${(/** @type {Event} */ event) => this.rename(label, event)}></label>
        <label>Colour <select aria-label=${`Colour of ${label.name}`} @change=${(/** @type {Event} */ event) =>
          this.recolour(label, /** @type {HTMLSelectElement} */ (event.target).value)}>
          ${PALETTE.includes(label.colour) ? nothing : html`<option selected>${label.colour}</option>`}
          ${PALETTE.map((colour, index) => html`<option value=${colour} ?selected=${colour === label.colour}>${COLOURS[index]}</option>`)}
        </select></label>
        <label>Merge into <select aria-label=${`Merge ${label.name} into`} ?disabled=${others.length === 0} .value=${""}
          @change=${(/** @type {Event} */ event) => this.merge(label, event)}>
          <option value="">…</option>
          ${others.map(({ id, name }) => html`<option value=${id}>${name}</option>`)}
        </select></label>
        <button ?disabled=${used} aria-label=${`Retire ${label.name}`} @click=${() => this.retire(label)}
          title=${used ? "Photos have this label: merge it into another one instead." : ""}>Retire</button>
      </li>`;
    })}</ul>`;
  }
}
customElements.define("shopcat-label-editor", LabelEditor);
