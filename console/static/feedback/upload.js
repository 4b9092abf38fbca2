/** Upload of a table with true values, and the report of rows that were rejected. */

import { request } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { count } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {Model} from "../shared/answers.js" */
/** @import {Results} from "./types.js" */

/** Number of rejected rows that are shown. */
const SHOWN = 50;

class Upload extends AskingElement {
  static properties = {
    model: { attribute: false },
    results: { state: true },
  };

  constructor() {
    super();
    /** @type {Model | null} */
    this.model = null;
    /** @type {Results | null} */
    this.results = null;
  }

  render() {
    if (this.model === null) return nothing;
    const { name, kind } = this.model;
    const columns =
      kind === "sales"
        ? html`<code>store</code>, <code>date</code> and <code>sales</code>, or <code>receipt</code>, <code>item</code> and <code>sales</code>`
        : html`<code>receipt</code> and <code>breed</code>, or <code>other_breed</code>, <code>not_a_pet</code> or <code>unknown</code> with true`;
    return html`<details class="upload">
      <summary>Send true values as a table</summary>
      <form @submit=${this.send}>
        <label for="table-${name}">A CSV file with the columns ${columns}</label>
        <input id="table-${name}" name="table" type="file" accept=".csv,text/csv" required>
        <button class="primary" ?disabled=${this.waiting}>${this.waiting ? "Sending…" : "Send"}</button>
      </form>
      ${this.renderError()}
      ${this.results ? this.renderResults(this.results) : nothing}
    </details>`;
  }

  /** @param {Results} results */
  renderResults(results) {
    const rejected = results.results.filter(({ problem }) => problem);
    return html`<p class="notice ${rejected.length ? "" : "good"}">${summary(results)}</p>
      ${
        rejected.length
          ? html`<div class="wide" tabindex="0" role="region" aria-label="Rejected rows">
              <table class="measures">
                <caption>Rejected rows${rejected.length > SHOWN ? `, the first ${SHOWN}` : ""}</caption>
                <thead><tr><th scope="col">Row</th><th scope="col">Reason</th></tr></thead>
                <tbody>
                  ${rejected
                    .slice(0, SHOWN)
                    .map(
                      ({ entry, problem }) =>
                        html`<tr><th scope="row">${entry + 1}</th><td class="reason">${problem?.detail}</td></tr>`,
                    )}
                </tbody>
              </table>
            </div>`
          : nothing
      }`;
  }

  /** @param {SubmitEvent} event */
  async send(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const table = /** @type {File} */ (new FormData(form).get("table"));
    this.results = null;
    await this.attempt(async () => {
      const headers = { "content-type": "text/csv" };
      this.results = await request(`/feedback/${this.model?.name}`, { method: "POST", headers, body: table });
      announce(summary(/** @type {Results} */ (this.results)));
      form.reset();
      this.dispatchEvent(new Event("shopcat:taken", { bubbles: true }));
    });
  }
}
customElements.define("shopcat-upload", Upload);

/**
 * Return what became of the rows, in words.
 * @param {Results} results
 */
export function summary({ counted, replaced, unchanged, rejected }) {
  const parts = [
    counted ? `${count(counted, "value")} counted` : "",
    replaced ? `${count(replaced, "value")} replaced` : "",
    unchanged ? `${count(unchanged, "value")} known already` : "",
    rejected ? `${count(rejected, "row")} rejected` : "",
  ].filter(Boolean);
  return `${parts.join(", ")}.`;
}
