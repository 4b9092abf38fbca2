/** Downloads of a project: tables, tasks of Label Studio, and the folder of photos. */

import { count } from "../../shared/format.js";
import { html } from "../../vendor/lit.js";

/** @import {ExportState} from "./types.js" */

/** @type {[string, string, string][]} */
const TABLES = [
  ["labels.csv", "Labels", "a line for each photo: its label, who gave it and how, and the prediction"],
  ["predictions.csv", "Predictions", "the label and probability of each model, and what people decided"],
  ["history.csv", "History", "each label that was given, taken away or undone"],
  ["label-studio.json", "Tasks of Label Studio", "labelled photos by name and hash"],
  ["label-studio.xml", "Interface of Label Studio", "the labels to choose from"],
];

/**
 * @param {string} address of the project
 * @param {ExportState} content
 */
export function renderDownloads(address, { missing, train, valid }) {
  return html`<section class="card" aria-labelledby="downloads-title">
    <h2 id="downloads-title">Download</h2>
    <ul class="downloads">
      ${TABLES.map(
        ([file, title, text]) =>
          html`<li><a href="${address}/export/${file}" download>${title}</a> <span class="muted">${text}</span></li>`,
      )}
      <li>${
        missing.length > 0
          ? html`<b>Photos</b> <span class="muted">once there are labels to train on</span>`
          : html`<a href="${address}/export/photos.zip" download>Photos</a>
              <span class="muted">${count(train + valid, "labelled photo")} in folders, for
              <code>shopcat train pets</code>: the originals, with all that cameras wrote into them</span>`
      }</li>
    </ul>
  </section>`;
}
