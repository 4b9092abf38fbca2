/** The forecast page. */

import { ServiceError } from "../shared/api.js";
import { AskingElement } from "../shared/element.js";
import { html, nothing } from "../vendor/lit.js";
import "../shared/chart/timeline.js";
import { addDays, count, dayNumber, dayRange, longDay, plainDay, shortDay, signed, whole } from "../shared/format.js";
import { announce } from "../shared/live.js";
import { setQuery } from "../shared/router.js";
import { salesModel, session } from "../shared/service.js";
import { controls } from "./controls.js";
import { csvOf } from "./csv.js";
import { chartDays, explanationOf, forecastOf, planOf, spanOf, storesOf } from "./data.js";
import { explained } from "./explained.js";
import { figures } from "./figures.js";
import { notes } from "./notes.js";
import {
  FACTS,
  forecastRequest,
  hasChanges,
  noChanges,
  opposite,
  rangeOf,
  readView,
  whatIfOf,
  writeView,
} from "./plan.js";
import "./strip.js";
import { dayTable } from "./table.js";
import { take } from "./take.js";

/** @import {Explanation, Forecasts, PlanDay, SalesModel, Session, Store} from "../shared/answers.js" */
/** @import {Fact, FactValue, View} from "./plan.js" */

class ForecastPage extends AskingElement {
  static properties = {
    query: { attribute: false },
    model: { state: true },
    stores: { state: true },
    view: { state: true },
    plan: { state: true },
    answer: { state: true },
    explanation: { state: true },
    explanationError: { state: true },
    table: { state: true },
    who: { state: true },
  };

  constructor() {
    super();
    this.query = new URLSearchParams();
    /** @type {SalesModel | null} */
    this.model = null;
    /** @type {Store[]} */
    this.stores = [];
    /** @type {View} */
    this.view = { store: "", start: "", days: 42, weeks: 8, explain: "", changes: noChanges() };
    /** @type {Map<string, PlanDay>} */
    this.plan = new Map();
    /** @type {Forecasts | null} */
    this.answer = null;
    /** @type {Explanation | null} */
    this.explanation = null;
    this.explanationError = "";
    this.table = false;
    /** @type {Session | null} */
    this.who = null;
    this.asked = new AbortController();
    this.askedWhy = new AbortController();
    /** What the plan was asked for, so that a toggled fact asks for it no more. */
    this.planned = "";
  }

  connectedCallback() {
    super.connectedCallback();
    this.start();
  }

  disconnectedCallback() {
    super.disconnectedCallback();
    this.asked.abort();
    this.askedWhy.abort();
  }

  async start() {
    try {
      const model = await salesModel();
      if (model === undefined)
        throw new ServiceError("This service has no sales model, so there is nothing to forecast.", 404);
      this.model = model;
      [this.stores, this.who] = await Promise.all([storesOf(model), session()]);
      this.readAddress();
    } catch (error) {
      this.fail(error);
    }
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (changed.has("query") && changed.get("query") !== undefined && this.stores.length > 0) this.readAddress();
  }

  /** Take the view of the address, and ask for its forecast. */
  readAddress() {
    const model = /** @type {SalesModel} */ (this.model);
    this.view = readView(this.query, {
      store: String(this.stores[0]?.store ?? ""),
      start: addDays(model.cutoff, 1),
      days: Math.min(42, model.horizon),
      weeks: 8,
      explain: "",
      changes: noChanges(),
    });
    this.load();
  }

  /**
   * Change the view, write it into the address and ask for what it needs.
   * @param {Partial<View>} change
   * @param {{replace?: boolean}} [options]
   */
  change(change, options) {
    this.view = { ...this.view, ...change };
    setQuery(writeView(this.view), options);
    this.load();
  }

  /** The store's id with its type: a number or a text. */
  get store() {
    return this.stores.find((store) => String(store.store) === this.view.store)?.store ?? this.view.store;
  }

