/** Texts of the label page, and addresses of its parts. */

/** Name of a project with drawn vehicles. */
export const DEMONSTRATION = "Vehicles";

const MOMENT = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/**
 * Return a time: "29 Nov 2026, 05:37".
 * @param {string | number} time ISO 8601, or seconds since 1970
 */
export const since = (time) =>
  MOMENT.format(new Date(typeof time === "number" ? time * 1000 : time)).replace("Sept", "Sep");

/**
 * Return the address of a project's page.
 * @param {string} id
 */
export const projectAddress = (id) => `/console/label?project=${encodeURIComponent(id)}`;

/**
 * Return the address of another part of the project on the screen, with the same view.
 * @param {{tab?: string, show?: string}} change
 */
export function partAddress(change) {
  const query = new URLSearchParams(location.search);
  for (const [name, value] of Object.entries(change))
    if (value === "photos" || value === "both") query.delete(name);
    else query.set(name, value);
  return `/console/label?${query}`;
}

/**
 * Return words with a capital letter and a full stop.
 * @param {string} words
 */
export const sentence = (words) => words.charAt(0).toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? "" : ".");

/**
 * Return how well labels are separated, with the warning if there is one.
 * @param {{text: string, warning: string | null}} separation
 */
export const separationWords = ({ text, warning }) => [text, warning ?? ""].filter(Boolean).map(sentence).join(" ");

/** @typedef {"photos" | "next" | "checks" | "audit" | "out"} Tab */

/** @type {[Tab, string][]} */
export const TABS = [
  ["photos", "Photos"],
  ["next", "What next?"],
  ["checks", "Look again"],
  ["audit", "How good is it?"],
  ["out", "Take it out"],
];

/** Ways in which a label was given. @type {Record<string, string>} */
export const HOW = {
  click: "one by one",
  lasso: "by a group on the map",
  similar: "by likeness",
  suggestion: "as suggested",
  confirm: "by confirming a group",
  import: "from a file",
  merge: "by merging labels",
  undo: "by undo",
  redo: "by redo",
};
