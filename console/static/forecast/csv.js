/** The forecast as a CSV file, with the columns that `shopcat forecast` writes. */

/** @import {DayForecast, PlanDay, StoreId} from "../shared/answers.js" */

const FACTS = /** @type {const} */ (["open", "promo", "state_holiday", "school_holiday"]);

/**
 * Return the forecast as CSV (RFC 4180).
 * @param {StoreId} store
 * @param {DayForecast[]} days
 * @param {Map<string, PlanDay>} plan
 */
export function csvOf(store, days, plan) {
  const levels = days.find((day) => day.intervals)?.intervals?.map((interval) => interval.level) ?? [];
  const compared = days.some((day) => day.what_if);
  const header = ["store", "date", ...FACTS, "sales"];
  for (const level of levels) header.push(`low_${level}`, `high_${level}`);
  if (compared) header.push("sales_what_if", "difference");
  header.push("assumed", "warnings");
  const rows = days.map((day) => {
    const facts = plan.get(day.date);
    const row = [store, day.date, ...FACTS.map((fact) => facts?.[fact] ?? ""), day.sales ?? ""];
    for (const level of levels) {
      const interval = day.intervals?.find((candidate) => candidate.level === level);
      row.push(interval?.low ?? "", interval?.high ?? "");
    }
    if (compared) row.push(day.what_if?.sales ?? "", day.what_if?.difference ?? "");
    const warnings = (day.warnings ?? []).map((warning) => `${warning.code}:${warning.field}`);
    return [...row, (day.assumed ?? []).join(";"), warnings.join(";")];
  });
  return [header, ...rows].map((row) => `${row.map(cell).join(",")}\r\n`).join("");
}

/** @param {unknown} value */
function cell(value) {
  let text = String(value);
  // A spreadsheet runs a text that begins like a formula.
  if (typeof value === "string" && /^[=+\-@\t\r]/.test(text)) text = `'${text}`;
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
