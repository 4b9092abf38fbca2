/** Labels and predictions from elsewhere: a file comes in, and another model's predictions stand beside our own. */

import { request } from "../../shared/api.js";
import { AskingElement } from "../../shared/element.js";
import { count, percent, whole } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";

/** @import {ProjectStore} from "../store.js" */
/** @import {Disagreement, Imported, OtherModel} from "./types.js" */

/** Rows of disagreements that are shown at once. */
const SHOWN = 24;

class LabelImports extends AskingElement {
  static properties = {
    store: { attribute: false },
    what: { state: true },
    outcome: { state: true },
    models: { state: true },
    compared: { state: true },
    disagreements: { state: true },
  };

  constructor() {
    super();
    /** @type {ProjectStore} */
    this.store = /** @type {any} */ (null);
    /** @type {"labels" | "predictions"} */
    this.what = "labels";
    /** @type {Imported | null} */
    this.outcome = null;
    /** @type {OtherModel[]} */
    this.models = [];
    /** Name of the model whose disagreements are shown. */
    this.compared = "";
    /** @type {Disagreement[]} */
    this.disagreements = [];
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  load() {
    return this.attempt(async () => {
      this.models = (await this.store.api.get("/import")).models;
    });
  }

  /** @param {SubmitEvent} event */
  async send(event) {
    event.preventDefault();
    const form = /** @type {HTMLFormElement} */ (event.target);
    const file = /** @type {HTMLInputElement} */ (form.elements.namedItem("file")).files?.[0];
    if (file === undefined) return;
    const model = /** @type {HTMLInputElement | null} */ (form.elements.namedItem("model"))?.value ?? "";
    const kind = file.name.toLowerCase().endsWith(".json") ? "application/json" : "text/csv";
    this.outcome = null;
    const query = new URLSearchParams({ what: this.what, model });
    const sent = await this.attempt(async () => {
      this.outcome = await request(`${this.store.api.address}/import?${query}`, {
        method: "POST",
        headers: { "content-type": kind },
        body: await file.text(),
      });
    });
    if (!sent) return;
    form.reset();
    await this.store.loadNames();
    await this.load();
    this.dispatchEvent(new CustomEvent("imported"));
  }

  /** @param {string} model */
  compare(model) {
    return this.attempt(async () => {
      const query = new URLSearchParams({ model });
      this.disagreements = (await this.store.api.get(`/import/disagreements?${query}`)).photos;
      this.compared = model;
    });
  }

  /** @param {string} model */
  async forget(model) {
    await this.attempt(() => this.store.api.send("DELETE", `/import?${new URLSearchParams({ model })}`));
    if (this.compared === model) this.compared = "";
    await this.load();
    this.dispatchEvent(new CustomEvent("imported"));
  }

  render() {
    return html`<section class="card" aria-labelledby="imports-title">
      <h2 id="imports-title">Bring labels or predictions in</h2>
      ${this.renderForm()}
      ${this.renderError()}
      ${this.outcome === null ? nothing : this.renderOutcome(this.outcome)}
      ${this.models.length === 0 ? nothing : this.renderModels()}
    </section>`;
  }

  renderForm() {
    /** @param {Event} event */
    const choose = (event) => {
      this.what = /** @type {"labels" | "predictions"} */ (/** @type {HTMLSelectElement} */ (event.target).value);
    };
    const predictions = this.what === "predictions";
    return html`<form @submit=${this.send}>
      <div class="flow">
        <label>Content
          <select @change=${choose}>
            <option value="labels" ?selected=${!predictions}>Labels</option>
            <option value="predictions" ?selected=${predictions}>Predictions of another model</option>
          </select>
        </label>
        ${predictions ? html`<label>Name of the model <input name="model" maxlength="100" placeholder="imported"></label>` : nothing}
        <label>File <input type="file" name="file" accept=${predictions ? ".csv" : ".csv,.json"} required></label>
        <button ?disabled=${this.waiting}>Import</button>
      </div>
      <p class="hint">${
        predictions
          ? "A CSV file with the columns sha256 or name, label, and probability. Predictions label no photo."
          : "A CSV file with the columns sha256 or name, and label; or tasks of Label Studio (JSON). You can undo it."
      }</p>
    </form>`;
  }

  /** @param {Imported} outcome */
  renderOutcome({ imported, same, blind, new_labels: created, models, unknown, unknown_count: missing }) {
    const what =
      models.length > 0
        ? `${count(imported, "photo")} with a prediction of ${models.join(", ")}.`
        : imported > 0
          ? `${count(imported, "photo")} got another label. Undo: Ctrl+Z.`
          : "Nothing has changed.";
    const words = [
      what,
      created.length === 0 ? "" : `New labels: ${created.join(", ")}.`,
      same === 0 ? "" : `${count(same, "photo")} had the same label already.`,
      blind === 0
        ? ""
        : `${count(blind, "photo")} of the check ${blind === 1 ? "keeps its" : "keep their"} blind answer.`,
    ];
    return html`<p class="notice good" role="status">${words.filter(Boolean).join(" ")}
      ${missing === 0 ? nothing : html`${count(missing, "line")} found no photo: ${unknown.slice(0, 5).join(", ")}${missing > 5 ? ", …" : ""}.`}</p>`;
  }

  renderModels() {
    return html`<h3 id="others-title">Other models beside ours</h3>
      <div class="scroll" tabindex="0" role="region" aria-labelledby="others-title"><table class="plain">
        <thead><tr><th scope="col">Model</th><th scope="col" class="number">Photos</th>
          <th scope="col" class="number">Agrees with ours</th><th scope="col">Right, by the audit</th><td></td></tr></thead>
        <tbody>${this.models.map((model) => this.renderModel(model))}</tbody>
      </table></div>
      ${this.compared === "" ? nothing : this.renderDisagreements()}`;
  }

  /** @param {OtherModel} model */
  renderModel({ name, photos, strange, compared, agreed, audit }) {
    const { right, of, share, low, high } = audit;
    return html`<tr>
      <th scope="row">${name}${
        strange.length === 0
          ? nothing
          : html`<div class="hint">labels that the project does not have: ${strange.slice(0, 4).join(", ")}${strange.length > 4 ? ", …" : ""}</div>`
      }</th>
      <td class="number">${whole(photos)}</td>
      <td class="number">${compared === 0 ? "–" : `${whole(agreed)} of ${whole(compared)}`}</td>
      <td>${
        share === null || low === null || high === null
          ? `not yet known (${whole(right)} of ${whole(of)})`
          : `${percent(share)}, between ${percent(low)} and ${percent(high)}`
      }</td>
      <td><div class="flow">
        <button ?disabled=${compared === agreed} @click=${() => this.compare(name)}>Where they differ<span class="unseen">, ${name}</span></button>
        <button class="quiet" @click=${() => this.forget(name)}>Forget<span class="unseen"> ${name}</span></button>
      </div></td>
    </tr>`;
  }

  renderDisagreements() {
    const shown = this.disagreements.slice(0, SHOWN);
    return html`<h3>Where ${this.compared} differs from ours</h3>
      <ul class="pairs">${shown.map(
        ({ sha256, name, ours, theirs, given }) => html`<li>
          <img src=${this.store.thumb(sha256, 256)} alt=${name} width="120" height="120" loading="lazy">
          <div>ours: ${ours.label}, ${percent(ours.probability)}<br>${this.compared}: ${theirs.label}, ${percent(theirs.probability)}
            <div class="hint">${given === null ? "no label" : `labelled ${given}`}</div></div>
        </li>`,
      )}</ul>`;
  }
}
customElements.define("shopcat-label-imports", LabelImports);
