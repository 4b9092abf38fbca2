/** The answer about a photo: the decision with its reason, and the most likely breeds. */

import { breedName, percent } from "../shared/format.js";
import { html, nothing, svg } from "../vendor/lit.js";

/** @import {Breed, PetsModel, Prediction} from "../shared/answers.js" */

/**
 * Return the answer as words and bars.
 * @param {Prediction} answer
 * @param {PetsModel} model
 */
export function result(answer, model) {
  return html`
    ${decision(answer, model)}
    <table class="breeds-table">
      <caption>Most likely breeds, and how sure the model is</caption>
      <thead class="unseen"><tr><th scope="col">Breed</th><th scope="col">Bar</th><th scope="col">Probability</th></tr></thead>
      <tbody>${answer.top.map((breed, index) => row(breed, index, model.threshold))}</tbody>
    </table>
    <p class="hint">The line in the bars is the threshold of ${percent(model.threshold)}: below it, a person should decide.</p>
    ${
      answer.warnings.length > 0
        ? html`<ul class="notes">${answer.warnings.map((warning) => html`<li>${sentence(warning.detail)}</li>`)}</ul>`
        : nothing
    }`;
}

/**
 * Return the decision, and why a person should look.
 * @param {Prediction} answer
 * @param {PetsModel} model
 */
function decision(answer, model) {
  const name = breedName(answer.breed);
  if (answer.decision === "accept") {
    return html`<p class="verdict good"><b>${name}</b> <span>Sure enough: ${percent(answer.probability)}, and the threshold is
      ${percent(model.threshold)}.</span></p>`;
  }
  return html`<p class="verdict review"><b>${answer.known ? `${name}?` : "Not like any breed it knows"}</b>
    <span>A person should look. ${reason(answer, model)}</span></p>`;
}

/**
 * @param {Prediction} answer
 * @param {PetsModel} model
 */
function reason(answer, model) {
  if (answer.review_reason === "unlike_training") {
    return `The photo is unlike all that the model learned from. It may show no pet, another animal, or a breed that the
      model does not know. The names below are only the closest ones.`;
  }
  if (answer.review_reason === "random_check") {
    return "The model is sure. But a random share of such photos is checked, so that the service learns how often it is right.";
  }
  return `The model is not sure: ${percent(answer.probability)} is below its threshold of ${percent(model.threshold)}.`;
}

/**
 * @param {Breed} breed
 * @param {number} index
 * @param {number} threshold
 */
function row({ breed, species, probability }, index, threshold) {
  const strong = index === 0 ? "first" : "";
  return html`<tr class=${strong}>
    <th scope="row">${breedName(breed)} ${species ? html`<span class="muted">${species}</span>` : nothing}</th>
    <td class="bar-column">
      <svg class="share" viewBox="0 0 100 18" preserveAspectRatio="none" aria-hidden="true">
        ${svg`<rect class="track" width="100" height="18" />
          <rect class="value" width=${Math.max(0.6, 100 * probability)} height="18" />
          <rect class="threshold" x=${100 * threshold} width="0.5" height="18" />`}
      </svg>
    </td>
    <td class="number">${percent(probability)}</td>
  </tr>`;
}

/** @param {string} text */
const sentence = (text) => `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
