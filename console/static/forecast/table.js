/** The forecast as a table: the same values as the chart's. */

import { shortDay, signed, whole } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";
import { factsOf } from "./words.js";

/** @import {DayForecast, PlanDay} from "../shared/answers.js" */

/**
 * Return the table of a forecast.
 * @param {DayForecast[]} days
 * @param {Map<string, PlanDay>} plan
 */
export function dayTable(days, plan) {
  const levels = days.find((day) => day.intervals)?.intervals?.map((interval) => interval.level) ?? [];
  const compared = days.some((day) => day.what_if);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="Table of the forecast">
    <table class="plain">
      <thead>
        <tr>
          <th scope="col">Day</th>
          <th scope="col">Plan</th>
          <th scope="col" class="number">Forecast</th>
          ${levels.map((level) => html`<th scope="col" class="number">${level} % from</th><th scope="col" class="number">to</th>`)}
          ${compared ? html`<th scope="col" class="number">With your changes</th><th scope="col" class="number">Difference</th>` : nothing}
        </tr>
      </thead>
      <tbody>
        ${days.map((day) => {
          const facts = plan.get(day.date);
          return html`<tr>
            <th scope="row">${shortDay(day.date)}</th>
            <td>${facts ? factsOf(facts) : ""}</td>
            <td class="number">${day.problem ? "–" : whole(day.sales)}</td>
            ${levels.map((level) => {
              const interval = day.intervals?.find((candidate) => candidate.level === level);
              return html`<td class="number">${interval ? whole(interval.low) : "–"}</td>
                <td class="number">${interval ? whole(interval.high) : "–"}</td>`;
            })}
            ${
              compared
                ? html`<td class="number">${day.what_if ? whole(day.what_if.sales) : "–"}</td>
                  <td class="number">${day.what_if ? signed(day.what_if.difference) : "–"}</td>`
                : nothing
            }
          </tr>`;
        })}
      </tbody>
    </table>
  </div>`;
}