  async load() {
    const { model, view } = this;
    if (model === null) return;
    this.asked.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    this.waiting = true;
    try {
      const [first, last] = spanOf(view, model);
      const planned = `${view.store} ${first} ${last}`;
      const planning = planned === this.planned ? this.plan : planOf(model, this.store, first, last, signal);
      // Only changes are compared with the plan; without any, the forecast does not wait for it.
      const compared = hasChanges(view) ? await planning : new Map();
      const [plan, answer] = await Promise.all([planning, forecastOf(model, view, this.store, compared, signal)]);
      [this.plan, this.planned, this.answer, this.error] = [plan, planned, answer, ""];
      this.waiting = false;
      this.announceTotal();
      await this.explain();
    } catch (error) {
      this.fail(error);
    }
  }

  async explain() {
    const { model, view } = this;
    this.askedWhy.abort();
    this.explanation = null;
    this.explanationError = "";
    if (model === null || !this.chosen) return;
    this.askedWhy = new AbortController();
    try {
      this.explanation = await explanationOf(model, view, this.store, this.plan, this.askedWhy.signal);
    } catch (error) {
      if (!(error instanceof ServiceError)) return;
      this.explanationError = error.message;
    }
  }

  /** @param {unknown} error */
  fail(error) {
    if (error instanceof DOMException && error.name === "AbortError") return;
    this.waiting = false;
    this.error = this.describe(error);
    this.answer = null;
  }

  announceTotal() {
    const total = this.answer?.total;
    if (!total) return;
    const by = total.what_if
      ? ` With your changes ${whole(total.what_if.sales)}, ${signed(total.what_if.difference)}.`
      : "";
    announce(`Forecast of ${count(total.days, "day")}: ${whole(total.sales)} in total.${by}`);
  }

  /** The forecast of the chosen day, if the range has it. */
  get chosen() {
    return this.answer?.items.find((day) => day.date === this.view.explain && !day.problem);
  }

  get changed() {
    return Object.keys(whatIfOf(this.view, this.plan)).length > 0;
  }

  render() {
    return html`
      <div class="head">
        <h1>Sales forecast</h1>
        <p class="lead">${this.renderLead()}</p>
      </div>
      ${this.model === null ? nothing : this.renderContent()}
      ${this.model === null ? this.renderError() : nothing}`;
  }

  renderContent() {
    return html`
      ${this.model?.synthetic ? html`<p class="notice">These stores are invented, so that you can try the pages. The figures mean nothing.</p>` : nothing}
      ${controls(this.model, this.stores, this.view, (change) => this.change(change))}
      ${this.renderError()}
      ${figures(this.view, this.plan, this.answer)}
      <section class="card chart-card" aria-labelledby="chart-title" aria-busy=${this.waiting}>
        <div class="card-head">
          <h2 id="chart-title">Day by day</h2>
          ${this.renderLegend()}
          <button class="quiet" aria-expanded=${this.table} aria-controls="day-table" @click=${this.toggleTable}>
            ${this.table ? "Hide the table" : "Show as a table"}
          </button>
        </div>
        ${this.renderChart()}
        <div id="day-table" ?hidden=${!this.table}>
          ${this.table && this.answer ? dayTable(this.answer.items, this.plan) : nothing}
        </div>
      </section>
      ${this.answer ? [this.renderPlan(), this.renderExplained(), notes(this.answer.items), this.renderTake()] : nothing}
    `;
  }

  renderLead() {
    const { model, view } = this;
    if (model === null || view.start === "") return this.error ? nothing : "Loading…";
    const last = addDays(view.start, view.days - 1);
    return html`Store ${view.store}, ${dayRange(view.start, last)}. Sales are known up to ${plainDay(model.cutoff)}.`;
  }

  renderLegend() {
    return html`<ul class="legend">
      <li class="past">sold</li>
      <li class="forecast">forecast</li>
      ${this.changed ? html`<li class="changed">with your changes</li>` : nothing}
      ${this.model?.calibrated === false ? nothing : html`<li class="band-1">80 %</li><li class="band-0">90 % range</li>`}
    </ul>`;
  }

