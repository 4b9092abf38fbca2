/** The service's codes and column names as words for a person who plans a store. */

import { count, plainDay, shortDay } from "../shared/format.js";

/** @import {DayForecast, PlanDay, Warning} from "../shared/answers.js" */

/** @type {Record<string, string>} */
export const GROUPS = {
  history: "Past sales of the store",
  date: "Weekday and season",
  promotion: "Promotion",
  holidays: "Holidays",
  opening: "Closed days nearby",
  weather: "Weather",
  competition: "Competitors",
  store: "Kind of store, place",
  trend: "Interest in searches",
  own: "Your own columns",
};

/** @type {Record<string, string>} */
export const ASSUMED = {
  open: "whether the store is open",
  promo: "whether there is a promotion",
  state_holiday: "public holidays",
  school_holiday: "school holidays",
  weather: "the weather (the usual one of the season)",
  columns: "values of your own columns",
};

/** @type {Record<string, string>} */
const HOLIDAYS = { a: "public holiday", b: "Easter", c: "Christmas" };

/**
 * Return the facts of a day as words: "open, promotion".
 * @param {PlanDay} day
 */
export function factsOf(day) {
  const facts = [day.open ? "open" : "closed", day.promo ? "promotion" : "no promotion"];
  const holiday = HOLIDAYS[day.state_holiday];
  if (holiday) facts.push(holiday);
  if (day.school_holiday) facts.push("school holiday");
  return facts.join(", ");
}

/** @type {Record<string, (field: string) => string>} */
const WARNINGS = {
  filled: (field) => `${columnName(field)} is missing; the usual value is used.`,
  unseen: (field) => `${columnName(field)} has a value that the model never met; it is treated as unknown.`,
  out_of_range: (field) => `${columnName(field)} is outside all that the model has seen.`,
  unused: (field) => `${columnName(field)} was stated, but this model does not use it.`,
  no_history: () => "No past sales of this store are known. Similar stores are used instead.",
  beyond_horizon: () => "These days are later than the model was made for. Expect larger errors.",
  new_store: () => "No past forecasts of this store are known, so its ranges are wider.",
  training_period: () => "The model learned from these days. The values are a fit, not a forecast.",
};

/**
 * Return a column's name as words.
 * @param {string} name
 */
export function columnName(name) {
  const known = COLUMNS[name.replace(/_(fw|bw|n|\d+)$/, "")];
  if (!known) return name;
  if (name.endsWith("_fw")) return `${known} in the week to come`;
  if (name.endsWith("_bw")) return `${known} in the week before`;
  return known;
}

/** @type {Record<string, string>} */
const COLUMNS = {
  Promo: "Promotion",
  Promo2Month: "Month of the continuing promotion",
  Promo2Weeks: "Weeks of the continuing promotion",
  PromoInterval: "Months of the continuing promotion",
  StateHoliday: "Public holidays",
  StateHolidayType: "Kind of public holiday",
  SchoolHoliday: "School holidays",
  DayOfWeek: "Weekday",
  Week: "Week of the year",
  Month: "Month",
  Day: "Day of the month",
  Level: "Usual sales of the store",
  Level_n: "Days with known sales",
  Delta: "Recent sales against usual",
  DeltaToAll: "Recent sales against other stores",
  Weekday: "Usual sales of this weekday",
  PromoWeekday: "Usual effect of a promotion on this weekday",
  PromoEffect: "Usual effect of a promotion",
  Spread: "How much sales vary",
  SundayShare: "Share of Sundays open",
  DaysAhead: "Days ahead",
  DateEffect: "This date in other years",
  DateEffectState: "This date in the region in other years",
  EasterEffect: "Easter in other years",
  EasterEffectState: "Easter in the region in other years",
  Open: "Days open",
  OpenBefore: "Open on the days before",
  OpenAfter: "Open on the days after",
  Mean_TemperatureC: "Temperature",
  Mean_Humidity: "Humidity",
  Mean_Wind_SpeedKm_h: "Wind",
  CloudCover: "Clouds",
  Precipitationmm: "Rain",
  LogCompetitionDistance: "Distance to the nearest competitor",
  CompetitionMonths: "Months since the competitor opened",
  CompetitionOpen: "Competitor is open",
  Store: "This store",
  State: "Region",
  StoreType: "Type of store",
  Assortment: "Assortment",
  DaysToMonthEnd: "Days to the end of the month",
  SincePromo: "Days since a promotion",
  UntilPromo: "Days until a promotion",
  SinceStateHoliday: "Days since a public holiday",
  UntilStateHoliday: "Days until a public holiday",
  SinceSchoolHoliday: "Days since a school holiday",
  UntilSchoolHoliday: "Days until a school holiday",
  SchoolBreakDay: "Day of the school break",
  SchoolBreakLeft: "Days left of the school break",
  SinceSchoolBreak: "Days since the school break",
  UntilSchoolBreak: "Days until the school break",
  AdventWeek: "Week of Advent",
  EventDay: "Event",
};

/**
 * @typedef {object} Note
 * @property {string} text
 * @property {string} days
 */

/**
 * Return the warnings of all days, each once, with the days that it holds for.
 * @param {DayForecast[]} days
 * @returns {Note[]}
 */
export function warningNotes(days) {
  /** @type {Map<string, {text: string, dates: string[]}>} */
  const notes = new Map();
  for (const day of days) {
    for (const warning of [...(day.warnings ?? []), ...(day.what_if?.warnings ?? [])]) {
      const text = warningText(warning);
      const note = notes.get(text) ?? { text, dates: [] };
      if (!note.dates.includes(day.date)) note.dates.push(day.date);
      notes.set(text, note);
    }
  }
  return [...notes.values()].map(({ text, dates }) => ({ text, days: daysText(dates, days.length) }));
}

/** @param {Warning} warning */
const warningText = (warning) => WARNINGS[warning.code]?.(warning.field) ?? `${warning.detail}.`;

/**
 * Return the assumed facts of all days, each once.
 * @param {DayForecast[]} days
 * @returns {Note[]}
 */
export function assumedNotes(days) {
  /** @type {Map<string, string[]>} */
  const dates = new Map();
  for (const day of days) {
    for (const name of day.assumed ?? []) dates.set(name, [...(dates.get(name) ?? []), day.date]);
  }
  return [...dates].map(([name, on]) => ({ text: ASSUMED[name] ?? name, days: daysText(on, days.length) }));
}

/**
 * Return some days of a range as words.
 * @param {string[]} dates
 * @param {number} total
 */
function daysText(dates, total) {
  if (dates.length === total) return total === 1 ? "" : "all days";
  if (dates.length <= 3) return dates.map(shortDay).join(", ");
  return `${count(dates.length, "day")}, the first is ${plainDay(/** @type {string} */ (dates[0]))}`;
}
