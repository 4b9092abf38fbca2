/** Ways to take a forecast along: a CSV file, the link, and the call with curl or Python. */

import { copyButton, saveFile } from "../shared/copy.js";
import { announce } from "../shared/live.js";
import { html } from "../vendor/lit.js";
import { curl, python } from "./calls.js";

/** @import {Forecasts, SalesModel} from "../shared/answers.js" */

/**
 * Return the panel.
 * @param {object} content
 * @param {SalesModel} content.model
 * @param {Forecasts} content.answer
 * @param {Record<string, unknown>} content.request
 * @param {{name: string, text: () => string}} content.file
 * @param {boolean} content.keys true if the service asks for a key
 */
export function take({ model, answer, request, file, keys }) {
  const calls = [
    { name: "curl", text: curl(location.origin, model.name, request, keys) },
    { name: "Python", text: python(location.origin, model.name, request, keys) },
  ];
  const save = () => {
    saveFile(file.name, file.text(), "text/csv");
    announce("Saved as a CSV file.");
  };
  return html`<section class="card" aria-labelledby="calls-title">
    <div class="card-head">
      <h2 id="calls-title">Take it with you</h2>
      <button @click=${save}>Download CSV</button>
      ${copyButton("Copy the link", () => location.href)}
    </div>
    ${calls.map(
      ({ name, text }) => html`<details>
        <summary>The same with ${name}</summary>
        <div class="code">
          <pre tabindex="0" role="region" aria-label="Call with ${name}"><code>${text}</code></pre>
          ${copyButton(`Copy ${name}`, () => text)}
        </div>
      </details>`,
    )}
    <p class="hint">Model ${model.name}, version ${answer.version}, best for the ${answer.objective}.</p>
  </section>`;
}
