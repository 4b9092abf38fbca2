/** The page about the models: what they are for, where they fail, who is missing from their data, and the service's health. */

import { request } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { breedName, count, percent, plainDay, whole } from "../shared/format.js";
import { renderSection } from "../shared/markdown.js";
import { sectionsOf } from "../shared/sections.js";
import { models } from "../shared/service.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {Model, PetsModel, SalesModel} from "../shared/answers.js" */
/** @import {Section} from "../shared/sections.js" */

/** Sections of a card that everybody should read, with a title in plain words. */
const OPEN = new Map([
  ["Intended use", "What it is for"],
  ["Ethical considerations", "Who is missing, and who may be harmed"],
  ["Caveats and recommendations", "Limits"],
]);

class AboutPage extends AskingElement {
  static properties = {
    query: { attribute: false },
    models: { state: true },
    cards: { state: true },
    health: { state: true },
  };

  constructor() {
    super();
    /** @type {Model[]} */
    this.models = [];
    /** @type {Map<string, Section[]>} */
    this.cards = new Map();
    /** Health by the model's name; the models that are not in it were not asked yet. @type {Map<string, boolean>} */
    this.health = new Map();
  }

  connectedCallback() {
    super.connectedCallback();
    this.load();
  }

  load() {
    return this.attempt(async () => {
      const found = await models();
      this.askHealth(found);
      const cards = await Promise.all(found.map((model) => request(`/console/api/models/${model.name}/card`)));
      this.cards = new Map(cards.map((card) => [card.name, sectionsOf(card.markdown)]));
      this.models = found;
    });
  }

  /** @param {Model[]} found */
  async askHealth(found) {
    const answers = await Promise.all(found.map(({ name }) => fetch(`/readyz/${name}`).catch(() => null)));
    this.health = new Map(found.map(({ name }, index) => [name, answers[index]?.ok ?? false]));
  }

  render() {
    return html`
      <div class="head">
        <h1>About the models</h1>
        <p class="lead">What they are for, what they can't do, and whose data they learned from.</p>
      </div>
      ${this.renderError()}
      <section class="card" aria-labelledby="service-title">
        <h2 id="service-title">The service</h2>
        <ul class="facts">
          ${this.models.map((model) => html`<li>${this.renderHealth(model)}</li>`)}
          <li><a href="/openapi.json">Description of the HTTP API (OpenAPI)</a></li>
        </ul>
      </section>
      ${this.models.map((model) => this.renderModel(model))}
    `;
  }

  /** @param {Model} model */
  renderHealth({ name }) {
    const healthy = this.health.get(name);
    if (healthy === undefined) return html`<span class="muted">Asking whether ${name} answers…</span>`;
    return healthy
      ? html`<span class="state good">Healthy</span> ${name} answers.`
      : html`<span class="state bad">Not ready</span> ${name} has no worker that can answer now; the service's log says why.`;
  }

  /** @param {Model} model */
  renderModel(model) {
    const sections = this.cards.get(model.name) ?? [];
    const rest = sections.filter((section) => section.title && !OPEN.has(section.title));
    return html`<section class="card model" aria-labelledby="model-${model.name}">
      <h2 id="model-${model.name}">${model.kind === "sales" ? "Sales forecasts" : "Pet breeds"}: ${model.name}</h2>
      ${model.kind === "sales" ? salesFacts(model) : petsFacts(model)}
      <div class="columns">
        ${[...OPEN].map(([title, words]) => {
          const section = sections.find((candidate) => candidate.title === title);
          return section && html`<div class="text"><h3>${words}</h3>${renderSection(section)}</div>`;
        })}
      </div>
      <h3>The rest of its model card</h3>
      ${rest.map((section) => html`<details class="text"><summary>${section.title}</summary>${renderSection(section)}</details>`)}
    </section>`;
  }
}
customElements.define("shopcat-about", AboutPage);

/** @param {SalesModel} model */
function salesFacts(model) {
  const coverage = Object.entries(model.coverage).map(
    ([level, share]) => `${percent(share)} of past sales lay in the ${level} % range`,
  );
  return html`
    ${model.synthetic ? html`<p class="notice">It learned from invented stores. Its figures mean nothing.</p>` : nothing}
    <dl class="pairs">
      <dt>Version</dt><dd>${model.version}, of ${plainDay(model.created.slice(0, 10))}</dd>
      <dt>Knows</dt><dd>${count(model.stores, "store")}, sales up to ${plainDay(model.cutoff)}</dd>
      <dt>Made for</dt><dd>the ${whole(model.horizon)} days after that</dd>
      <dt>How sure</dt><dd>${model.calibrated ? coverage.join("; ") || "with ranges" : "without ranges: it is not calibrated"}</dd>
    </dl>`;
}

/** @param {PetsModel} model */
function petsFacts(model) {
  const species = (/** @type {string | null} */ kind) => model.classes.filter((one) => one.species === kind);
  return html`
    <dl class="pairs">
      <dt>Version</dt><dd>${model.version}, of ${plainDay(model.created.slice(0, 10))}</dd>
      <dt>Knows</dt><dd>${model.classes.length} breeds: ${count(species("cat").length, "cat")} and ${count(species("dog").length, "dog")}</dd>
      <dt>Leaves to you</dt><dd>photos with a probability below ${percent(model.threshold)}${model.notices_unknown ? ", and photos unlike all that it learned from" : ""}</dd>
    </dl>
    <details><summary>All breeds that it knows; every other one gets the name of one of these</summary>
      <ul class="breeds">${model.classes.map(({ breed }) => html`<li>${breedName(breed)}</li>`)}</ul>
    </details>`;
}

export default { title: "About the models", path: "/console/about", element: "shopcat-about" };
