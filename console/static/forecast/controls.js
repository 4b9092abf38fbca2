/** The choice of a store and a range. */

import { count } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {SalesModel, Store} from "../shared/answers.js" */
/** @import {View} from "./plan.js" */

/** Lengths of the range that the list offers, days. */
const LENGTHS = [7, 14, 21, 28, 42, 49];
/** Weeks of past sales that the list offers. */
const HISTORY = [0, 4, 8, 13, 26, 52];

/**
 * Return the form.
 * @param {SalesModel | null} model null while it is on its way
 * @param {Store[]} stores
 * @param {View} view
 * @param {(change: Partial<View>) => void} change
 */
export function controls(model, stores, view, change) {
  const lengths = withOther(LENGTHS, view.days);
  const weeks = withOther(HISTORY, view.weeks);
  const known = stores.some(({ store }) => String(store) === view.store);
  const waits = stores.length === 0;
  return html`<form class="controls" aria-label="Store and days" @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <label>Store
      <select ?disabled=${waits} @change=${(/** @type {Event} */ event) => change({ store: chosen(event) })}>
        ${known || view.store === "" ? nothing : html`<option value=${view.store} selected>${view.store} (unknown)</option>`}
        ${stores.map((store) => html`<option value=${store.store} ?selected=${String(store.store) === view.store}>${storeText(store)}</option>`)}
      </select>
    </label>
    <label>First day
      <input type="date" .value=${view.start} min=${model?.first_date ?? ""} max=${model?.last_date ?? ""} required
        ?disabled=${waits} @change=${(/** @type {Event} */ event) => changeStart(event, change)}>
    </label>
    <label>Length
      <select ?disabled=${waits} @change=${(/** @type {Event} */ event) => change({ days: Number(chosen(event)) })}>
        ${lengths.map((days) => html`<option value=${days} ?selected=${days === view.days}>${lengthText(days)}</option>`)}
      </select>
    </label>
    <label>Past sales
      <select ?disabled=${waits} @change=${(/** @type {Event} */ event) => change({ weeks: Number(chosen(event)) })}>
        ${weeks.map((number) => html`<option value=${number} ?selected=${number === view.weeks}>${number ? count(number, "week") : "none"}</option>`)}
      </select>
    </label>
  </form>`;
}

/**
 * @param {Event} event
 * @param {(change: Partial<View>) => void} change
 */
function changeStart(event, change) {
  const input = /** @type {HTMLInputElement} */ (event.target);
  if (input.checkValidity()) change({ start: input.value });
  else input.reportValidity();
}

/**
 * Return the numbers of a list in order, with one that the address has.
 * @param {number[]} numbers
 * @param {number} other
 */
const withOther = (numbers, other) => [...new Set([...numbers, other])].sort((a, b) => a - b);

/** @param {Event} event */
const chosen = (event) => /** @type {HTMLSelectElement} */ (event.target).value;

/** @param {number} days */
const lengthText = (days) => (days % 7 === 0 ? count(days / 7, "week") : count(days, "day"));

/** @param {Store} store */
function storeText({ store, type, state }) {
  const facts = [type && `type ${type}`, state].filter(Boolean).join(", ");
  return facts ? `${store} (${facts})` : String(store);
}