  renderChart() {
    const { answer, view } = this;
    const days = answer ? chartDays(view, this.plan, answer.items) : [];
    const total = answer?.total ? `, ${whole(answer.total.sales)} in total` : "";
    return html`<shopcat-timeline .days=${days} .cutoff=${this.model?.cutoff ?? ""} .selected=${view.explain}
        .label=${`Chart: sales of store ${view.store}, ${count(7 * view.weeks, "day")} of the past and a forecast of ${count(view.days, "day")}${total}. The table has all values.`}
        @day-chosen=${this.onDay}></shopcat-timeline>
      <p class="hint">Click a day, or press Enter on it, to see what its forecast is made of.</p>`;
  }

  renderPlan() {
    const days = rangeOf(this.view).flatMap((date) => this.plan.get(date) ?? []);
    return html`<section class="card" aria-labelledby="plan-title">
      <div class="card-head">
        <h2 id="plan-title">Your plan</h2>
        <p class="hint">Click a cell to change the day: the forecast with your changes appears beside the first one.</p>
        <button ?disabled=${!this.changed} @click=${this.reset}>Undo all changes</button>
      </div>
      <shopcat-plan .days=${days} .changes=${this.view.changes} .selected=${this.view.explain}
        @fact-toggled=${this.onToggle} @day-chosen=${this.onDay}></shopcat-plan>
      <ul class="legend marks">
        <li class="mark-on">yes</li><li class="mark-off">no</li><li class="mark-changed">changed by you</li>
        <li class="mark-assumed">assumed: no table states it</li>
      </ul>
    </section>`;
  }

  renderExplained() {
    const { chosen } = this;
    if (!chosen) return nothing;
    const planned = this.plan.get(chosen.date);
    const changed = FACTS.flatMap(({ fact }) => {
      const value = this.view.changes[fact].get(chosen.date);
      return value === undefined ? [] : [[fact, value]];
    });
    const facts = planned && { ...planned, ...Object.fromEntries(changed) };
    return html`<section class="card" id="explained" aria-labelledby="explained-title" aria-busy=${this.explanation === null}>
      <div class="card-head">
        <h2 id="explained-title" tabindex="-1">Why ${longDay(chosen.date)}?</h2>
        <button class="quiet" @click=${() => this.change({ explain: "" })}>Close</button>
      </div>
      ${explained({ forecast: chosen, facts, explanation: this.explanation, error: this.explanationError })}
    </section>`;
  }

  renderTake() {
    const { model, answer, view, store, plan } = this;
    if (model === null || answer === null) return nothing;
    const request = forecastRequest(view, store, plan, model.calibrated);
    const file = {
      name: `forecast-${view.store}-${view.start}-${view.days}d.csv`,
      text: () => csvOf(store, answer.items, plan),
    };
    return take({ model, answer, request, file, keys: this.who?.keys ?? false });
  }

  toggleTable() {
    this.table = !this.table;
  }

  reset() {
    this.change({ changes: noChanges() });
    announce("All changes are undone.");
  }

  /** @param {CustomEvent<{date: string, fact: Fact, value: FactValue}>} event */
  onToggle({ detail: { date, fact, value } }) {
    const next = opposite(fact, value);
    const days = new Map(this.view.changes[fact]);
    // Back to the plan's own value: that is no change any more.
    const planned = this.plan.get(date)?.[fact];
    if (planned === next || (fact === "state_holiday" && planned !== "0" && next !== "0")) days.delete(date);
    else days.set(date, next);
    this.change({ changes: { ...this.view.changes, [fact]: days } }, { replace: true });
  }

  /** @param {CustomEvent<string>} event */
  async onDay({ detail: date }) {
    if (dayNumber(date) < dayNumber(this.view.start)) return;
    this.view = { ...this.view, explain: date };
    setQuery(writeView(this.view));
    await this.explain();
    await this.updateComplete;
    this.querySelector("#explained")?.scrollIntoView({ block: "nearest" });
    announce(`${shortDay(date)} is explained below the plan.`);
  }
}
customElements.define("shopcat-forecast", ForecastPage);

export default { title: "Sales forecast", path: "/console/forecast", element: "shopcat-forecast" };
