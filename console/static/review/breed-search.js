/** A field that finds a breed while one types: a combobox with a list, as WAI-ARIA describes it. */

import { PlainElement } from "../shared/element.js";
import { breedName } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";

const MOST = 8;

/** @param {string} text */
const plain = (text) => text.toLowerCase().replaceAll("_", " ").trim();

/** @fires breed with the chosen class as `detail` */
class BreedSearch extends PlainElement {
  static properties = {
    classes: { attribute: false },
    label: {},
    text: { state: true },
    active: { state: true },
    open: { state: true },
  };

  constructor() {
    super();
    /** @type {string[]} */
    this.classes = [];
    this.label = "Search for a breed";
    this.text = "";
    this.active = 0;
    this.open = false;
  }

  /** Classes that fit the text: those that begin with it first. */
  get found() {
    const text = plain(this.text);
    if (text === "") return [];
    const fitting = this.classes.filter((name) => plain(name).includes(text));
    return fitting.sort((one, other) => Number(plain(other).startsWith(text)) - Number(plain(one).startsWith(text)));
  }

  render() {
    const shown = this.open ? this.found.slice(0, MOST) : [];
    return html`<div class="breed-search">
      <label for=${`${this.id}-input`}>${this.label}</label>
      <input id=${`${this.id}-input`} role="combobox" autocomplete="off" spellcheck="false" .value=${this.text}
        aria-expanded=${shown.length > 0} aria-controls=${`${this.id}-list`} aria-autocomplete="list"
        aria-activedescendant=${shown.length > 0 ? `${this.id}-${this.active}` : nothing}
        @input=${this.onInput} @keydown=${this.onKey} @blur=${() => {
          this.open = false;
        }}>
      <ul id=${`${this.id}-list`} role="listbox" aria-label="Breeds" ?hidden=${shown.length === 0}>
        ${shown.map(
          (name, index) => html`<li id=${`${this.id}-${index}`} role="option" aria-selected=${index === this.active}
            @mousedown=${(/** @type {Event} */ event) => event.preventDefault()} @click=${() => this.choose(name)}>
            ${breedName(name)}</li>`,
        )}
      </ul>
      ${this.open && this.text && this.found.length === 0 ? html`<p class="hint">No breed of the model has this in its name.</p>` : nothing}
    </div>`;
  }

  /** @param {InputEvent} event */
  onInput(event) {
    this.text = /** @type {HTMLInputElement} */ (event.target).value;
    this.active = 0;
    this.open = true;
  }

  /** @param {KeyboardEvent} event */
  onKey(event) {
    const shown = this.found.slice(0, MOST);
    if (event.key === "Escape" && this.open) {
      this.open = false;
      event.stopPropagation();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && shown.length > 0) {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.active = this.open ? (this.active + step + shown.length) % shown.length : 0;
      this.open = true;
    } else if (event.key === "Enter" && this.open && shown.length > 0) {
      event.preventDefault();
      this.choose(/** @type {string} */ (shown[Math.min(this.active, shown.length - 1)]));
    }
  }

  /** @param {string} name */
  choose(name) {
    this.text = "";
    this.open = false;
    this.dispatchEvent(new CustomEvent("breed", { detail: name, bubbles: true }));
  }

  focus() {
    this.querySelector("input")?.focus();
  }
}
customElements.define("shopcat-breed-search", BreedSearch);
