/** The head of an open project: name, numbers, who else is here, and the ways to its parts. */

import { count, whole } from "../shared/format.js";
import { html, nothing } from "../vendor/lit.js";
import { partAddress, TABS } from "./words.js";

/** @import {Progress, ProjectAnswer} from "./types.js" */
/** @import {ProjectStore} from "./store.js" */
/** @import {LabelWorkspace} from "./workspace.js" */

/** @type {[string, string][]} */
const SHOWN = [
  ["both", "Map and grid"],
  ["map", "Map"],
  ["grid", "Grid"],
];

/**
 * @param {LabelWorkspace} page
 * @param {ProjectStore} store
 */
export function renderHead(page, store) {
  const { name, photos, archived, progress } = /** @type {ProjectAnswer} */ (store.project);
  return html`<div class="project-head">
      <p class="crumb"><a href="/console/label">All projects</a></p>
      <h1>${name}</h1>
      <p class="hint">${count(photos, "photo")}, ${whole(store.labelled)} labelled.
        ${photos > 0 ? modelWords(store) : nothing}
        ${store.people.length > 1 ? html`<span class="people">Here now: ${store.people.join(", ")}.</span>` : nothing}</p>
      <div class="flow head-tools">
        <button aria-expanded=${page.adding} @click=${() => {
          page.adding = !page.adding;
        }}>Add photos</button>
        <button aria-label="Help" aria-keyshortcuts="?" @click=${() => page.help.show()}>Help <kbd>?</kbd></button>
      </div>
    </div>
    ${archived ? html`<p class="notice">This project is archived: it can be looked at, not changed. Restore it in the list.</p>` : nothing}
    ${renderProgress(progress, store)}
    <div class="project-ways">
      <nav class="tabs" aria-label="Parts of the project"><ul>${TABS.map(
        ([tab, words]) => html`<li><a href=${partAddress({ tab })}
          aria-current=${page.tab === tab ? "page" : "false"}>${words}</a></li>`,
      )}</ul></nav>
      ${
        page.tab === "photos"
          ? html`<nav class="tabs show" aria-label="Side by side"><ul>${SHOWN.map(
              ([show, words]) => html`<li><a href=${partAddress({ show })}
          aria-current=${page.show === show ? "true" : "false"}>${words}</a></li>`,
            )}</ul></nav>`
          : nothing
      }
    </div>`;
}

/**
 * Return the state of the model in words.
 * @param {ProjectStore} store
 */
function modelWords({ predictions, labels }) {
  const learned = labels.reduce((sum, label) => sum + Number(label > 0), 0);
  if (predictions?.state === "trained")
    return `The model learned from ${count(learned, "label")} and guesses the rest.`;
  return "The model learns as soon as two labels have photos.";
}

/**
 * @param {Progress} progress
 * @param {ProjectStore} store
 */
function renderProgress({ running, photos, embedded, broken, error }, store) {
  if (error) return html`<p class="notice bad">${error}</p>`;
  if (!running && store.waiting === 0) return nothing;
  const done = embedded + broken;
  return html`<div class="step-bar"><progress max=${Math.max(1, photos)} .value=${done} aria-label="Photos looked at"></progress>
    <p class="hint">Looking at the photos: ${whole(done)} of ${whole(photos)}. You can begin with those that are here.</p></div>`;
}
