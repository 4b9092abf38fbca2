/** The choice of a heatmap. */

import { breedName } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";

/** @import {BreedClass, Prediction} from "../shared/answers.js" */
/** @import {Question} from "./ask.js" */

/** @type {{method: Question["method"], label: string, hint: string}[]} */
const METHODS = [
  { method: "none", label: "Photo only", hint: "" },
  {
    method: "activation",
    label: "Where it looked",
    hint: "Where the network found anything at all, whatever the breed.",
  },
  { method: "gradcam", label: "For a breed", hint: "Where the photo speaks for the breed." },
  {
    method: "contrast",
    label: "One breed against another",
    hint: "Where the photo speaks for the one rather than for the other.",
  },
];

/**
 * Return the form.
 * @param {object} state
 * @param {Question} state.question
 * @param {BreedClass[]} state.classes
 * @param {Prediction | null} state.answer
 * @param {number} state.opacity
 * @param {(change: Partial<Question>) => void} state.change
 * @param {(opacity: number) => void} state.fade
 */
export function controls({ question, classes, answer, opacity, change, fade }) {
  const explains = question.method === "gradcam" || question.method === "contrast";
  const hint = METHODS.find(({ method }) => method === question.method)?.hint;
  const shown = question.class || answer?.breed;
  return html`<form class="heat" aria-label="Heatmap" @submit=${(/** @type {Event} */ event) => event.preventDefault()}>
    <fieldset>
      <legend>Show</legend>
      <div class="choices">
        ${METHODS.map(
          ({ method, label }) => html`<label class="choice">
            <input type="radio" name="method" value=${method} .checked=${question.method === method} @change=${() => change({ method })}>
            ${label}
          </label>`,
        )}
      </div>
    </fieldset>
    ${
      explains
        ? html`<div class="pair">
          <label>Breed
            <select @change=${(/** @type {Event} */ event) => change({ class: chosen(event) })}>
              ${options(classes, question.class, answer ? `the most likely: ${breedName(answer.breed)}` : "the most likely")}
            </select>
          </label>
          ${
            question.method === "contrast"
              ? html`<label>Against
                <select @change=${(/** @type {Event} */ event) => change({ versus: chosen(event) })}>
                  ${options(
                    classes.filter(({ breed }) => breed !== shown),
                    question.versus,
                    "the next most likely",
                  )}
                </select>
              </label>`
              : nothing
          }
        </div>`
        : nothing
    }
    ${
      question.method === "none"
        ? nothing
        : html`<label>Strength of the colours: ${Math.round(100 * opacity)} %
            <input type="range" min="0" max="100" step="5" .value=${String(Math.round(100 * opacity))}
              @input=${(/** @type {Event} */ event) => fade(Number(chosen(event)) / 100)}>
          </label>
          <p class="hint">${hint} It shows where, not whether the reason is a good one.</p>`
    }
    <label class="choice">
      <input type="checkbox" .checked=${question.closer} @change=${() => change({ closer: !question.closer })}>
      Look closer at the animal, if it is small
    </label>
  </form>`;
}

/**
 * @param {BreedClass[]} classes
 * @param {string} value
 * @param {string} usual
 */
const options = (classes, value, usual) => html`
  <option value="" ?selected=${value === ""}>${usual}</option>
  ${classes.map(({ breed }) => html`<option value=${breed} ?selected=${breed === value}>${breedName(breed)}</option>`)}`;

/** @param {Event} event */
const chosen = (event) => /** @type {HTMLSelectElement | HTMLInputElement} */ (event.target).value;
