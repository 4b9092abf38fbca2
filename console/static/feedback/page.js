/** The page about true values: how good the answers were, with bounds, and the upload of more true values. */

import { request } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { count, percent } from "../shared/format.js";
import { models, session } from "../shared/service.js";
import { html, nothing } from "../vendor/lit.js";
import { petsFigures, salesFigures } from "./figures.js";
import "./upload.js";

/** @import {Model} from "../shared/answers.js" */
/** @import {Report} from "./types.js" */

/** Numbers of days that a person may choose from. */
const PERIODS = [7, 28, 90, 365];

class FeedbackPage extends AskingElement {
  static properties = {
    query: { attribute: false },
    models: { state: true },
    reports: { state: true },
    days: { state: true },
    mayExport: { state: true },
  };

  constructor() {
    super();
    this.query = new URLSearchParams();
    /** @type {Model[]} */
    this.models = [];
    /** @type {Map<string, Report>} */
    this.reports = new Map();
    this.days = 28;
    this.mayExport = false;
  }

  connectedCallback() {
    super.connectedCallback();
    const days = Number(this.query.get("days"));
    if (PERIODS.includes(days)) this.days = days;
    this.addEventListener("shopcat:taken", () => this.load());
    this.load();
  }

  load() {
    return this.attempt(async () => {
      const [found, who] = await Promise.all([models(), session()]);
      const reports = await Promise.all(found.map(({ name }) => request(`/feedback/${name}?days=${this.days}`)));
      this.mayExport = who.roles.includes("review");
      this.reports = new Map(reports.map((report) => [report.model, report]));
      this.models = found;
    });
  }

  render() {
    return html`
      <div class="head">
        <h1>How good it is</h1>
        <p class="lead">What true sales and true breeds say about the answers, each with a 95 % range.</p>
      </div>
      ${this.renderError()}
      <div class="controls period">
        <label>True values of the last
          <select @change=${this.choose}>
            ${PERIODS.map((days) => html`<option value=${days} ?selected=${days === this.days}>${days} days</option>`)}
          </select>
        </label>
      </div>
      ${this.models.map((model) => this.renderModel(model))}
    `;
  }

  /** @param {Event} event */
  choose(event) {
    this.days = Number(/** @type {HTMLSelectElement} */ (event.target).value);
    history.replaceState(null, "", `?days=${this.days}`);
    this.load();
  }

  /** @param {Model} model */
  renderModel(model) {
    const report = this.reports.get(model.name);
    if (report === undefined) return nothing;
    return html`<section class="card" aria-labelledby="feedback-${model.name}">
      <div class="card-head">
        <h2 id="feedback-${model.name}">${model.kind === "sales" ? "Sales forecasts" : "Pet breeds"}: ${model.name}</h2>
        ${this.mayExport && report.truths ? html`<a href="/feedback/export?model=${model.name}" download>Download as CSV</a>` : nothing}
      </div>
      <p class="known">${known(report)}</p>
      ${report.kind === "sales" ? salesFigures(report) : petsFigures(report)}
      <shopcat-upload .model=${model}></shopcat-upload>
    </section>`;
  }
}
customElements.define("shopcat-feedback", FeedbackPage);

/**
 * Return how many answers the figures come from, in words.
 * @param {Report} report
 */
function known({ truths, answers, share }) {
  if (!truths) return "No true value has come back yet.";
  const came = `${count(truths, "true value")} came back`;
  if (answers === null || share === null) return `${came}. How many answers there were is not known yet.`;
  return `${came}, for ${percent(share)} of ${count(answers, "answer")}. The smaller the share, the less it says about the rest.`;
}

export default { title: "How good it is", path: "/console/feedback", element: "shopcat-feedback" };
