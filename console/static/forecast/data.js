/** Requests of the forecast page, and the days of its chart. */

import { post, request, ServiceError } from "../shared/api.js";
import { addDays } from "../shared/format.js";
import { explanationRequest, forecastRequest, rangeOf } from "./plan.js";

/** @import {DayForecast, Explanation, Forecasts, History, Interval, PlanDay, SalesModel, Store, StoreId} from "../shared/answers.js" */
/** @import {ChartDay} from "../shared/chart/timeline.js" */
/** @import {View} from "./plan.js" */

/**
 * Return the stores of a model.
 * @param {SalesModel} model
 * @returns {Promise<Store[]>}
 */
export const storesOf = async (model) => (await request(`/console/api/sales/${model.name}/stores`)).stores;

/**
 * Return the known sales and the plan of a store, by day.
 * @param {SalesModel} model
 * @param {StoreId} store
 * @param {string} first
 * @param {string} last
 * @param {AbortSignal} signal
 * @returns {Promise<Map<string, PlanDay>>}
 */
export async function planOf(model, store, first, last, signal) {
  const query = new URLSearchParams({ store: String(store), first, last });
  /** @type {History} */
  const answer = await request(`/console/api/sales/${model.name}/history?${query}`, { signal });
  return new Map(answer.days.map((day) => [day.date, day]));
}

/**
 * Return the forecast of a view.
 * @param {SalesModel} model
 * @param {View} view
 * @param {StoreId} store
 * @param {Map<string, PlanDay>} plan
 * @param {AbortSignal} signal
 * @returns {Promise<Forecasts>}
 */
export const forecastOf = (model, view, store, plan, signal) =>
  post(`/predictions/${model.name}`, forecastRequest(view, store, plan, model.calibrated), { signal });

/**
 * Return the explanation of the chosen day.
 * @param {SalesModel} model
 * @param {View} view
 * @param {StoreId} store
 * @param {Map<string, PlanDay>} plan
 * @param {AbortSignal} signal
 * @returns {Promise<Explanation>}
 */
export async function explanationOf(model, view, store, plan, signal) {
  const answer = await post(`/explanations/${model.name}`, explanationRequest(view, store, plan), { signal });
  /** @type {Explanation} */
  const first = answer.items[0];
  if (first.problem) throw new ServiceError(first.problem.detail, first.problem.status, first.problem);
  return first;
}

/** Days of a year whose weekdays match: 52 weeks. */
export const YEAR = 364;

/**
 * Return the first and the last day that a view needs: the history, and the same days a year ago.
 * @param {View} view
 * @param {SalesModel} model
 * @returns {[string, string]}
 */
export function spanOf(view, model) {
  const last = addDays(view.start, view.days - 1);
  const history = addDays(view.start, -7 * view.weeks);
  const year = addDays(view.start, -YEAR);
  // Days as text sort like days.
  const [first = ""] = [history, year].sort();
  return [[first, model.first_date].sort()[1] ?? first, [last, model.last_date].sort()[0] ?? last];
}

/**
 * Return the days of the chart.
 * @param {View} view
 * @param {Map<string, PlanDay>} plan
 * @param {DayForecast[]} forecasts
 * @returns {ChartDay[]}
 */
export function chartDays(view, plan, forecasts) {
  const byDate = new Map(forecasts.map((day) => [day.date, day]));
  const before = Array.from({ length: 7 * view.weeks }, (_, day) => addDays(view.start, day - 7 * view.weeks));
  const dates = [...before, ...rangeOf(view)];
  const differs = (/** @type {string | undefined} */ date) =>
    date !== undefined && Math.abs(byDate.get(date)?.what_if?.difference ?? 0) >= 0.5;
  return dates.map((date, index) => {
    const day = plan.get(date);
    const forecast = byDate.get(date);
    const open = view.changes.open.get(date) ?? day?.open ?? true;
    return {
      date,
      past: day?.sales ?? null,
      forecast: forecast?.sales ?? null,
      bands: widestFirst(forecast?.what_if?.intervals ?? forecast?.intervals ?? []),
      // The second line leaves the first where they differ, and comes back the day after.
      changed: [index - 1, index, index + 1].some((near) => differs(dates[near]))
        ? (forecast?.what_if?.sales ?? null)
        : null,
      closed: forecast ? !forecast.sales && !forecast.what_if?.sales : !open && !day?.sales,
    };
  });
}

/** @param {Interval[]} intervals */
const widestFirst = (intervals) => [...intervals].sort((a, b) => b.level - a.level);

/**
 * Return the sum of the known sales a year before the range, or null if days are missing.
 * @param {View} view
 * @param {Map<string, PlanDay>} plan
 * @returns {number | null}
 */
export function lastYear(view, plan) {
  let sum = 0;
  let sold = 0;
  for (const date of rangeOf(view)) {
    const day = plan.get(addDays(date, -YEAR));
    if (day === undefined || (day.sales === null && day.open)) return null;
    sum += day.sales ?? 0;
    sold += day.sales === null ? 0 : 1;
  }
  return sold > 0 ? sum : null;
}
