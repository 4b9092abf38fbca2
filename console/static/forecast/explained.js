/** The explanation of one day: its facts, the waterfall of its groups, and the inputs below. */

import { waterfall } from "../shared/chart/effects.js";
import { stepsOf } from "../shared/chart/scale.js";
import { between, change, shortDay, signed, whole } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";
import { columnName, factsOf, GROUPS } from "./words.js";

/** @import {Contribution, DayForecast, Explanation, PlanDay} from "../shared/answers.js" */

/** Contributions below this share change nothing that a person would notice. */
const SMALL = 0.0005;

/**
 * Return the panel of a chosen day.
 * @param {object} day
 * @param {DayForecast} day.forecast
 * @param {PlanDay | undefined} day.facts the plan with the changes
 * @param {Explanation | null} day.explanation null while it is on its way
 * @param {string} day.error
 */
export function explained({ forecast, facts, explanation, error }) {
  const intervals = (forecast.what_if ?? forecast).intervals ?? [];
  const changed = forecast.what_if;
  return html`
    <p class="day-facts">
      Forecast <b>${whole((changed ?? forecast).sales)}</b>${facts ? html` · ${factsOf(facts)}` : nothing}
      ${intervals.map((interval) => html` · ${interval.level} % range ${between(interval)}`)}
      ${
        changed && Math.round(changed.difference) !== 0
          ? html` · <span class="changed">${signed(changed.difference)} (${change(changed.ratio)}) by your changes</span>`
          : nothing
      }
    </p>
    ${error ? html`<p class="notice bad" role="alert">${error}</p>` : nothing}
    ${explanation ? contributions(explanation) : error ? nothing : html`<p class="muted waiting">Explaining…</p>`}
  `;
}

/** @param {Explanation} explanation */
function contributions(explanation) {
  if (explanation.unexplained !== null)
    return html`<p class="notice">There is nothing to explain: ${explanation.unexplained}.</p>`;
  const { baseline } = explanation;
  const steps = stepsOf(
    { label: "An ordinary day", value: baseline.sales },
    explanation.groups.map(({ group, multiplier }) => ({ label: GROUPS[group] ?? group, multiplier })),
    "This forecast",
  );
  return html`
    ${waterfall(steps, `From an ordinary day (store ${baseline.store}, ${shortDay(baseline.date)}) to this forecast`)}
    <p class="hint">
      Each row multiplies the one before. It shows what goes together in past data, not what causes what: to learn the
      effect of a promotion, change the plan above.
    </p>
    <details>
      <summary>The inputs behind each row</summary>
      <div class="scroll" tabindex="0" role="region" aria-label="Inputs of the forecast">${inputs(explanation.contributions)}</div>
    </details>`;
}

/** @param {Contribution[]} all */
function inputs(all) {
  const shown = all.filter(({ log }) => Math.abs(log) >= SMALL);
  return html`<table class="plain">
    <thead>
      <tr><th scope="col">Input</th><th scope="col">Belongs to</th><th scope="col" class="number">Here</th>
        <th scope="col" class="number">Ordinary day</th><th scope="col" class="number">Times</th></tr>
    </thead>
    <tbody>
      ${shown.map(
        (one) => html`<tr>
          <th scope="row">${columnName(one.input)}<br><code>${one.input}</code></th>
          <td>${GROUPS[one.group] ?? one.group}</td>
          <td class="number">${valueText(one.value)}</td>
          <td class="number">${valueText(one.baseline)}</td>
          <td class="number">× ${one.multiplier.toFixed(3)}</td>
        </tr>`,
      )}
    </tbody>
  </table>
  ${shown.length < all.length ? html`<p class="hint">${all.length - shown.length} inputs changed nothing.</p>` : nothing}`;
}

/** @param {number | string | null} value */
function valueText(value) {
  if (value === null || value === "") return "–";
  return typeof value === "number" ? String(Math.round(value * 1000) / 1000) : value;
}
