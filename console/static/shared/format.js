/** Numbers and days as people read them. A day is a string such as 2015-08-01 everywhere. */

const DAY = 86_400_000;

const WHOLE = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const ONE = new Intl.NumberFormat("en", { minimumFractionDigits: 1, maximumFractionDigits: 1 });
const SHORT = new Intl.DateTimeFormat("en-GB", { weekday: "short", day: "numeric", month: "short", timeZone: "UTC" });
const LONG = new Intl.DateTimeFormat("en-GB", {
  weekday: "long",
  day: "numeric",
  month: "long",
  year: "numeric",
  timeZone: "UTC",
});
const PLAIN = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", year: "numeric", timeZone: "UTC" });

/** @param {number} value */
export const whole = (value) => WHOLE.format(value);

/**
 * Return a difference with its sign: "+1,200" or "−80".
 * @param {number} value
 */
export const signed = (value) => (Math.round(value) < 0 ? "−" : "+") + WHOLE.format(Math.abs(value));

/**
 * Return a share as a percentage: 0.123 is "12.3 %".
 * @param {number} share
 */
export const percent = (share) => `${ONE.format(100 * share)} %`;

/**
 * Return the change of a ratio: 1.403 is "+40.3 %".
 * @param {number | null} ratio
 */
export function change(ratio) {
  if (ratio === null) return "";
  const share = 100 * (ratio - 1);
  return `${share <= -0.05 ? "−" : "+"}${ONE.format(Math.abs(share))} %`;
}

/**
 * Return a range: "8,437 to 11,125".
 * @param {{low: number, high: number}} range
 */
export const between = ({ low, high }) => `${whole(low)} to ${whole(high)}`;

/** @param {string} day */
const utc = (day) => new Date(`${day}T00:00:00Z`);

/**
 * Return a day with its weekday: "Sat 1 Aug". British English has "Sept", other months have three letters.
 * @param {string} day
 */
export const shortDay = (day) => SHORT.format(utc(day)).replace(",", "").replace("Sept", "Sep");

/** @param {string} day */
export const longDay = (day) => LONG.format(utc(day));

/**
 * Return a day with its year: "1 Aug 2015".
 * @param {string} day
 */
export const plainDay = (day) => PLAIN.format(utc(day)).replace("Sept", "Sep");

/**
 * Return the first and the last day of a range.
 * @param {string} first
 * @param {string} last
 */
export const dayRange = (first, last) => `${plainDay(first)} to ${plainDay(last)}`;

/**
 * Return a day's number, counted from 1970-01-01.
 * @param {string} day
 */
export const dayNumber = (day) => Math.round(utc(day).getTime() / DAY);

/**
 * Return the day that is some days later.
 * @param {string} day
 * @param {number} days
 */
export const addDays = (day, days) => new Date(utc(day).getTime() + days * DAY).toISOString().slice(0, 10);

/**
 * Return the day's weekday; 0 is Monday.
 * @param {string} day
 */
export const weekday = (day) => (utc(day).getUTCDay() + 6) % 7;

/**
 * Return true for a day of the calendar, written as 2015-08-01.
 * @param {string | null} text
 * @returns {text is string}
 */
export function isDay(text) {
  if (text === null || !/^\d{4}-\d{2}-\d{2}$/.test(text)) return false;
  const date = utc(text);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(text);
}

/**
 * Return the name of a class as words: "british_shorthair" is "British shorthair".
 * @param {string} name
 */
export function breedName(name) {
  const words = name.replaceAll("_", " ");
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/**
 * Return a count with its noun: "1 day", "3 days".
 * @param {number} number
 * @param {string} noun
 */
export const count = (number, noun) => `${whole(number)} ${noun}${number === 1 ? "" : "s"}`;
