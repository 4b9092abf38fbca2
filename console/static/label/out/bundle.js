/** Make a bundle: labels to train on, progress of the training, and how good the result is. */

import { PlainElement } from "../../shared/element.js";
import { count, percent } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { since } from "../words.js";

/** @import {BundleJob, BundleState, ExportState, MadeBundle} from "./types.js" */

class LabelBundle extends PlainElement {
  static properties = {
    bundle: { attribute: false },
    content: { attribute: false },
    address: { attribute: false },
    network: { state: true },
  };

  constructor() {
    super();
    /** @type {BundleState} */
    this.bundle = /** @type {any} */ (null);
    /** @type {ExportState} */
    this.content = /** @type {any} */ (null);
    this.address = "";
    this.network = "default";
  }

  /**
   * @param {"make" | "cancel"} name
   * @param {object} [detail]
   */
  ask(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  render() {
    const { job, bundle, refused } = this.bundle;
    return html`<section class="card" aria-labelledby="bundle-title">
      <h2 id="bundle-title">Train a model on the labels</h2>
      ${refused === null ? this.renderContent() : html`<p class="notice">${refused}</p>`}
      ${job.state === "running" || job.state === "interrupted" ? this.renderRunning(job) : this.renderStart(refused)}
      ${job.state === "failed" || job.state === "cancelled" ? this.renderFailed(job) : nothing}
      ${bundle === null ? nothing : this.renderBundle(bundle)}
    </section>`;
  }

  renderContent() {
    const { missing, warnings, train, valid, labels } = this.content;
    return html`
      ${
        missing.length === 0
          ? html`<p>${count(train, "photo")} of ${count(labels.length, "label")} to train on, and
              ${count(valid, "photo")} of the audit to judge the model by. The training does not see those.</p>`
          : html`<p>Before you can train:</p><ul class="notes">${missing.map((line) => html`<li>${line}</li>`)}</ul>`
      }
      ${
        warnings.length === 0
          ? nothing
          : html`<ul class="notes hint">${warnings.map((line) => html`<li>${line}</li>`)}</ul>`
      }`;
  }

  /** @param {string | null} refused */
  renderStart(refused) {
    /** @param {Event} event */
    const choose = (event) => {
      this.network = /** @type {HTMLSelectElement} */ (event.target).value;
    };
    return html`<div class="flow">
      <label>Network
        <select @change=${choose}>
          <option value="default" ?selected=${this.network === "default"}>Accurate: minutes, more with many photos</option>
          <option value="quick" ?selected=${this.network === "quick"}>Quick: smaller, less accurate</option>
        </select>
      </label>
      <button class="primary" ?disabled=${refused !== null || this.content.missing.length > 0}
        @click=${() => this.ask("make", { network: this.network })}>Make a bundle</button>
    </div>`;
  }

  /** @param {BundleJob} job */
  renderRunning({ state, stage, share, who, started }) {
    return html`<div class="job">
      <p id="job-stage">${state === "interrupted" ? "Waiting for the console to go on" : `Now: ${stage}`}.
        <span class="muted">Begun by ${who}${started ? `, ${since(started)}` : ""}. It goes on when you leave this page,
        and forecasts come first.</span></p>
      <progress max="1" .value=${share} aria-labelledby="job-stage"></progress>
      <button @click=${() => this.ask("cancel")}>Cancel</button>
    </div>`;
  }

  /** @param {BundleJob} job */
  renderFailed({ state, message, log_tail: log }) {
    return html`<p class=${state === "failed" ? "notice bad" : "notice"}>No bundle: ${message}.</p>
      ${
        log === "" || state === "cancelled"
          ? nothing
          : html`<details><summary>Last lines of the training</summary>
              <div class="code"><pre tabindex="0">${log}</pre></div></details>`
      }`;
  }

  /** @param {MadeBundle} bundle */
  renderBundle({ name, version, created, labels, photos, accepted, threshold, held_out: heldOut, warnings }) {
    return html`<section class="made" aria-labelledby="made-title">
      <h3 id="made-title">Bundle ${name} ${version}</h3>
      <p><b>${heldOut.share === null ? "Accuracy not yet known" : `${percent(heldOut.share)} right`}</b>
        ${heldOut.share === null ? nothing : html`on photos that it was not trained on`}</p>
      <p>${heldOut.text}</p>
      <p class="hint">Made ${since(created)} from ${count(photos, "photo")}: ${labels.join(", ")}. It decides alone from a
        probability of ${percent(threshold)}, which ${percent(accepted)} of the photos of the audit reach; others are for
        review.</p>
      ${warnings.length === 0 ? nothing : html`<ul class="notes hint">${warnings.map((line) => html`<li>${line}</li>`)}</ul>`}
      <p><a href="${this.address}/bundle/bundle.zip" download>Download the bundle</a></p>
    </section>`;
  }
}
customElements.define("shopcat-label-bundle", LabelBundle);
