/** What one does with photos and labels: review, find similar, separate; the state of the model, and fading. */

import { PlainElement } from "../../shared/element.js";
import { count, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import "./separate.js";

/** @import {FadeBy} from "../types.js" */
/** @import {ProjectStore} from "../store.js" */

/** @type {[FadeBy, string][]} */
const FADES = [
  ["none", "Nothing"],
  ["labelled", "Photos with a label"],
  ["confidence", "Photos that the model is sure of"],
  ["margin", "Photos with a clear first guess"],
];

/** @fires review to look at the selection, and `similar` to search with it */
class LabelTools extends PlainElement {
  static properties = {
    store: { attribute: false },
    words: { attribute: false },
    separating: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** True if no map beside it says how well labels are separated. */
    this.words = false;
    this.separating = false;
    this.onChange = () => this.requestUpdate();
  }

  connectedCallback() {
    super.connectedCallback();
    for (const type of ["selection", "names", "predictions", "view", "labels"])
      this.store.addEventListener(type, this.onChange);
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const type of ["selection", "names", "predictions", "view", "labels"])
      this.store.removeEventListener(type, this.onChange);
  }

  /** @param {"review" | "similar"} what */
  ask(what) {
    this.dispatchEvent(new CustomEvent(what, { bubbles: true }));
  }

  /** @param {Event} event */
  fadeBy(event) {
    const by = /** @type {FadeBy} */ (/** @type {HTMLSelectElement} */ (event.target).value);
    this.store.setView({ fade: { ...this.store.view.fade, by } });
    this.sayFaded();
  }

  /** @param {Event} event */
  fadeAt(event) {
    const threshold = Number(/** @type {HTMLInputElement} */ (event.target).value) / 100;
    this.store.setView({ fade: { ...this.store.view.fade, threshold } });
  }

  sayFaded() {
    const { store } = this;
    const faded = store.photos.reduce((sum, _, row) => sum + Number(store.faded(row)), 0);
    if (store.view.fade.by !== "none")
      store.say(`${count(faded, "photo")} faded, ${whole(store.photos.length - faded)} left.`, {
        until: ["fade", "labels", "predictions"],
      });
  }

  render() {
    const { store } = this;
    const none = "Select photos first.";
    const [chosen, examples] = [store.selection.size, store.examples().length];
    const enough = [...store.names.values()].filter(({ retired }) => !retired).length > 1;
    const { by, threshold } = store.view.fade;
    return html`<section class="tools-bar" aria-label="Tools">
      <div class="flow">
        <button ?disabled=${chosen === 0} title=${chosen === 0 ? none : ""} @click=${() => this.ask("review")}>Review selection <kbd>r</kbd></button>
        <button ?disabled=${examples === 0} title=${examples === 0 ? none : ""} @click=${() => this.ask("similar")}>Find similar <kbd>f</kbd></button>
        <button ?disabled=${!enough} aria-expanded=${this.separating} @click=${() => {
          this.separating = !this.separating;
        }}>Separate labels</button>
        <label class="fade">Fade <select @change=${this.fadeBy}>${FADES.map(
          ([value, words]) => html`<option value=${value} ?selected=${value === by}>${words}</option>`,
        )}</select></label>
        ${
          by === "confidence" || by === "margin"
            ? html`<label class="cut">from ${Math.round(100 * threshold)} %
              <input type="range" min="0" max="100" .value=${String(Math.round(100 * threshold))} @input=${this.fadeAt}
                @change=${this.sayFaded}></label><span class="hint">Unsure photos have a ring.</span>`
            : nothing
        }
      </div>
      ${this.separating ? html`<shopcat-label-separate .store=${store} .words=${this.words}></shopcat-label-separate>` : nothing}
    </section>`;
  }
}
customElements.define("shopcat-label-tools", LabelTools);
