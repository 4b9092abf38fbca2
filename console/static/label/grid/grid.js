/** The grid of all photos, beside the map or alone: whatever the map can do, it can do too. */

import { PlainElement } from "../../shared/element.js";
import { count, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { CANT_TELL } from "../store.js";
import { partAddress } from "../words.js";
import "./list.js";
import { mapOrder, ORDERS, passes, sorted, unlabelledFirst } from "./order.js";

/** @import {Order} from "./order.js" */
/** @import {Pick, PhotoList} from "./list.js" */
/** @import {ProjectStore} from "../store.js" */

const SIZES = /** @type {const} */ ([
  [72, "Small"],
  [112, "Medium"],
  [200, "Large"],
]);

class PhotoGrid extends PlainElement {
  static properties = {
    store: { attribute: false },
    rows: { state: true },
    order: { state: true },
    filter: { state: true },
    size: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {number[]} */
    this.rows = [];
    /** @type {Order} */
    this.order = "map";
    this.filter = "all";
    this.size = 112;
    /** Order of the photos on the map, as far as it is known. @type {number[] | null} */
    this.onMap = null;
    /** Number of the last request for a map: an older one that comes later is dropped. */
    this.asked = 0;
    /** @type {[string, (event: Event) => void][]} */
    this.listeners = [
      ["photos", () => this.arrange()],
      ["positions", () => this.arrange()],
      [
        "view",
        (event) => {
          const patch = /** @type {CustomEvent} */ (event).detail;
          if ("space" in patch || "projection" in patch) this.arrange();
        },
      ],
      ["labels", () => (this.filter !== "all" ? this.sift() : this.requestUpdate())],
      ["predictions", () => (this.filter === "differs" || this.order === "unsure" ? this.sift() : undefined)],
      ["selection", () => this.requestUpdate()],
      ["names", () => this.requestUpdate()],
    ];
  }

  connectedCallback() {
    super.connectedCallback();
    for (const [type, listener] of this.listeners) this.store.addEventListener(type, listener);
    this.arrange();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    for (const [type, listener] of this.listeners) this.store.removeEventListener(type, listener);
  }

  /** Put the photos in the order of the map; until it is there, in that of their rows. */
  async arrange() {
    this.asked += 1;
    const asked = this.asked;
    if (this.onMap?.length !== this.store.photos.length) {
      this.onMap = null;
      this.sift();
    }
    const { space, projection } = this.store.view;
    if (!space || !projection || this.store.photos.length === 0) return;
    const positions = await this.store.map().catch(() => null);
    if (positions === null || asked !== this.asked || positions.length !== 2 * this.store.photos.length) return;
    this.onMap = mapOrder(positions);
    if (this.order !== "arrival") this.sift();
  }

  /** Choose and sort the rows. */
  sift() {
    const { labels, predictions, photos } = this.store;
    const arrival = photos.map((_, row) => row);
    let rows = this.onMap ?? arrival;
    if (this.order === "arrival") rows = arrival;
    else if (this.order === "unsure" && predictions) rows = sorted(predictions.margin);
    else if (this.order === "unlabelled") rows = unlabelledFirst(rows, labels);
    this.rows = rows.filter((row) => passes(this.filter, row, labels, predictions));
  }

  /** Go to the next photo and select it, after the one in focus got its label by a key. */
  next() {
    const list = /** @type {PhotoList} */ (this.querySelector("shopcat-label-list"));
    const before = this.rows[list.index];
    // With a filter, the labelled photo has left the list, and the next one has taken its place.
    if (before === this.store.focus) list.go(list.index + 1);
    else list.go(list.index);
    const row = this.rows[list.index];
    if (row !== undefined) this.store.select([row]);
  }

  focus() {
    this.focusOn("shopcat-label-list");
  }

  render() {
    const { store } = this;
    const [shown, all] = [this.rows.length, store.photos.length];
    return html`<section class="card photos-card" aria-label="Grid of photos">
      <div class="list-tools">
        <label>Order <select @change=${(/** @type {Event} */ event) => {
          this.order = /** @type {Order} */ (/** @type {HTMLSelectElement} */ (event.target).value);
          this.sift();
        }}>${ORDERS.map(([order, words]) => html`<option value=${order} ?selected=${order === this.order}>${words}</option>`)}</select></label>
        <label>Show <select @change=${(/** @type {Event} */ event) => {
          this.filter = /** @type {HTMLSelectElement} */ (event.target).value;
          this.sift();
        }}>${this.renderFilters()}</select></label>
        <label>Size <select @change=${(/** @type {Event} */ event) => {
          this.size = Number(/** @type {HTMLSelectElement} */ (event.target).value);
        }}>${SIZES.map(([size, words]) => html`<option value=${size} ?selected=${size === this.size}>${words}</option>`)}</select></label>
      <p class="hint counts">${shown === all ? count(all, "photo") : `${whole(shown)} of ${count(all, "photo")}`},
        ${whole(store.selection.size)} selected.
        ${store.selection.size > 0 ? html`<button class="quiet small" @click=${() => store.select([])}>Clear</button>` : nothing}
        ${shown > 0 ? html`<button class="quiet small" @click=${() => store.select(this.rows)}>Select all</button>` : nothing}
        ${this.renderHeld()}</p>
      </div>
      <shopcat-label-list id="grid" name="Photos" .store=${store} .rows=${this.rows} .picked=${store.selection} .size=${this.size}
        @pick=${(/** @type {Pick} */ { detail }) => store.select(detail.rows, detail.mode)}></shopcat-label-list>
      ${shown === 0 ? html`<p class="empty">${all === 0 ? "No photo is ready yet." : "No photo fits this choice."}</p>` : nothing}
    </section>`;
  }

  /** Say which photos are missing here and on the map, and why. */
  renderHeld() {
    const held = this.store.project?.audit.held ?? 0;
    if (held === 0) return nothing;
    return html`<span class="held">${count(held, "further photo")} ${held === 1 ? "is" : "are"} kept for the check
      <a href=${partAddress({ tab: "audit" })}>How good is it?</a></span>`;
  }

  renderFilters() {
    const labels = [...this.store.names.values()].filter(({ retired }) => !retired);
    /** @type {[string, string][]} */
    const choices = [
      ["all", "All photos"],
      ["unlabelled", "Unlabelled"],
      ["differs", "Guess differs from label"],
      [String(CANT_TELL), "Can't tell"],
      ...labels.map(({ id, name }) => /** @type {[string, string]} */ ([String(id), name])),
    ];
    return choices.map(
      ([value, words]) => html`<option value=${value} ?selected=${value === this.filter}>${words}</option>`,
    );
  }
}
customElements.define("shopcat-label-grid", PhotoGrid);

export { PhotoGrid };
