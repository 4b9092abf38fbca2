/** Controls of the map: tools, layers, projections, the words about a separation, and the keys. */

import { count, percent } from "../../shared/format.js";
import { html, nothing } from "../../vendor/lit.js";
import { KEYS } from "./keys.js";

/** @import {ProjectStore} from "../store.js" */
/** @import {Change, Mode} from "./gestures.js" */

/** @type {[Mode, string, string][]} */
const MODES = [
  ["move", "Move", "Drag the map. A click chooses a photo."],
  ["lasso", "Lasso", "Draw around photos."],
  ["rectangle", "Rectangle", "Drag a rectangle over photos."],
  ["polygon", "Polygon", "Click corners around photos. The first corner, a double click or Enter closes it."],
];
/** @type {[Change, string, string][]} */
const CHANGES = [
  ["replace", "New", "What you choose next becomes the selection."],
  ["add", "Add", "What you choose next joins the selection, as with Shift."],
  ["remove", "Remove", "What you choose next leaves the selection, as with Alt."],
];
/** Names of projections on their buttons. @type {Record<string, string>} */
const SHORT = { "pca-1-2": "PCA 1–2", "pca-3-4": "PCA 3–4", pacmap: "PaCMAP", ica: "ICA", separate: "Separate" };
/** @type {Record<string, string>} */
const POOLINGS = { what: "What it shows", where: "Where it is" };

/** @param {string} projection */
export const projectionName = (projection) => SHORT[projection] ?? projection;

/**
 * Return buttons of which one is pressed.
 * @template {string} Value
 * @param {string} name
 * @param {[Value, string, string][]} options value, text and explanation
 * @param {Value} chosen
 * @param {(value: Value) => void} choose
 */
const choice = (name, options, chosen, choose) =>
  html`<div class="segments" role="group" aria-label=${name}>${options.map(
    ([value, text, title]) => html`<button title=${title} aria-pressed=${value === chosen}
      @click=${() => choose(value)}>${text}</button>`,
  )}</div>`;

/**
 * @param {{mode: Mode, change: Change, setMode: (mode: Mode) => void, setChange: (change: Change) => void,
 *   zoomBy: (factor: number) => void, showAll: () => void, shuffle: () => void}} map
 */
export const renderTools = (map) =>
  html`<div class="tools">
    ${choice("How to choose photos", MODES, map.mode, (mode) => map.setMode(mode))}
    ${choice("What becomes of the selection", CHANGES, map.change, (change) => map.setChange(change))}
    <div class="segments" role="group" aria-label="Zoom">
      <button aria-label="Farther" title="Farther" @click=${() => map.zoomBy(1 / 1.5)}>−</button>
      <button aria-label="Nearer" title="Nearer" @click=${() => map.zoomBy(1.5)}>+</button>
      <button title="The whole map" @click=${() => map.showAll()}>All</button>
    </div>
    <button title="Show other photos as pictures" @click=${() => map.shuffle()}>Shuffle</button>
  </div>`;

/**
 * Return the buttons of all spaces: a line for each pooling, a column for each layer.
 * @param {ProjectStore} store
 * @param {Map<string, number>} scores how well each space separates the labels
 * @param {(space: string) => void} choose
 */
export function renderLayers(store, scores, choose) {
  const { spaces } = store.spaces;
  const lines = [...new Set(spaces.map(({ pooling }) => pooling))];
  const best = Math.max(...scores.values());
  return html`<div class="layers" role="group" aria-label="Layers">${lines.map(
    (pooling) =>
      html`<div class="stages"><span class="label">${POOLINGS[pooling] ?? pooling}</span>${spaces
        .filter((space) => space.pooling === pooling)
        .map(({ name, stage, text }) => {
          const score = scores.get(name);
          const words = score === undefined ? "" : `; separates ${percent(score)} of the pairs of labels`;
          return html`<button title=${text + words} aria-label=${`${stage}, ${text}${words}`}
          aria-pressed=${name === store.view.space} class=${score !== undefined && score === best ? "best" : ""}
          @click=${() => choose(name)}><span>${stage}</span>${score === undefined ? nothing : html`<small>${score.toFixed(2)}</small>`}</button>`;
        })}</div>`,
  )}</div>`;
}

/**
 * @param {ProjectStore} store
 * @param {boolean} canSeparate true if two labels have photos
 * @param {(projection: string) => void} choose
 */
export function renderProjections(store, canSeparate, choose) {
  const { projection } = store.view;
  return html`<div class="segments projections" role="group" aria-label="Projections">${store.spaces.projections.map(
    ({ name, text }) => html`<button title=${text} aria-pressed=${name === projection}
      @click=${() => choose(name)}>${projectionName(name)}</button>`,
  )}<button title="The space and direction in which the labels differ most" aria-pressed=${projection === "separate"}
      ?disabled=${!canSeparate} @click=${() => choose("separate")}>${projectionName("separate")}</button></div>`;
}

/** @param {ProjectStore} store */
export function renderSeparation({ separation, view, names }) {
  if (separation === null || view.projection !== "separate") return nothing;
  const { score, warning, text } = separation;
  const labels = Object.entries(separation.n_labelled).map(
    ([id, photos]) => `${names.get(Number(id))?.name ?? id} (${count(photos, "photo")})`,
  );
  const words = score === null ? "" : `Separates ${Math.round(100 * score)} of 100 pairs, cross-validated. `;
  return html`<p class=${warning ? "notice" : "notice good"}><strong>${words}</strong>${labels.join(", ")}: ${text}.
    ${warning ?? ""}</p>`;
}

export const renderKeys = () =>
  html`<details class="keys"><summary>Keys and gestures of the map</summary>
    <p class="hint">Keys act while the map has the focus. Wheel, pinch and double click zoom. Shift adds, and Alt removes.</p>
    <ul class="notes">${KEYS.map(
      ([keys, words]) => html`<li>${keys.map((key) => html`<kbd>${key}</kbd> `)}${words}</li>`,
    )}</ul></details>`;
