/** Reasons, states and times of reviews in the words of people. */

import { breedName } from "../shared/format.js";

/** @type {Record<string, string>} */
export const REASONS = {
  low_probability: "The model was not sure.",
  unlike_training: "The photo is unlike all that the model learned from.",
  random_check: "Drawn at random from the accepted answers, to check how good they are.",
};

/** @type {Record<string, string>} */
export const SHORT_REASONS = {
  low_probability: "Not sure",
  unlike_training: "Unlike training",
  random_check: "Random check",
};

/** @type {Record<string, string>} */
export const SKIPS = {
  unclear_photo: "The photo is too bad",
  private_content: "It shows people or something private",
  needs_an_expert: "It needs somebody who knows more",
  other: "Another reason",
};

/** @type {Record<string, string>} */
export const APPEAL_STATES = {
  open: "Waits for a reviewer",
  assigned: "A reviewer looks at it",
  upheld: "The answer stands",
  changed: "The answer was changed",
  declined: "It could not be decided",
  withdrawn: "Withdrawn",
  erased: "Erased",
};

/** @type {Record<string, string>} */
export const STEPS = {
  file: "Sent",
  assign: "Taken by a reviewer",
  release: "Given back",
  decide: "Decided",
  withdraw: "Withdrawn",
  erase: "Erased",
};

/**
 * Return a verdict as words.
 * @param {{verdict: string, breed: string | null}} answer
 */
export function verdictWords({ verdict, breed }) {
  if (verdict === "breed") return breedName(breed ?? "");
  if (verdict === "other_breed") return "A breed that the model does not know";
  return verdict === "not_a_pet" ? "No cat and no dog" : "Can't tell";
}

const TIME = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY_AND_TIME = new Intl.DateTimeFormat("en-GB", {
  day: "numeric",
  month: "short",
  year: "numeric",
  hour: "2-digit",
  minute: "2-digit",
});

/** @param {string} at */
export const clock = (at) => TIME.format(new Date(at));

/** @param {string} at */
export const moment = (at) => DAY_AND_TIME.format(new Date(at)).replace("Sept", "Sep");

/**
 * Return a period as its largest unit: "3 days", "1 hour".
 * @param {number} seconds
 */
export function period(seconds) {
  const units = /** @type {const} */ ([
    ["day", 86_400],
    ["hour", 3_600],
    ["minute", 60],
  ]);
  for (const [unit, length] of units) {
    const number = Math.floor(seconds / length);
    if (number >= 1) return `${number} ${unit}${number === 1 ? "" : "s"}`;
  }
  return "less than a minute";
}
