/** Values of the store: answers as typed arrays, and texts about changes. */

import { ServiceError } from "../../shared/api.js";
import { count } from "../../shared/format.js";

/** @import {BatchAnswer, PredictionAnswer, Predictions} from "../types.js" */

/**
 * Return the numbers of a base64 text of little-endian float32.
 * @param {string} text
 */
export function floatsOf(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Float32Array(bytes.buffer);
}

/**
 * Return the columns of predictions. Float64, so that a confidence of 0.95 is not below a threshold of 0.95.
 * @param {PredictionAnswer} answer
 * @returns {Predictions}
 */
export function predictionsOf({ state, model, labels, confidence, margin, second }) {
  return {
    state,
    model,
    labels: Int32Array.from(labels),
    confidence: Float64Array.from(confidence),
    margin: Float64Array.from(margin),
    second: Int32Array.from(second),
  };
}

/**
 * Return a function that runs another one once, some time after the last call.
 * @param {number} delay milliseconds
 * @param {() => unknown} run
 */
export function later(delay, run) {
  let timer = 0;
  const ask = () => {
    clearTimeout(timer);
    timer = window.setTimeout(run, delay);
  };
  return Object.assign(ask, { cancel: () => clearTimeout(timer) });
}

/**
 * Return a problem in words. A fault of the page itself is thrown again, for the browser's console.
 * @param {unknown} error
 */
export function problemOf(error) {
  if (!(error instanceof ServiceError)) throw error;
  return error.message;
}

/**
 * Return in words what an undo or redo changed.
 * @param {string} done
 * @param {BatchAnswer} answer
 * @param {string} next
 * @param {string} nothing
 */
export function changed(done, answer, next, nothing) {
  if (answer.batch === null) return nothing;
  const photos = Object.keys(answer.labels).length;
  const blind = answer.held_back > 0 ? `${count(answer.held_back, "answer")} of the audit` : "";
  if (photos > 0) return `${done}: ${count(photos, "photo")} changed${blind && `, and ${blind}`}. ${next}`;
  return `${done}: ${blind || "others have changed these photos since, so they stay as they are"}. ${next}`;
}
