/** The figures above the chart: the total, the total with the changes, last year, and the strongest day. */

import { between, change, count, shortDay, signed, whole } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";
import { lastYear } from "./data.js";

/** @import {Forecasts, PlanDay} from "../shared/answers.js" */
/** @import {View} from "./plan.js" */

/**
 * Return the figures.
 * @param {View} view
 * @param {Map<string, PlanDay>} plan
 * @param {Forecasts | null} answer null while it is on its way
 */
export function figures(view, plan, answer) {
  const total = answer?.total;
  const before = answer ? lastYear(view, plan) : null;
  const wide = (total?.what_if ?? total)?.intervals?.find(({ level }) => level === 90);
  const now = (total?.what_if ?? total)?.sales;
  const open = (answer?.items ?? []).filter((day) => (day.what_if ?? day).sales > 0);
  const best = [...open].sort((a, b) => (b.what_if ?? b).sales - (a.what_if ?? a).sales)[0];
  return html`<dl class="figures">
    <div class="figure main">
      <dt>Total of ${count(view.days, "day")}</dt>
      <dd><b>${total ? whole(total.sales) : "–"}</b>
        <span>${total?.intervals ? html`9 times in 10: ${between(/** @type {any} */ (total.intervals.at(-1)))}` : " "}</span></dd>
    </div>
    <div class="figure ${total?.what_if ? "changed" : "muted"}">
      <dt>With your changes</dt>
      <dd><b>${total?.what_if ? whole(total.what_if.sales) : "–"}</b>
        <span>${
          total?.what_if
            ? html`${signed(total.what_if.difference)} (${change(total.what_if.ratio)})${wide ? html`<br>9 times in 10: ${between(wide)}` : nothing}`
            : "Change the plan below to compare"
        }</span></dd>
    </div>
    <div class="figure">
      <dt>Same weeks last year</dt>
      <dd><b>${before === null ? "–" : whole(before)}</b>
        <span>${before === null ? "not all known" : now ? html`this plan: ${change(now / before)}` : nothing}</span></dd>
    </div>
    <div class="figure">
      <dt>Strongest day</dt>
      <dd><b>${best ? shortDay(best.date) : "–"}</b>
        <span>${best ? html`${whole((best.what_if ?? best).sales)}; ${count(open.length, "open day")}` : nothing}</span></dd>
    </div>
  </dl>`;
}
