/** Figures with their bounds, as tables that everybody can read. */

import { count, percent } from "../shared/format.js";
import { html, nothing, svg } from "../vendor/lit.js";

/** @import {Estimate, PetsReport, SalesFigures, SalesReport} from "./types.js" */

/** @type {Record<string, string>} */
const GROUPS = {
  horizon: "By week after the last known sales",
  store_type: "By type of store",
  assortment: "By assortment",
  state: "By state",
};

/** @type {Record<string, string>} */
const SOURCES = { receipt: "Forecasts that were given", recomputed: "Forecasts made again now" };

/** @type {Record<string, [string, string]>} */
const ACCURACY = {
  all: ["All photos", "accuracy"],
  accepted: ["Accepted photos", "accuracy_accepted"],
  reviewed: ["Photos left to people", ""],
};

/** @type {Record<string, string>} */
const WHY = { reviewer: "reviewers", owner: "owners", papers: "papers" };

/**
 * Return the figures of a sales model.
 * @param {SalesReport} report
 */
export function salesFigures(report) {
  return Object.keys(SOURCES).map((source) => {
    const figures = report.figures.filter((row) => row.source === source);
    if (!figures.length) return nothing;
    const groups = [...new Set(figures.map(({ group }) => group))];
    return html`<h3>${SOURCES[source]}</h3>
      ${source === "recomputed" ? html`<p class="hint">Nobody was given these forecasts, so they are not counted above.</p>` : nothing}
      ${groups.map((group) => {
        const rows = figures.filter((row) => row.group === group);
        if (group === "all") return salesTable("All forecasts", rows, report.card);
        return html`<details><summary>${GROUPS[group] ?? group}</summary>${salesTable(GROUPS[group] ?? group, rows, {})}</details>`;
      })}`;
  });
}

/**
 * @param {string} caption
 * @param {SalesFigures[]} rows
 * @param {Record<string, number>} card
 */
function salesTable(caption, rows, card) {
  return html`<div class="wide" tabindex="0" role="region" aria-label=${caption}>
    <table class="measures">
      <caption class="unseen">${caption}</caption>
      <thead>
        <tr>
          <th scope="col">Group</th>
          <th scope="col">Days</th>
          <th scope="col">Average error</th>
          <th scope="col">Too high or too low</th>
          <th scope="col">Within the 80 % range</th>
          <th scope="col">Within the 90 % range</th>
        </tr>
      </thead>
      <tbody>
        ${rows.map(
          (row) => html`<tr>
            <th scope="row">${row.group === "all" ? "All" : row.group === "horizon" ? `Week ${row.value}` : row.value}</th>
            <td>${row.wape.answers}</td>
            <td>${cell(row.wape, { card: card.wape, scale: 0.4 })}</td>
            <td>${cell(row.bias, { signed: true })}</td>
            <td>${cell(row.coverage_80, { card: card.coverage_80, scale: 1 })}</td>
            <td>${cell(row.coverage_90, { card: card.coverage_90, scale: 1 })}</td>
          </tr>`,
        )}
      </tbody>
    </table>
  </div>`;
}

/**
 * Return the figures of a pets model.
 * @param {PetsReport} report
 */
export function petsFigures(report) {
  if (!report.truths) return nothing;
  return html`<div class="wide" tabindex="0" role="region" aria-label="Right answers about photos">
      <table class="measures">
        <caption class="unseen">Right answers about photos</caption>
        <thead>
          <tr><th scope="col">Photos</th><th scope="col">Looked at</th><th scope="col">Right</th></tr>
        </thead>
        <tbody>
          ${report.figures.map(({ group, value, estimate, accuracy }) => {
            const [words = estimate, name = ""] = ACCURACY[estimate] ?? [];
            return html`<tr>
              <th scope="row">${words}${group === "species" ? `, ${value}s` : ""}</th>
              <td>${accuracy.answers}</td>
              <td>${cell(accuracy, { card: group === "all" ? report.card[name] : undefined, scale: 1 })}</td>
            </tr>`;
          })}
        </tbody>
      </table>
    </div>
    <p class="hint">Only what reviewers saw counts: all photos below the threshold, and a random share of the accepted ones.
      ${report.reports.map(({ why, truth, number }) => `${count(number, "truth")} by ${WHY[why]}: ${truth.replaceAll("_", " ")}.`).join(" ")}</p>`;
}

/**
 * Return an estimate with its bounds, drawn and in words.
 * @param {Estimate} estimate
 * @param {{card?: number, scale?: number, signed?: boolean}} [options]
 */
function cell({ answers, point, low, high }, { card, scale, signed = false } = {}) {
  if (point === null) return html`<span class="muted">not known</span>`;
  const words = signed ? signedPercent : percent;
  const bounds = low === null || high === null;
  return html`<span class="point">${words(point)}</span>
    ${bounds ? html`<span class="bounds muted">too few ${answers < 30 ? "answers" : "days"} for a range</span>` : html`<span class="bounds">${words(low)} to ${words(high)}</span>`}
    ${scale && !bounds ? bar(low, point, high, scale, card) : nothing}
    ${card === undefined ? nothing : html`<span class="bounds muted">its card says ${percent(card)}</span>`}`;
}

/** @param {number} share */
const signedPercent = (share) => (share < 0 ? `${percent(-share)} too low` : `${percent(share)} too high`);

/**
 * Return a drawing of an estimate: its bounds, its point, and a tick for the card.
 * @param {number} low
 * @param {number} point
 * @param {number} high
 * @param {number} scale value at the right end
 * @param {number | undefined} card
 */
function bar(low, point, high, scale, card) {
  const x = (/** @type {number} */ value) => 100 * Math.min(Math.max(value / scale, 0), 1);
  return html`<svg class="range" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">
    <rect class="track" x="0" y="4" width="100" height="2"></rect>
    <rect class="span" x=${x(low)} y="2" width=${Math.max(x(high) - x(low), 0.5)} height="6"></rect>
    <rect class="mark" x=${x(point) - 0.5} y="0" width="1" height="10"></rect>
    ${card === undefined ? nothing : svg`<rect class="card-mark" x=${x(card) - 0.4} y="0" width="0.8" height="10"></rect>`}
  </svg>`;
}
