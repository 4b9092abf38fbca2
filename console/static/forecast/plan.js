/**
 * The state of the forecast page, as the address bar has it: a store, a range, the changed facts and the chosen day.
 *
 * A changed fact is listed by day, such as `promo=2015-08-03..2015-08-07` and `no-open=2015-08-10`.
 */

import { addDays, dayNumber, isDay } from "../shared/format.js";

/** @import {PlanDay, StoreId} from "../shared/answers.js" */

/** @typedef {"promo" | "open" | "state_holiday" | "school_holiday"} Fact */
/** @typedef {boolean | string} FactValue */
/** @typedef {Map<string, FactValue>} FactChanges values by day */

/**
 * @typedef {object} View
 * @property {string} store
 * @property {string} start
 * @property {number} days
 * @property {number} weeks weeks of history
 * @property {string} explain the chosen day, or ""
 * @property {Record<Fact, FactChanges>} changes
 */

/** @type {{fact: Fact, label: string, on: string, off: string, parameter: string}[]} */
export const FACTS = [
  { fact: "promo", label: "Promotion", on: "promotion", off: "no promotion", parameter: "promo" },
  { fact: "open", label: "Open", on: "open", off: "closed", parameter: "open" },
  { fact: "state_holiday", label: "Public holiday", on: "public holiday", off: "no holiday", parameter: "holiday" },
  { fact: "school_holiday", label: "School holiday", on: "school holiday", off: "school", parameter: "school" },
];

export const MAX_DAYS = 366;

/** @returns {Record<Fact, FactChanges>} */
export const noChanges = () => ({
  promo: new Map(),
  open: new Map(),
  state_holiday: new Map(),
  school_holiday: new Map(),
});

/**
 * Return true if a view has changes, also such that the plan already has.
 * @param {View} view
 */
export const hasChanges = (view) => FACTS.some(({ fact }) => view.changes[fact].size > 0);

/**
 * Return true if a value of a fact means "yes".
 * @param {FactValue} value
 */
export const isOn = (value) => value !== false && value !== "0";

/**
 * Return the other value of a fact. A new holiday is a public one.
 * @param {Fact} fact
 * @param {FactValue} value
 * @returns {FactValue}
 */
export function opposite(fact, value) {
  if (fact === "state_holiday") return isOn(value) ? "0" : "a";
  return !value;
}

/**
 * Read the state from an address. What it does not have, or has wrong, is that of `fallback`.
 * @param {URLSearchParams} query
 * @param {View} fallback
 * @returns {View}
 */
export function readView(query, fallback) {
  const start = query.get("start");
  const days = Number(query.get("days"));
  const weeks = Number(query.get("history"));
  const explain = query.get("explain");
  const changes = noChanges();
  for (const { fact, parameter } of FACTS) {
    const on = fact === "state_holiday" ? "a" : true;
    for (const day of daysOf(query.get(parameter))) changes[fact].set(day, on);
    for (const day of daysOf(query.get(`no-${parameter}`))) changes[fact].set(day, opposite(fact, on));
  }
  return {
    store: query.get("store") ?? fallback.store,
    start: isDay(start) ? start : fallback.start,
    days: Number.isInteger(days) && days >= 1 && days <= MAX_DAYS ? days : fallback.days,
    weeks: Number.isInteger(weeks) && weeks >= 0 && weeks <= 104 && query.has("history") ? weeks : fallback.weeks,
    explain: isDay(explain) ? explain : "",
    changes,
  };
}

/**
 * Return the parameters of the address for a state.
 * @param {View} view
 * @returns {Record<string, string>}
 */
export function writeView(view) {
  /** @type {Record<string, string>} */
  const parameters = {
    store: view.store,
    start: view.start,
    days: String(view.days),
    history: String(view.weeks),
    explain: view.explain,
  };
  for (const { fact, parameter } of FACTS) {
    const days = [...view.changes[fact]];
    parameters[parameter] = runsOf(days.filter(([, value]) => isOn(value)).map(([day]) => day));
    parameters[`no-${parameter}`] = runsOf(days.filter(([, value]) => !isOn(value)).map(([day]) => day));
  }
  return parameters;
}

