/** The history of a project: the last steps, newest first, with who and how. */

import { PlainElement } from "../../shared/element.js";
import { count } from "../../shared/format.js";
import { html } from "../../vendor/lit.js";
import { HOW, since } from "../words.js";
import { stepsOf } from "./steps.js";

/** @import {HistoryEvent} from "../types.js" */
/** @import {ProjectStore} from "../store.js" */

/** Number of events that are read, and of steps that are shown, at most. */
const [EVENTS, STEPS] = [1000, 50];

class LabelHistory extends PlainElement {
  static properties = {
    store: { attribute: false },
    events: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {HistoryEvent[]} */
    this.events = [];
    this.load = () => this.read();
  }

  connectedCallback() {
    super.connectedCallback();
    this.store.addEventListener("labels", this.load);
    this.read();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.store.removeEventListener("labels", this.load);
  }

  async read() {
    const { store } = this;
    const after = Math.max(0, store.lastEvent - EVENTS);
    const found = await store.attempt(() => store.api.get(`/events?after=${after}&most=${EVENTS}`));
    if (found) this.events = found.events;
  }

  render() {
    const steps = stepsOf(this.events).slice(0, STEPS);
    return html`<div class="history scroll" tabindex="0" role="region" aria-label="History">
      ${steps.length === 0 ? html`<p class="hint">Nothing has been labelled yet.</p>` : ""}
      <ol>${steps.map(
        ({ who, time, how, photos, labels }) => html`<li><strong>${who}</strong>: ${count(photos, "photo")},
          ${labels.map((label) => (label === null ? "no label" : this.store.nameOf(label))).join(" or ")}
          <span class="muted">${HOW[how] ?? how}, ${since(time)}</span></li>`,
      )}</ol>
    </div>`;
  }
}
customElements.define("shopcat-label-history", LabelHistory);