/**
 * Return the days of a list such as `2015-08-03..2015-08-07,2015-08-12`.
 * @param {string | null} text
 * @returns {string[]}
 */
export function daysOf(text) {
  const days = [];
  for (const run of (text ?? "").split(",")) {
    const [first = "", last = first] = run.split("..");
    if (!isDay(first) || !isDay(last)) continue;
    const length = Math.min(MAX_DAYS, dayNumber(last) - dayNumber(first) + 1);
    for (let day = 0; day < length; day += 1) days.push(addDays(first, day));
  }
  return days;
}

/**
 * Return days as a list of runs; the inverse of `daysOf`.
 * @param {string[]} days
 */
export function runsOf(days) {
  /** @type {[string, string][]} */
  const runs = [];
  for (const day of [...days].sort()) {
    const run = runs.at(-1);
    if (run && addDays(run[1], 1) === day) run[1] = day;
    else runs.push([day, day]);
  }
  return runs.map(([first, last]) => (first === last ? first : `${first}..${last}`)).join(",");
}

/**
 * Return the days of a view's range; none before the model is known.
 * @param {View} view
 */
export const rangeOf = ({ start, days }) => Array.from({ length: start ? days : 0 }, (_, day) => addDays(start, day));

/**
 * Return the changes of a plan that differ from it and lie in the range, by fact: one value a day, null where the plan
 * holds.
 * @param {View} view
 * @param {Map<string, PlanDay>} plan
 * @returns {Partial<Record<Fact, (FactValue | null)[]>>}
 */
export function whatIfOf(view, plan) {
  /** @type {Partial<Record<Fact, (FactValue | null)[]>>} */
  const whatIf = {};
  for (const { fact } of FACTS) {
    const values = rangeOf(view).map((day) => {
      const changed = view.changes[fact].get(day);
      return changed === undefined || changed === plan.get(day)?.[fact] ? null : changed;
    });
    if (values.some((value) => value !== null)) whatIf[fact] = values;
  }
  return whatIf;
}

/**
 * Return the request for a view's forecast.
 * @param {View} view
 * @param {StoreId} store
 * @param {Map<string, PlanDay>} plan
 * @param {boolean} calibrated true if the model has intervals
 * @returns {Record<string, unknown>}
 */
export function forecastRequest(view, store, plan, calibrated) {
  const whatIf = whatIfOf(view, plan);
  return {
    store,
    start: view.start,
    days: view.days,
    ...(calibrated && { levels: [80, 90] }),
    ...(Object.keys(whatIf).length > 0 && { what_if: whatIf }),
  };
}

/** Most items that the service explains in one request. */
const MAX_EXPLAINED = 50;

/**
 * Return the request that explains the chosen day under the changed plan. The other changed days are items too,
 * because the facts of one request form one plan.
 * @param {View} view
 * @param {StoreId} store
 * @param {Map<string, PlanDay>} plan
 */
export function explanationRequest(view, store, plan) {
  const whatIf = whatIfOf(view, plan);
  const items = new Map([[view.explain, /** @type {Record<string, unknown>} */ ({ store, date: view.explain })]]);
  const at = dayNumber(view.explain);
  const nearest = rangeOf(view).sort((a, b) => Math.abs(dayNumber(a) - at) - Math.abs(dayNumber(b) - at));
  for (const day of nearest) {
    for (const { fact } of FACTS) {
      const value = whatIf[fact]?.[dayNumber(day) - dayNumber(view.start)] ?? null;
      if (value === null) continue;
      const item = items.get(day) ?? { store, date: day };
      item[fact] = value;
      items.set(day, item);
    }
  }
  return { items: [...items.values()].slice(0, MAX_EXPLAINED) };
}
